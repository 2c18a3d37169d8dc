// The micro-kernels for matrices with factors: sums over all columns that share an activation scale
// (a block) are integers, and floating-point work is done once per block. A product is
//   y[r, j] = row_scale[j] * sum_b x_scale[r, b] * sum_{g in b} factor[j, g] * sum_c x[r, c] (w[j,
//   c] - 8)
// in every kernel, and everything to the right of x_scale is exact, so all kernels give identical
// bits.
//
// Few rows multiply the packed codes, and then each group's sums by its factors. Many rows share a
// panel that is unpacked to signed bytes, (code - 8) * factor, if the byte dot product supports
// signed weights (kSignedWeights). Otherwise they work like few rows, from unpacked nibbles.

#if defined(UFFIZI_KERNELS_FACTOR_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_FACTOR_DOT_INL_H_
#undef UFFIZI_KERNELS_FACTOR_DOT_INL_H_
#else
#define UFFIZI_KERNELS_FACTOR_DOT_INL_H_
#endif

#include "kernels/panel_dot-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

// A panel of a matrix with factors, as packed or with its nibbles unpacked.
struct FactorPanel {
  const uint8_t* codes;    // of the first group
  size_t code_stride;      // bytes from group to group
  const uint8_t* factors;  // [kPanel] u8, of the first group
  size_t factor_stride;
  const float* row_scales;  // [kPanel]
  size_t chunks;            // of 64 columns in a group
  size_t groups;            // in a block of activations with one scale
  size_t prefetch;          // distance in bytes; 0 for none

  static FactorPanel Of(const PackedMatrix& w, size_t panel, size_t prefetch) {
    const uint8_t* data = w.panel(panel);
    return {data,
            w.group_bytes(),
            data + w.code_bytes(),
            w.group_bytes(),
            w.row_scales(panel),
            w.group_size() / QuantizedRows::kPairColumns,
            w.input_group() / w.group_size(),
            prefetch};
  }
};

constexpr size_t kChunkColumns = QuantizedRows::kPairColumns;

#if UFFIZI_BYTE_VECTORS

// What the zero point 8 subtracts from the sum of a chunk; QuantizedRows::pair_starts stores it in
// two parts.
HWY_INLINE int32_t StartOfChunk(int32_t pair_start) {
  return static_cast<int16_t>(pair_start & 0xffff) + (pair_start >> 16);
}

// Adds factor times the sums of a chunk of 64 columns to `sum`. starts: of each row, row_starts
// apart
template <class Format, bool kBiased, size_t kRows, size_t kVectors>
HWY_INLINE void AddChunk(const uint8_t* HWY_RESTRICT codes, const int8_t* HWY_RESTRICT a,
                         size_t stride, const int32_t* HWY_RESTRICT starts, size_t row_starts,
                         size_t prefetch, const Int32Vector (&factor)[kVectors],
                         Int32Vector (&sum)[kRows][kVectors]) {
  constexpr size_t kBlocks = kChunkColumns / Format::kColumns;
  if constexpr (Format::kSumsPairs) {
#if UFFIZI_MADDUBS
    Int16Vector pairs[kRows][kVectors];
    UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
      const auto start = hn::BitCast(Int16Tag(), hn::Set(Int32Tag(), starts[r * row_starts]));
      UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) pairs[r][v] = start;
    }
    AddBlocks<Format, kBiased>(codes, kBlocks, a, stride, prefetch, pairs);
    UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
      UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
        const auto both = hn::Or(factor[v], hn::ShiftLeft<16>(factor[v]));
        sum[r][v] = AddScaledPairs(sum[r][v], pairs[r][v], both);
      }
    }
