// Attention of few queries on many keys that stay the same from step to step. Decoding is
// memory-bound, so keys and values may be held in 8 bits, and are read sequentially. Keys are
// transposed in tiles: a vector holds neighbouring keys of one
// dimension.

#include <cmath>
#include <cstdint>

#include "core/parallel.h"
#include "kernels/arguments.h"
#include "kernels/blocking.h"
#include "kernels/kernels.h"
#include "kernels/scratch.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cross_attention.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

template <class D>
HWY_INLINE hn::Vec<D> LoadFloats(D d, const float* from) {
  return hn::LoadU(d, from);
}
template <class D>
HWY_INLINE hn::Vec<D> LoadFloats(D d, const int8_t* from) {
  const hn::Rebind<int8_t, D> bytes;
  const hn::RebindToSigned<D> integers;
  return hn::ConvertTo(d, hn::PromoteTo(integers, hn::LoadU(bytes, from)));
}

// c[r, j] = sum_s a[r, s] b[s, j] for kRows rows and kVectors vectors of j. Rows of a and of c are
// a_row and c_row apart.
template <size_t kRows, size_t kVectors, class D, class T>
HWY_INLINE void MultiplyBlock(D d, const float* HWY_RESTRICT a, size_t a_row,
                              const T* HWY_RESTRICT b, size_t b_step, size_t steps,
                              float* HWY_RESTRICT c, size_t c_row) {
  const size_t lanes = hn::Lanes(d);
  hn::Vec<D> sum[kRows][kVectors];
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d);
  }
  for (size_t s = 0; s < steps; ++s, b += b_step) {
    PrefetchBytes(b + blocking::kPrefetchDistance / sizeof(T), kVectors * lanes * sizeof(T));
    hn::Vec<D> line[kVectors];
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) line[v] = LoadFloats(d, b + v * lanes);
    UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
      const auto factor = hn::Set(d, a[r * a_row + s]);
      UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
        sum[r][v] = hn::MulAdd(factor, line[v], sum[r][v]);
      }
    }
  }
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
      hn::StoreU(sum[r][v], d, c + r * c_row + v * lanes);
    }
  }
}

template <size_t kRows, class T>
HWY_INLINE void MultiplyColumns(const float* a, size_t a_row, const T* b, size_t b_step,
                                size_t steps, size_t columns, float* c, size_t c_row) {
  const FloatTag d;
  const hn::CappedTag<float, 4> d4;
  const hn::CappedTag<float, 1> d1;
  const size_t lanes = hn::Lanes(d);
  size_t j = 0;
  for (; j + 4 * lanes <= columns; j += 4 * lanes) {
    MultiplyBlock<kRows, 4>(d, a, a_row, b + j, b_step, steps, c + j, c_row);
  }
  for (; j + lanes <= columns; j += lanes) {
    MultiplyBlock<kRows, 1>(d, a, a_row, b + j, b_step, steps, c + j, c_row);
  }
  for (; j + hn::Lanes(d4) <= columns; j += hn::Lanes(d4)) {
    MultiplyBlock<kRows, 1>(d4, a, a_row, b + j, b_step, steps, c + j, c_row);
  }
  for (; j < columns; ++j) {
    MultiplyBlock<kRows, 1>(d1, a, a_row, b + j, b_step, steps, c + j, c_row);
  }
}

constexpr size_t kTile = CrossKeysValues::kKeyTile;

// x[i] *= factors[i] * factor
HWY_INLINE void MultiplyRow(float* HWY_RESTRICT x, const float* HWY_RESTRICT factors, size_t count,
                            float factor) {
  ForEachVector(count, [&](auto d, size_t i) HWY_ATTR {
    const auto both = hn::Mul(hn::LoadU(d, factors + i), hn::Set(d, factor));
    hn::StoreU(hn::Mul(hn::LoadU(d, x + i), both), d, x + i);
  });
}

// kRows queries from `first` on, one head.
template <size_t kRows, class T>
void AttendCrossRows(const CrossAttentionJob& job, const CrossShape& shape, size_t head,
                     size_t first) {
  const size_t dim = shape.head_dim, width = shape.heads * dim, tokens = job.cross.tokens;
  const size_t padded = job.cross.padded_tokens();
  auto* scores = static_cast<float*>(ThreadScratch(kRows * (padded + dim) * sizeof(float)));
  float* q = scores + kRows * padded;
  for (size_t r = 0; r < kRows; ++r) {
    const float* from = job.q + (first + r) * width + head * dim;
    for (size_t i = 0; i < dim; ++i) q[r * dim + i] = from[i] * shape.scale;
  }
  const T* keys = static_cast<const T*>(job.cross.keys) + head * dim * padded;
  for (size_t first_key = 0; first_key < padded; first_key += kTile, keys += dim * kTile) {
    MultiplyColumns<kRows>(q, dim, keys, kTile, dim, kTile, scores + first_key, padded);
  }
  for (size_t r = 0; r < kRows; ++r) {
    float* row = scores + r * padded;
    if (job.cross.is_i8()) MultiplyRow(row, job.cross.key_scales + head * tokens, tokens, 1.0f);
    const float factor = 1.0f / ExpOfRow(row, tokens);
    if (job.cross.is_i8()) {
      MultiplyRow(row, job.cross.value_scales + head * tokens, tokens, factor);
    } else {
      ScaleRow(row, tokens, factor);
    }
  }
  const T* values = static_cast<const T*>(job.cross.values) + head * tokens * dim;
  MultiplyColumns<kRows>(scores, padded, values, dim, tokens, dim,
                         job.out + first * width + head * dim, width);
}

