// Quantizes activations to 8 bits, for the kernels that produce them.

#if defined(UFFIZI_KERNELS_QUANTIZE_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_QUANTIZE_ROWS_INL_H_
#undef UFFIZI_KERNELS_QUANTIZE_ROWS_INL_H_
#else
#define UFFIZI_KERNELS_QUANTIZE_ROWS_INL_H_
#endif

#include <cmath>

#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

// max |x|. NaN may or may not be seen.
HWY_INLINE float LargestMagnitude(const float* HWY_RESTRICT x, size_t count) {
  const FloatTag d;
  const size_t lanes = hn::Lanes(d);
  auto maximum = hn::Zero(d);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) maximum = hn::Max(maximum, hn::Abs(hn::LoadU(d, x + i)));
  float largest = hn::GetLane(hn::MaxOfLanes(d, maximum));
  for (; i < count; ++i) largest = std::max(largest, std::abs(x[i]));
  return largest;
}

// Sums of a chunk's codes: of the first two of each four columns, and of the last two.
struct PairSums {
  int32_t first = 0, last = 0;

  HWY_INLINE void Add(size_t column, int32_t code) { (column % 4 < 2 ? first : last) += code; }
  // QuantizedRows::pair_starts
  HWY_INLINE int32_t Start() const {
    return static_cast<int32_t>((static_cast<uint32_t>(-8 * first) & 0xffffu) |
                                static_cast<uint32_t>(-8 * last) << 16);
  }
};

// Rounds x * factor, which must be below 2^21, to the nearest integers. x: [count]
// bias: 128 if codes are biased, else 0
HWY_INLINE PairSums RoundChunk(const float* HWY_RESTRICT x, size_t count, float factor, int bias,
                               int8_t* HWY_RESTRICT codes) {
  const FloatTag d;
  const hn::RebindToSigned<FloatTag> di;
  const hn::Rebind<int8_t, FloatTag> d8;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: the last bits of a sum are the integer
  constexpr int32_t kRoundBits = 0x4b400000;
  constexpr size_t kStep = HWY_MAX_BYTES / 4;
  PairSums all;
  size_t i = 0;
  if constexpr (kStep >= 4) {
    auto sums = hn::Zero(di);
    for (; i + kStep <= count; i += kStep) {
      const auto sum =
          hn::Add(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, factor)), hn::Set(d, kRound));
      const auto rounded = hn::Sub(hn::BitCast(di, sum), hn::Set(di, kRoundBits));
      const auto bytes = hn::DemoteTo(d8, rounded);
      hn::StoreU(hn::Xor(bytes, hn::Set(d8, static_cast<int8_t>(bias))), d8, codes + i);
      sums = hn::Add(sums, rounded);
    }
    alignas(64) int32_t lane[kStep];
    hn::Store(sums, di, lane);
    for (size_t j = 0; j < kStep; ++j) all.Add(j, lane[j]);
  }
  for (; i < count; ++i) {
    const auto rounded = static_cast<int32_t>(std::nearbyint(x[i] * factor));
    codes[i] = static_cast<int8_t>(rounded ^ bias);
    all.Add(i, rounded);
  }
  return all;
}

// y[i] = (x[i] - shift[i]) * factor[i] with those of columns [column, column + count). y may be x.
HWY_INLINE void TransformColumns(const float* x, const ColumnTransform& transform, size_t column,
                                 size_t count, float* y) {
  const float* shift = transform.shift + column;
  const float* factor = transform.factor + column;
  ForEachVector(count, [&](auto d, size_t i) HWY_ATTR {
    const auto centred = hn::Sub(hn::LoadU(d, x + i), hn::LoadU(d, shift + i));
    hn::StoreU(hn::Mul(centred, hn::LoadU(d, factor + i)), d, y + i);
  });
}

// Quantizes groups [first, first + count) of row `row` of `out`. x: their columns, f32,
// transformed already
HWY_INLINE void QuantizeGroups(const float* HWY_RESTRICT x, const QuantizedRows& out, size_t row,
                               size_t first, size_t count) {
  const size_t size = out.group_size, padded = PackedMatrix::PaddedGroup(size);
  const size_t at = row * out.groups() + first;
  const int bias = out.biased ? 128 : 0;
  int8_t* codes = out.codes + at * padded;
  int32_t* start = out.pair_starts + at * out.pair_chunks();
  for (size_t g = 0; g < count; ++g, x += size, codes += padded) {
    const float largest = LargestMagnitude(x, size);
    out.scales[at + g] = largest / 127.0f;
    // Tiny values become zero: the reciprocal could be infinite.
    const float inverse = largest > 1e-30f ? 127.0f / largest : 0.0f;
    int32_t sum = 0;
    for (size_t i = 0; i < size; i += QuantizedRows::kPairColumns) {
      const size_t columns = std::min(QuantizedRows::kPairColumns, size - i);
      const PairSums sums = RoundChunk(x + i, columns, inverse, bias, codes + i);
      sum += sums.first + sums.last;
      *start++ = sums.Start();
    }
    out.sums[at + g] = sum;
    std::fill_n(codes + size, padded - size, int8_t{0});
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#endif  // UFFIZI_KERNELS_QUANTIZE_ROWS_INL_H_