#endif
  } else {
    Int32Vector part[kRows][kVectors];
    UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
      const auto start = hn::Set(Int32Tag(), StartOfChunk(starts[r * row_starts]));
      UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) part[r][v] = start;
    }
    AddBlocks<Format, kBiased>(codes, kBlocks, a, stride, prefetch, part);
    UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
      UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
        sum[r][v] = hn::Add(sum[r][v], hn::Mul(part[r][v], factor[v]));
      }
    }
  }
}

// Adds a block's integer sums to the totals in `out`. The first block initializes them, and the
// last one multiplies them by the rows' scales. x_scales: of each row, row_scales apart
template <size_t kRows, size_t kVectors>
HWY_INLINE void AddBlockSums(const Int32Vector (&sum)[kRows][kVectors],
                             const float* HWY_RESTRICT x_scales, size_t blocks, size_t block,
                             const float* HWY_RESTRICT row_scales, float* HWY_RESTRICT out,
                             size_t out_stride) {
  const FloatTag d;
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    const auto x_scale = hn::Set(d, x_scales[r * blocks + block]);
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
      float* at = out + r * out_stride + v * kLanes;
      auto total = hn::Mul(x_scale, hn::ConvertTo(d, sum[r][v]));
      if (block != 0) {
        total = hn::MulAdd(x_scale, hn::ConvertTo(d, sum[r][v]), hn::Load(d, at));
      }
      if (block + 1 == blocks) total = hn::Mul(total, hn::Load(d, row_scales + v * kLanes));
      hn::Store(total, d, at);
    }
  }
}

// Rows [row, row + kRows) times kVectors vectors of a panel's columns, from `first` on, in blocks
// of `range`. out: [kRows, kPanel] f32, rows out_stride apart
template <class Format, bool kBiased, size_t kRows, size_t kVectors>
HWY_INLINE void DotFactorBlocks(const QuantizedRows& x, size_t row, const FactorPanel& panel,
                                size_t first, GroupRange range, float* HWY_RESTRICT out,
                                size_t out_stride) {
  const Int32Tag di;
  const hn::Rebind<uint8_t, Int32Tag> d8;
  constexpr size_t kChunkBytes = kChunkColumns / Format::kColumns * kBlockBytes;
  const size_t blocks = x.groups(), stride = x.padded_columns(), chunks = x.pair_chunks();
  const size_t row_starts = blocks * chunks;
  for (size_t b = range.begin; b < range.end; ++b) {
    const int8_t* a = x.codes + row * stride + b * x.group_size;
    const int32_t* starts = x.pair_starts + row * row_starts + b * chunks;
    Int32Vector sum[kRows][kVectors];
    UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
      UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(di);
    }
    for (size_t g = b * panel.groups; g < (b + 1) * panel.groups; ++g) {
      const uint8_t* codes = panel.codes + g * panel.code_stride + first * HWY_MAX_BYTES;
      if (kRows <= blocking::kMemoryBoundRows && first == 0 && panel.prefetch != 0) {
        PrefetchBytes(codes + panel.prefetch, panel.code_stride);
      }
      Int32Vector factor[kVectors];
      UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
        const uint8_t* at = panel.factors + g * panel.factor_stride + (first + v) * kLanes;
        factor[v] = hn::PromoteTo(di, hn::LoadU(d8, at));
      }
      for (size_t c = 0; c < panel.chunks; ++c) {
        AddChunk<Format, kBiased>(codes, a, stride, starts, row_starts, panel.prefetch, factor,
                                  sum);
        codes += kChunkBytes;
        a += kChunkColumns;
        ++starts;
      }
    }
    AddBlockSums(sum, x.scales + row * blocks, blocks, b, panel.row_scales + first * kLanes,
                 out + first * kLanes, out_stride);
  }
}

template <class Format, bool kBiased, size_t kRows>
HWY_INLINE void DotFactorRows(const QuantizedRows& x, size_t row, const FactorPanel& panel,
                              GroupRange range, float* out, size_t out_stride) {
  constexpr size_t kAll = kPanel / kLanes;
  constexpr size_t kVectors = std::min(kAll, blocking::NrVectors(kRows, HWY_MAX_BYTES));
  for (size_t v = 0; v < kAll; v += kVectors) {
    DotFactorBlocks<Format, kBiased, kRows, kVectors>(x, row, panel, v, range, out, out_stride);
  }
}

