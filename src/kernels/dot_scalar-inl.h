// Products of bytes in plain code, for processors whose vectors the other ways do not know.

#if defined(UFFIZI_KERNELS_DOT_SCALAR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_DOT_SCALAR_INL_H_
#undef UFFIZI_KERNELS_DOT_SCALAR_INL_H_
#else
#define UFFIZI_KERNELS_DOT_SCALAR_INL_H_
#endif

#include "kernels/panel_view-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

struct Scalar {
  static constexpr bool kUnpackPays = false;

  struct Nibbles {
    static constexpr size_t kColumns = 8;
  };
  struct Bytes {
    static constexpr size_t kColumns = 4;
  };
  using UnpackedNibbles = Bytes;
  using UnpackedBytes = Bytes;

  // As DotRows() of panel_dot-inl.h.
  template <class Format>
  static void DotRows(const QuantizedRows& x, size_t row, size_t rows, const PanelView& panel,
                      GroupRange range, float* out) {
    for (size_t r = 0; r < rows; ++r) {
      DotOneRow<Format>(x, row + r, panel, range, out + r * kPanel);
    }
  }

 private:
  template <class Format>
  static void DotOneRow(const QuantizedRows& x, size_t row, const PanelView& panel,
                        GroupRange range, float* HWY_RESTRICT out) {
    const size_t groups = x.groups(), padded = PackedMatrix::PaddedGroup(x.group_size);
    if (range.begin == 0) std::fill_n(out, kPanel, 0.0f);
    for (size_t g = range.begin; g < range.end; ++g) {
      int32_t sum[kPanel] = {};
      const int8_t* a = x.codes + (row * groups + g) * padded;
      const uint8_t* codes = panel.codes + g * panel.code_stride;
      for (size_t block = 0; block < panel.blocks; ++block, a += Format::kColumns) {
        for (size_t i = 0; i < kBlockBytes; ++i, ++codes) {
          if constexpr (Format::kColumns == 8) {
            sum[i / 4] += a[i % 4] * (*codes & 15) + a[4 + i % 4] * (*codes >> 4);
          } else {
            sum[i / 4] += a[i % 4] * *codes;
          }
        }
      }
      const auto* scales = reinterpret_cast<const float*>(panel.scales + g * panel.scale_stride);
      const auto* zeros = reinterpret_cast<const int32_t*>(scales + kPanel);
      for (size_t j = 0; j < kPanel; ++j) {
        const int zero = panel.symmetric ? panel.zero : zeros[j];
        out[j] += scales[j] * x.scales[row * groups + g] *
                  static_cast<float>(sum[j] - zero * x.sums[row * groups + g]);
      }
    }
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#endif  // UFFIZI_KERNELS_DOT_SCALAR_INL_H_
