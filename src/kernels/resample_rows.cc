#include "kernels/resample_rows.h"

#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/resample_rows.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int32_t kHalf = 1 << (kWeightBits - 1);

uint8_t Clip(int32_t sum) {
  sum >>= kWeightBits;
  return static_cast<uint8_t>(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

#if HWY_TARGET == HWY_SCALAR
// Scalar version, for targets without vectors of four lanes.
template <int kRows>
void ResampleGroup(const uint8_t* in, size_t in_stride, const ResampleTaps& taps, uint8_t* out,
                   size_t out_stride) {
  for (int r = 0; r < kRows; ++r, in += in_stride, out += out_stride) {
    for (size_t x = 0; x < taps.first.size(); ++x) {
      const uint8_t* pixel = in + 3 * static_cast<size_t>(taps.first[x]);
      const int32_t* weights = taps.weights.data() + x * static_cast<size_t>(taps.stride);
      int32_t sums[3] = {kHalf, kHalf, kHalf};
      for (int i = 0; i < taps.count[x]; ++i, pixel += 3) {
        for (int c = 0; c < 3; ++c) sums[c] += pixel[c] * weights[i];
      }
      for (size_t c = 0; c < 3; ++c) out[3 * x + c] = Clip(sums[c]);
    }
  }
}
#else
// Processes `kRows` rows at once, so that a weight is loaded once for all of them. A pixel and one
// extra byte fill four lanes.
template <int kRows>
void ResampleGroup(const uint8_t* in, size_t in_stride, const ResampleTaps& taps, uint8_t* out,
                   size_t out_stride) {
  const hn::FixedTag<int32_t, 4> d32;
  const hn::FixedTag<uint8_t, 4> d8;
  const size_t outputs = taps.first.size();
  for (size_t x = 0; x < outputs; ++x) {
    const uint8_t* from = in + 3 * static_cast<size_t>(taps.first[x]);
    const int32_t* weights = taps.weights.data() + x * static_cast<size_t>(taps.stride);
    hn::Vec<decltype(d32)> sums[kRows];
    for (int r = 0; r < kRows; ++r) sums[r] = hn::Set(d32, kHalf);
    for (int i = 0; i < taps.count[x]; ++i) {
      const auto weight = hn::Set(d32, weights[i]);
      for (int r = 0; r < kRows; ++r) {
        const uint8_t* pixel = from + static_cast<size_t>(r) * in_stride + 3 * i;
        sums[r] = hn::Add(sums[r], hn::Mul(hn::PromoteTo(d32, hn::LoadU(d8, pixel)), weight));
      }
    }
    for (int r = 0; r < kRows; ++r) {
      const auto bytes = hn::DemoteTo(d8, hn::ShiftRight<kWeightBits>(sums[r]));
      uint8_t* to = out + static_cast<size_t>(r) * out_stride + 3 * x;
      if (x + 1 < outputs) {
        hn::StoreU(bytes, d8, to);  // the next pixel overwrites the fourth byte
      } else {
        HWY_ALIGN uint8_t last[16];
        hn::StoreU(bytes, d8, last);
        for (int c = 0; c < 3; ++c) to[c] = last[c];
      }
    }
  }
}

#endif

void RowsHorizontally(const uint8_t* in, size_t in_stride, int rows, const ResampleTaps& taps,
                      uint8_t* out, size_t out_stride) {
  int row = 0;
  for (; row + 4 <= rows; row += 4) {
    ResampleGroup<4>(in + static_cast<size_t>(row) * in_stride, in_stride, taps,
                     out + static_cast<size_t>(row) * out_stride, out_stride);
  }
  for (; row < rows; ++row) {
    ResampleGroup<1>(in + static_cast<size_t>(row) * in_stride, in_stride, taps,
                     out + static_cast<size_t>(row) * out_stride, out_stride);
  }
}

// Computes kVectors * lanes neighbouring bytes of the output row.
template <int kVectors>
HWY_INLINE void BlendBlock(const uint8_t* in, size_t in_stride, const int32_t* weights, int count,
                           uint8_t* out) {
  const hn::ScalableTag<int32_t> d32;
  const hn::Rebind<uint8_t, decltype(d32)> d8;
  const size_t lanes = hn::Lanes(d32);
  hn::Vec<decltype(d32)> sums[kVectors];
  for (int v = 0; v < kVectors; ++v) sums[v] = hn::Set(d32, kHalf);
  for (int r = 0; r < count; ++r, in += in_stride) {
    const auto weight = hn::Set(d32, weights[r]);
    for (int v = 0; v < kVectors; ++v) {
      const auto pixels = hn::LoadU(d8, in + static_cast<size_t>(v) * lanes);
      sums[v] = hn::Add(sums[v], hn::Mul(hn::PromoteTo(d32, pixels), weight));
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    hn::StoreU(hn::DemoteTo(d8, hn::ShiftRight<kWeightBits>(sums[v])), d8,
               out + static_cast<size_t>(v) * lanes);
  }
}

void Blend(const uint8_t* in, size_t in_stride, const int32_t* weights, int count, size_t bytes,
           uint8_t* out) {
  const size_t lanes = hn::Lanes(hn::ScalableTag<int32_t>());
  size_t i = 0;
  for (; i + 4 * lanes <= bytes; i += 4 * lanes) {
    BlendBlock<4>(in + i, in_stride, weights, count, out + i);
  }
  for (; i + lanes <= bytes; i += lanes) {
    BlendBlock<1>(in + i, in_stride, weights, count, out + i);
  }
  for (; i < bytes; ++i) {
    int32_t sum = kHalf;
    for (int r = 0; r < count; ++r) sum += in[static_cast<size_t>(r) * in_stride + i] * weights[r];
    out[i] = Clip(sum);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uffizi {
namespace {
HWY_EXPORT(RowsHorizontally);
HWY_EXPORT(Blend);
}  // namespace

void ResampleRowsHorizontally(const uint8_t* in, size_t in_stride, int rows,
                              const ResampleTaps& taps, uint8_t* out, size_t out_stride) {
  ChooseKernelTarget();
  HWY_DYNAMIC_DISPATCH(RowsHorizontally)(in, in_stride, rows, taps, out, out_stride);
}

void BlendRows(const uint8_t* in, size_t in_stride, const int32_t* weights, int count, size_t bytes,
               uint8_t* out) {
  ChooseKernelTarget();
  HWY_DYNAMIC_DISPATCH(Blend)(in, in_stride, weights, count, bytes, out);
}

}  // namespace uffizi
#endif  // HWY_ONCE