// Rows [row, row + rows), at most blocking::kMr, times a panel, the blocks of `range`. out:
// [rows, kPanel] f32, rows out_stride apart
template <class Format, bool kBiased>
void DotFactors(const QuantizedRows& x, size_t row, size_t rows, const FactorPanel& panel,
                GroupRange range, float* out, size_t out_stride) {
  switch (rows) {
    case 1:
      return DotFactorRows<Format, kBiased, 1>(x, row, panel, range, out, out_stride);
    case 2:
      return DotFactorRows<Format, kBiased, 2>(x, row, panel, range, out, out_stride);
    case 3:
      return DotFactorRows<Format, kBiased, 3>(x, row, panel, range, out, out_stride);
    case 4:
      return DotFactorRows<Format, kBiased, 4>(x, row, panel, range, out, out_stride);
    case 5:
      return DotFactorRows<Format, kBiased, 5>(x, row, panel, range, out, out_stride);
    default:
      return DotFactorRows<Format, kBiased, 6>(x, row, panel, range, out, out_stride);
  }
}

// A panel unpacked to signed bytes, (code - 8) * factor.
struct SignedPanel {
  const int8_t* weights;    // [columns / 4, kPanel, 4]; in pairs, [columns / 8, kPanel, 8]
  const int32_t* starts;    // [blocks, kPanel], initial sums: -128 times the sum of the weights
                            // where activations are biased
  const float* row_scales;  // [kPanel]

  static size_t Bytes(const PackedMatrix& w) {
    return (w.columns() + w.columns() / w.input_group() * sizeof(int32_t)) * kPanel;
  }
};

// Stores a vector of each of two neighbouring quads of columns, in the order of SignedPanel.
template <class Way>
HWY_INLINE void StoreSigned(const Uint8Vector (&weights)[2], uint8_t* HWY_RESTRICT out) {
  const Uint8Tag d8;
  if constexpr (Way::kPairs) {
    const Int32Tag di;
    const auto first = hn::BitCast(di, weights[0]), second = hn::BitCast(di, weights[1]);
    hn::Store(hn::BitCast(d8, hn::InterleaveLower(di, first, second)), d8, out);
    hn::Store(hn::BitCast(d8, hn::InterleaveUpper(di, first, second)), d8, out + HWY_MAX_BYTES);
  } else {
    hn::Store(weights[0], d8, out);
    hn::Store(weights[1], d8, out + kBlockBytes);
  }
}