template <class T>
void AttendCrossHead(const CrossAttentionJob& job, const CrossShape& shape, size_t head) {
  size_t first = 0;
  for (; first + 3 <= job.queries; first += 3) AttendCrossRows<3, T>(job, shape, head, first);
  if (first + 2 == job.queries) return AttendCrossRows<2, T>(job, shape, head, first);
  if (first < job.queries) AttendCrossRows<1, T>(job, shape, head, first);
}

void AttendCross(std::span<const CrossAttentionJob> jobs, const CrossShape& shape) {
  ParallelFor(jobs.size() * shape.heads, 1, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t i = begin; i < end; ++i) {
      const CrossAttentionJob& job = jobs[i / shape.heads];
      if (job.cross.is_i8()) {
        AttendCrossHead<int8_t>(job, shape, i % shape.heads);
      } else {
        AttendCrossHead<float>(job, shape, i % shape.heads);
      }
    }
  });
}

// Stores a row in the cache's type, such that from[i] = to[i] * scale. Returns the scale.
HWY_INLINE float StoreRow(const float* from, size_t count, int8_t* to) {
  float maximum = 0.0f;
  for (size_t i = 0; i < count; ++i) maximum = std::max(maximum, std::abs(from[i]));
  const float factor = maximum > 0.0f ? 127.0f / maximum : 0.0f;
  ForEachVector(count, [&](auto d, size_t i) HWY_ATTR {
    const hn::Rebind<int8_t, decltype(d)> bytes;
    const auto codes = hn::NearestInt(hn::Mul(hn::LoadU(d, from + i), hn::Set(d, factor)));
    hn::StoreU(hn::DemoteTo(bytes, codes), bytes, to + i);
  });
  return maximum / 127.0f;
}
HWY_INLINE float StoreRow(const float* from, size_t count, float* to) {
  std::copy_n(from, count, to);
  return 1.0f;
}

// Adds to mean[i] the mean of x[t, i] over `count` rows, `stride` apart.
HWY_INLINE void MeanOfRows(const float* x, size_t stride, size_t count, size_t dim, float* mean) {
  for (size_t t = 0; t < count; ++t) {
    for (size_t i = 0; i < dim; ++i) mean[i] += x[t * stride + i] / static_cast<float>(count);
  }
}

// Packs one head of k and v, [tokens, heads, head_dim] f32, into `cross`.
template <class T>
void PackHead(const float* k, const float* v, const CrossShape& shape, size_t head,
              const CrossKeysValues& cross) {
  const size_t dim = shape.head_dim, width = shape.heads * dim, padded = cross.padded_tokens();
  T* keys = static_cast<T*>(cross.keys) + head * dim * padded;
  T* values = static_cast<T*>(cross.values) + head * cross.tokens * dim;
  k += head * dim;
  v += head * dim;
  auto* mean = static_cast<float*>(ThreadScratch(3 * dim * sizeof(float)));
  float* centred = mean + dim;
  T* key = reinterpret_cast<T*>(centred + dim);
  std::fill_n(mean, dim, 0.0f);
  if (cross.is_i8()) MeanOfRows(k, width, cross.tokens, dim, mean);
  for (size_t t = 0; t < padded; ++t) {
    std::fill_n(key, dim, T{});
    if (t < cross.tokens) {
      for (size_t i = 0; i < dim; ++i) centred[i] = k[t * width + i] - mean[i];
      const float key_scale = StoreRow(centred, dim, key);
      const float value_scale = StoreRow(v + t * width, dim, values + t * dim);
      if (cross.is_i8()) {
        cross.key_scales[head * cross.tokens + t] = key_scale;
        cross.value_scales[head * cross.tokens + t] = value_scale;
      }
    }
    T* transposed = keys + t / kTile * kTile * dim + t % kTile;
    for (size_t i = 0; i < dim; ++i) transposed[i * kTile] = key[i];
  }
}

void PackCross(const float* k, const float* v, const CrossShape& shape,
               const CrossKeysValues& cross) {
  ParallelFor(shape.heads, 1, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t head = begin; head < end; ++head) {
      if (cross.is_i8()) {
        PackHead<int8_t>(k, v, shape, head, cross);
      } else {
        PackHead<float>(k, v, shape, head, cross);
      }
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uffizi {
namespace {
HWY_EXPORT(AttendCross);
HWY_EXPORT(PackCross);
}  // namespace

void CrossAttention(std::span<const CrossAttentionJob> jobs, size_t heads, size_t head_dim,
                    float scale) {
  ChooseKernelTarget();
  HWY_DYNAMIC_DISPATCH(AttendCross)(jobs, {heads, head_dim, scale});
}

void PackCrossKeysValues(const float* k, const float* v, size_t heads, size_t head_dim,
                         const CrossKeysValues& cross) {
  ChooseKernelTarget();
  HWY_DYNAMIC_DISPATCH(PackCross)(k, v, {heads, head_dim, 1.0f}, cross);
}

}  // namespace uffizi
#endif  // HWY_ONCE
