// Activations to 8 bits, for the kernels whose output they are.

#if defined(UFFIZI_KERNELS_QUANTIZE_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_QUANTIZE_ROWS_INL_H_
#undef UFFIZI_KERNELS_QUANTIZE_ROWS_INL_H_
#else
#define UFFIZI_KERNELS_QUANTIZE_ROWS_INL_H_
#endif

#include "kernels/quad_dot-inl.h"
#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

// max |x|. NaN may or may not be seen.
HWY_INLINE float LargestMagnitude(const float* HWY_RESTRICT x, size_t count) {
  const FloatTag d;
  const size_t lanes = hn::Lanes(d);
  auto most = hn::Zero(d);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) most = hn::Max(most, hn::Abs(hn::LoadU(d, x + i)));
  float largest = hn::GetLane(hn::MaxOfLanes(d, most));
  for (; i < count; ++i) largest = std::max(largest, std::abs(x[i]));
  return largest;
}

// Rounds one group, and returns the sum of its codes.
HWY_INLINE int32_t RoundGroup(const float* HWY_RESTRICT x, size_t count, float inverse,
                              int8_t* HWY_RESTRICT codes) {
  const FloatTag d;
  const hn::RebindToSigned<FloatTag> di;
  const hn::Rebind<int8_t, FloatTag> d8;
  const size_t lanes = hn::Lanes(d);
  const auto factor = hn::Set(d, inverse);
  auto sums = hn::Zero(di);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto rounded = hn::NearestInt(hn::Mul(hn::LoadU(d, x + i), factor));
    hn::StoreU(hn::DemoteTo(d8, rounded), d8, codes + i);
    sums = hn::Add(sums, rounded);
  }
  int32_t sum = hn::GetLane(hn::SumOfLanes(di, sums));
  const hn::CappedTag<float, 1> d1;
  for (; i < count; ++i) {
    const int32_t rounded = hn::GetLane(hn::NearestInt(hn::Set(d1, x[i] * inverse)));
    codes[i] = static_cast<int8_t>(rounded);
    sum += rounded;
  }
  return sum;
}

#if UFFIZI_PAIR_DOT
// Where the sums of a chunk's products start. codes: [count], a multiple of 8
HWY_INLINE int32_t PairStart(const int8_t* HWY_RESTRICT codes, size_t count) {
  const hn::CappedTag<int8_t, 8> d8;
  const hn::Rebind<int16_t, decltype(d8)> d16;
  auto sums = hn::Zero(d16);  // of columns that are the same modulo 8
  for (size_t i = 0; i < count; i += 8) {
    sums = hn::Add(sums, hn::PromoteTo(d16, hn::LoadU(d8, codes + i)));
  }
  alignas(16) int16_t sum[8];
  hn::Store(sums, d16, sum);
  const int first = sum[0] + sum[1] + sum[4] + sum[5], last = sum[2] + sum[3] + sum[6] + sum[7];
  return static_cast<int32_t>((static_cast<uint32_t>(-8 * first) & 0xffffu) |
                              static_cast<uint32_t>(-8 * last) << 16);
}
#endif

// Quantizes groups [first, first + count) of row `row` of `out`. x: their columns, f32
HWY_INLINE void QuantizeGroups(const float* HWY_RESTRICT x, const QuantizedRows& out, size_t row,
                               size_t first, size_t count) {
  const size_t size = out.group_size, padded = PackedMatrix::PaddedGroup(size);
  const size_t at = row * out.groups() + first;
  int8_t* codes = out.codes + at * padded;
  for (size_t g = 0; g < count; ++g, x += size, codes += padded) {
    const float largest = LargestMagnitude(x, size);
    out.scales[at + g] = largest / 127.0f;
    // What is next to nothing becomes nothing: its inverse could be infinite.
    const float inverse = largest > 1e-30f ? 127.0f / largest : 0.0f;
    out.sums[at + g] = RoundGroup(x, size, inverse, codes);
    std::fill_n(codes + size, padded - size, int8_t{0});
#if UFFIZI_PAIR_DOT
    int32_t* start = out.pair_starts + (at + g) * out.pair_chunks();
    for (size_t i = 0; i < padded; i += QuantizedRows::kPairColumns) {
      *start++ = PairStart(codes + i, std::min(QuantizedRows::kPairColumns, padded - i));
    }
#endif
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#endif  // UFFIZI_KERNELS_QUANTIZE_ROWS_INL_H_