// memory: [SignedPanel::Bytes(w)], aligned to 64 bytes
template <class Way>
SignedPanel UnpackSigned(const PackedMatrix& w, size_t number, uint8_t* HWY_RESTRICT memory) {
  const Uint8Tag d8;
  const Uint16Tag d16;
  const Int32Tag di;
  const hn::Rebind<uint8_t, Int32Tag> quarter;
  const FactorPanel panel = FactorPanel::Of(w, number, 0);
  const size_t blocks = w.groups() / panel.groups, group_blocks = w.group_size() / 8;
  auto* starts = reinterpret_cast<int32_t*>(memory + w.columns() * kPanel);
  const auto low = hn::Set(d8, 15);
  for (size_t first = 0; first < kPanel; first += kLanes) {
    uint8_t* HWY_RESTRICT out = memory + first * (Way::kPairs ? 8 : 4);
    for (size_t b = 0; b < blocks; ++b) {
      auto sum = hn::Zero(di);
      for (size_t g = b * panel.groups; g < (b + 1) * panel.groups; ++g) {
        const uint8_t* HWY_RESTRICT codes = panel.codes + g * panel.code_stride + first * 4;
        const uint8_t* at = panel.factors + g * panel.factor_stride + first;
        // The factor in both halves of each lane. Two codes in a 16-bit lane are multiplied at
        // once: the product of the lower one, at most 15 * 15, does not carry into the upper one.
        auto factor = hn::PromoteTo(di, hn::LoadU(quarter, at));
        factor = hn::Or(factor, hn::ShiftLeft<16>(factor));
        const auto factors = hn::BitCast(d16, factor);
        const auto zero =
            hn::BitCast(d8, hn::Or(hn::ShiftLeft<3>(factors), hn::ShiftLeft<11>(factors)));
        for (size_t block = 0; block < group_blocks; ++block, codes += kBlockBytes) {
          const Uint8Vector loaded = hn::Load(d8, codes);
          const Uint8Vector nibbles[2] = {
              hn::And(loaded, low),
              hn::And(hn::BitCast(d8, hn::ShiftRight<4>(hn::BitCast(d16, loaded))), low)};
          Uint8Vector weights[2];
          UFFIZI_UNROLL for (size_t half = 0; half < 2; ++half) {
            const auto product = hn::Mul(hn::BitCast(d16, nibbles[half]), factors);
            weights[half] = hn::Sub(hn::BitCast(d8, product), zero);
            if constexpr (Way::kBiasedRows) {
              Way::AddSigned(sum, hn::Set(Int8Tag(), -128), hn::BitCast(Int8Tag(), weights[half]));
            }
          }
          StoreSigned<Way>(weights, out);
          out += 2 * kBlockBytes;
        }
      }
      hn::Store(hn::Neg(sum), di, starts + b * kPanel + first);
    }
  }
  return {reinterpret_cast<const int8_t*>(memory), starts, panel.row_scales};
}

// Rows [row, row + kRows) times kVectors vectors of an unpacked panel. out: [kRows, kPanel] f32,
// rows out_stride apart
template <class Way, size_t kRows, size_t kVectors>
HWY_INLINE void DotSignedBlocks(const QuantizedRows& x, size_t row, const SignedPanel& panel,
                                size_t first, float* HWY_RESTRICT out, size_t out_stride) {
  const Int32Tag di;
  const size_t blocks = x.groups(), stride = x.padded_columns(), quads = x.group_size / 4;
  const int8_t* HWY_RESTRICT a = x.codes + row * stride;
  const int8_t* HWY_RESTRICT w = panel.weights + first * HWY_MAX_BYTES;
  for (size_t b = 0; b < blocks; ++b) {
    Int32Vector sum[kRows][kVectors];
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
      const auto start = hn::Load(di, panel.starts + b * kPanel + (first + v) * kLanes);
      UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) sum[r][v] = start;
    }
    for (size_t quad = 0; quad < quads; ++quad, a += 4, w += kBlockBytes) {
      Int8Vector weights[kVectors];
      UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
        weights[v] = hn::Load(Int8Tag(), w + v * HWY_MAX_BYTES);
      }
      UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
        const Int8Vector factor = BroadcastQuad(a + r * stride);
        UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
          Way::AddSigned(sum[r][v], factor, weights[v]);
        }
      }
    }
    AddBlockSums(sum, x.scales + row * blocks, blocks, b, panel.row_scales + first * kLanes,
                 out + first * kLanes, out_stride);
  }
}

