// Vector helpers shared by the kernels, compiled once for each instruction set.

#if defined(UFFIZI_KERNELS_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_SIMD_INL_H_
#undef UFFIZI_KERNELS_SIMD_INL_H_
#else
#define UFFIZI_KERNELS_SIMD_INL_H_
#endif

#include <algorithm>
#include <cstddef>

#include "hwy/highway.h"
#include "kernels/kernels.h"

#define UFFIZI_UNROLL _Pragma("GCC unroll 16")

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;

// Calls body(tag, i) so that the tags' lanes cover [0, count) exactly: whole vectors first, then
// quarters of AVX-512's vectors, then single lanes.
template <class Body>
HWY_INLINE void ForEachVector(size_t count, const Body& body) {
  const FloatTag d;
  const hn::CappedTag<float, 4> d4;
  const hn::CappedTag<float, 1> d1;
  size_t i = 0;
  for (; i + hn::Lanes(d) <= count; i += hn::Lanes(d)) body(d, i);
  for (; i + hn::Lanes(d4) <= count; i += hn::Lanes(d4)) body(d4, i);
  for (; i < count; ++i) body(d1, i);
}

// Prefetches memory into the L2 cache. The range may extend past the end of the buffer.
HWY_INLINE void PrefetchBytes(const void* from, size_t bytes) {
  const auto* line = static_cast<const char*>(from);
  for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(line + i, 0, 2);
}

// x[i] *= factor
HWY_INLINE void ScaleRow(float* x, size_t count, float factor) {
  ForEachVector(count, [&](auto d, size_t i) HWY_ATTR {
    hn::StoreU(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, factor)), d, x + i);
  });
}

template <class D>
HWY_INLINE float Sum(D d, hn::Vec<D> v) {
  return hn::GetLane(hn::SumOfLanes(d, v));
}

// erf(x) for |x| < 3.9 as x P(x^2) / Q(x^2), +-1 beyond. The error in float arithmetic is below
// 3.3e-7. The coefficients are our own minimax fit on [0, 4], with an error of 5.5e-8.
template <class D>
HWY_INLINE hn::Vec<D> Erf(D d, hn::Vec<D> x) {
  const auto u = hn::Mul(x, x);
  auto p = hn::Set(d, 1.9217230473600466e-08f);
  p = hn::MulAdd(p, u, hn::Set(d, -1.9903254724340513e-06f));
  p = hn::MulAdd(p, u, hn::Set(d, 0.0001555373310111463f));
  p = hn::MulAdd(p, u, hn::Set(d, 0.004293070640414953f));
  p = hn::MulAdd(p, u, hn::Set(d, 0.05243352800607681f));
  p = hn::MulAdd(p, u, hn::Set(d, 0.21394506096839905f));
  p = hn::MulAdd(p, u, hn::Set(d, 1.1283786296844482f));
  auto q = hn::Set(d, 0.0010980425868183374f);
  q = hn::MulAdd(q, u, hn::Set(d, 0.015551128424704075f));
  q = hn::MulAdd(q, u, hn::Set(d, 0.12079977989196777f));
  q = hn::MulAdd(q, u, hn::Set(d, 0.5229315161705017f));
  const auto one = hn::Set(d, 1.0f);
  q = hn::MulAdd(q, u, one);
  const auto inside = hn::Div(hn::Mul(x, p), q);
  return hn::IfThenElse(hn::Lt(hn::Abs(x), hn::Set(d, 3.9f)), inside, hn::CopySign(one, x));
}

template <class D>
HWY_INLINE hn::Vec<D> GeluOf(D d, hn::Vec<D> x) {
  const auto half = hn::Mul(x, hn::Set(d, 0.5f));
  return hn::MulAdd(half, Erf(d, hn::Mul(x, hn::Set(d, 0.70710678118654752f))), half);
}

// Applies an epilogue to `count` columns of one row, the first of which is column `column`.
// sums: [count], residual and y: the row's [count] from there on
HWY_INLINE void ApplyEpilogue(const Epilogue& epilogue, const float* HWY_RESTRICT sums,
                              size_t column, size_t count, const float* residual, float* y) {
  ForEachVector(count, [&](auto d, size_t i) HWY_ATTR {
    auto v = hn::LoadU(d, sums + i);
    if (epilogue.bias != nullptr) v = hn::Add(v, hn::LoadU(d, epilogue.bias + column + i));
    if (epilogue.activation == Activation::kGelu) v = GeluOf(d, v);
    if (residual != nullptr) v = hn::Add(v, hn::LoadU(d, residual + i));
    hn::StoreU(v, d, y + i);
  });
}

// Copies `count` rows of `dim` elements side by side. The rows of one head are a power of two
// apart, and few such rows fit the cache at once.
HWY_INLINE void GatherRows(const float* x, size_t stride, size_t count, size_t dim,
                           float* HWY_RESTRICT out) {
  for (size_t i = 0; i < count; ++i) std::copy_n(x + i * stride, dim, out + i * dim);
}

// A small matrix product as a sum of outer products, the form of all attention products:
// c[r, j] = sum_s a[r, s] b[s, j].
struct OuterProduct {
  const float* a;
  size_t a_row, a_step;  // strides of r and s
  const float* b;        // j is contiguous
  size_t b_step;
  size_t steps;
  float* c;  // j is contiguous
  size_t c_row;
};

