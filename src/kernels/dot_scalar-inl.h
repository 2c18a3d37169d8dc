// Byte dot products in scalar code, for processors that none of the other implementations supports.

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
  static constexpr bool kSignedWeights = false;
  static constexpr bool kBiasedRows = false;

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

  // As DotFactors() of factor_dot-inl.h.
  template <class Format, class Panel>
  static void DotFactors(const QuantizedRows& x, size_t row, size_t rows, const Panel& panel,
                         GroupRange range, float* out, size_t out_stride) {
    for (size_t r = 0; r < rows; ++r) {
      for (size_t b = range.begin; b < range.end; ++b) {
        DotOneBlock(x, row + r, panel, b, out + r * out_stride);
      }
    }
  }

 private:
  template <class Panel>
  static void DotOneBlock(const QuantizedRows& x, size_t row, const Panel& panel, size_t block,
                          float* HWY_RESTRICT out) {
    const size_t blocks = x.groups(), group_blocks = panel.chunks * x.kPairColumns / 8;
    int32_t sums[kPanel] = {};
    const int8_t* a = x.codes + row * x.padded_columns() + block * x.group_size;
    for (size_t g = block * panel.groups; g < (block + 1) * panel.groups; ++g) {
      const uint8_t* codes = panel.codes + g * panel.code_stride;
      const uint8_t* factors = panel.factors + g * panel.factor_stride;
      for (size_t i = 0; i < group_blocks; ++i, a += 8) {
        for (size_t at = 0; at < kBlockBytes; ++at, ++codes) {
          const int sum = a[at % 4] * ((*codes & 15) - 8) + a[4 + at % 4] * ((*codes >> 4) - 8);
          sums[at / 4] += factors[at / 4] * sum;
        }
      }
    }
    for (size_t j = 0; j < kPanel; ++j) {
      const float part = x.scales[row * blocks + block] * static_cast<float>(sums[j]);
      out[j] = block == 0 ? part : out[j] + part;
      if (block + 1 == blocks) out[j] *= panel.row_scales[j];
    }
  }

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