// The same by instructions that multiply two rows by two columns of the product. An odd last row is
// multiplied twice.
template <class Way, size_t kRows, size_t kVectors>
HWY_INLINE void DotSignedPairs(const QuantizedRows& x, size_t row, const SignedPanel& panel,
                               size_t first, float* HWY_RESTRICT out, size_t out_stride) {
  const Int32Tag di;
  constexpr size_t kHeight = (kRows + 1) / 2, kWidth = 2 * kVectors;
  const size_t blocks = x.groups(), stride = x.padded_columns(), octets = x.group_size / 8;
  const int8_t* HWY_RESTRICT a = x.codes + row * stride;
  const int8_t* HWY_RESTRICT w = panel.weights + 2 * first * HWY_MAX_BYTES;
  for (size_t b = 0; b < blocks; ++b) {
    Int32Vector pairs[kHeight][kWidth];
    UFFIZI_UNROLL for (size_t p = 0; p < kHeight; ++p) {
      UFFIZI_UNROLL for (size_t v = 0; v < kWidth; ++v) pairs[p][v] = hn::Zero(di);
    }
    for (size_t octet = 0; octet < octets; ++octet, a += 8, w += 2 * kBlockBytes) {
      Int8Vector rows[kHeight];
      UFFIZI_UNROLL for (size_t p = 0; p < kHeight; ++p) {
        rows[p] = Way::LoadPair(a + 2 * p * stride, a + std::min(2 * p + 1, kRows - 1) * stride);
      }
      UFFIZI_UNROLL for (size_t v = 0; v < kWidth; ++v) {
        const Int8Vector weights = hn::Load(Int8Tag(), w + v * HWY_MAX_BYTES);
        UFFIZI_UNROLL for (size_t p = 0; p < kHeight; ++p) {
          Way::AddPairs(pairs[p][v], rows[p], weights);
        }
      }
    }
    Int32Vector sum[kRows][kVectors];
    UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
      UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
        const auto left = pairs[r / 2][2 * v], right = pairs[r / 2][2 * v + 1];
        sum[r][v] = r % 2 == 0 ? hn::ConcatLowerLower(di, right, left)
                               : hn::ConcatUpperUpper(di, right, left);
      }
    }
    AddBlockSums(sum, x.scales + row * blocks, blocks, b, panel.row_scales + first * kLanes,
                 out + first * kLanes, out_stride);
  }
}

template <class Way, size_t kRows>
HWY_INLINE void DotSignedRows(const QuantizedRows& x, size_t row, const SignedPanel& panel,
                              float* out, size_t out_stride) {
  constexpr size_t kVectors = std::min(kPanel / kLanes, blocking::SignedNrVectors(HWY_MAX_BYTES));
  for (size_t v = 0; v < kPanel / kLanes; v += kVectors) {
    if constexpr (Way::kPairs) {
      DotSignedPairs<Way, kRows, kVectors>(x, row, panel, v, out, out_stride);
    } else {
      DotSignedBlocks<Way, kRows, kVectors>(x, row, panel, v, out, out_stride);
    }
  }
}

// Rows [row, row + rows), at most blocking::kMr, times an unpacked panel. out: [rows, kPanel] f32,
// rows out_stride apart
template <class Way>
void DotSigned(const QuantizedRows& x, size_t row, size_t rows, const SignedPanel& panel,
               float* out, size_t out_stride) {
  switch (rows) {
    case 1:
      return DotSignedRows<Way, 1>(x, row, panel, out, out_stride);
    case 2:
      return DotSignedRows<Way, 2>(x, row, panel, out, out_stride);
    case 3:
      return DotSignedRows<Way, 3>(x, row, panel, out, out_stride);
    case 4:
      return DotSignedRows<Way, 4>(x, row, panel, out, out_stride);
    case 5:
      return DotSignedRows<Way, 5>(x, row, panel, out, out_stride);
    default:
      return DotSignedRows<Way, 6>(x, row, panel, out, out_stride);
  }
}

#else  // plain code

template <class Format, bool kBiased>
void DotFactors(const QuantizedRows& x, size_t row, size_t rows, const FactorPanel& panel,
                GroupRange range, float* out, size_t out_stride) {
  Scalar::DotFactors<Format>(x, row, rows, panel, range, out, out_stride);
}

#endif  // UFFIZI_BYTE_VECTORS

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#endif  // UFFIZI_KERNELS_FACTOR_DOT_INL_H_