template <size_t kRows, size_t kVectors, class D>
HWY_INLINE void OuterProductBlock(D d, const OuterProduct& p, size_t row, size_t column) {
  using V = hn::Vec<D>;
  const size_t lanes = hn::Lanes(d);
  V sum[kRows][kVectors];
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d);
  }
  const float* HWY_RESTRICT a = p.a + row * p.a_row;
  const float* HWY_RESTRICT b = p.b + column;
  for (size_t s = 0; s < p.steps; ++s, a += p.a_step, b += p.b_step) {
    V line[kVectors];
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) line[v] = hn::LoadU(d, b + v * lanes);
    UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
      const V factor = hn::Set(d, a[r * p.a_row]);
      UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
        sum[r][v] = hn::MulAdd(factor, line[v], sum[r][v]);
      }
    }
  }
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    float* c = p.c + (row + r) * p.c_row + column;
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) hn::StoreU(sum[r][v], d, c + v * lanes);
  }
}

template <size_t kVectors, class D>
HWY_INLINE void OuterProductColumns(D d, const OuterProduct& p, size_t rows, size_t column) {
  // As many rows as leave registers for a row of b and a factor in addition to the sums.
  constexpr size_t kRows = HWY_CAP_GE512 ? (kVectors == 4 ? 6 : 8) : 6;
  size_t row = 0;
  for (; row + kRows <= rows; row += kRows) OuterProductBlock<kRows, kVectors>(d, p, row, column);
  for (; row + 3 <= rows; row += 3) OuterProductBlock<3, kVectors>(d, p, row, column);
  for (; row < rows; ++row) OuterProductBlock<1, kVectors>(d, p, row, column);
}

// Every element of c is summed in the order of s, for every blocking of rows and columns.
HWY_INLINE void ComputeOuterProduct(const OuterProduct& p, size_t rows, size_t columns) {
  const FloatTag d;
  const hn::CappedTag<float, 4> d4;
  const hn::CappedTag<float, 1> d1;
  constexpr size_t kWide = HWY_CAP_GE512 ? 4 : 2;  // what the registers hold beside four rows
  const size_t lanes = hn::Lanes(d);
  size_t j = 0;
  for (; j + kWide * lanes <= columns; j += kWide * lanes) {
    OuterProductColumns<kWide>(d, p, rows, j);
  }
  for (; kWide > 2 && j + 2 * lanes <= columns; j += 2 * lanes) {
    OuterProductColumns<2>(d, p, rows, j);
  }
  for (; j + lanes <= columns; j += lanes) OuterProductColumns<1>(d, p, rows, j);
  for (; j + hn::Lanes(d4) <= columns; j += hn::Lanes(d4)) OuterProductColumns<1>(d4, p, rows, j);
  for (; j < columns; ++j) OuterProductColumns<1>(d1, p, rows, j);
}

// e^x for x <= 0, with a relative error of 3e-7 for x > -10 and 9e-7 beyond. Below -50 it is 0,
// which is negligible next to 1, because subnormal numbers take some processors a hundred cycles
// each. Computed as 2^n 2^f, the latter by our own minimax fit on [-0.5, 0.5].
template <class D>
HWY_INLINE hn::Vec<D> ExpOrNothing(D d, hn::Vec<D> x) {
  const auto log2e = hn::Set(d, 1.44269504f);
  const auto round = hn::Set(d, 12582912.0f);  // 1.5 * 2^23: the last bits of a sum are n
  const auto sum = hn::MulAdd(x, log2e, round);
  const auto f = hn::MulSub(x, log2e, hn::Sub(sum, round));
  auto p = hn::Set(d, 0.001327647129073739f);
  p = hn::MulAdd(p, f, hn::Set(d, 0.009675540961325169f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.05550713092088699f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.24022120237350464f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.6931469440460205f));
  p = hn::MulAdd(p, f, hn::Set(d, 1.0000001192092896f));
  const hn::RebindToSigned<D> di;
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(di, sum));
  const auto e = hn::BitCast(d, hn::Add(hn::BitCast(di, p), exponent));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -50.0f)), e);
}

// Softmax without the division: x[i] becomes exp(x[i] - max(x)), and their sum is returned.
HWY_INLINE float ExpOfRow(float* HWY_RESTRICT x, size_t count) {
  const FloatTag d;
  const size_t lanes = hn::Lanes(d);
  float largest = x[0];
  size_t i = 0;
  if (count >= lanes) {
    auto maximum = hn::LoadU(d, x);
    for (i = lanes; i + lanes <= count; i += lanes) maximum = hn::Max(maximum, hn::LoadU(d, x + i));
    largest = hn::GetLane(hn::MaxOfLanes(d, maximum));
  }
  for (; i < count; ++i) largest = std::max(largest, x[i]);
  const auto shift = hn::Set(d, largest);
  auto sums = hn::Zero(d);
  for (i = 0; i + lanes <= count; i += lanes) {
    const auto e = ExpOrNothing(d, hn::Sub(hn::LoadU(d, x + i), shift));
    hn::StoreU(e, d, x + i);
    sums = hn::Add(sums, e);
  }
  float sum = Sum(d, sums);
  const hn::CappedTag<float, 1> d1;
  for (; i < count; ++i) {
    const auto e = ExpOrNothing(d1, hn::Set(d1, x[i] - largest));
    hn::StoreU(e, d1, x + i);
    sum += x[i];
  }
  return sum;
}

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#endif  // UFFIZI_KERNELS_SIMD_INL_H_
