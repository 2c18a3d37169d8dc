// The micro-kernel: products of some rows of activations and a panel of a packed matrix, in
// vectors. It is a template over the byte dot products (`Way`), each of which has a file
// dot_*-inl.h and defines
//   Nibbles, Bytes                  4-bit and 8-bit weights as they are packed
//   UnpackedNibbles, UnpackedBytes  the same after UnpackPanel()
//   kUnpackPays                     whether to unpack a panel first for many rows
// A format of weights has kColumns and Load<kQuad>() (byte_vectors-inl.h) and
//   kZeroBits   2^kZeroBits is the zero point of what Load() gives, or none if 0
//   kSumsPairs  whether Add() sums into 16 bits
//   Add()       adds the products of weights with a broadcast quad of activations

#if defined(UFFIZI_KERNELS_PANEL_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_PANEL_DOT_INL_H_
#undef UFFIZI_KERNELS_PANEL_DOT_INL_H_
#else
#define UFFIZI_KERNELS_PANEL_DOT_INL_H_
#endif

#include "kernels/dot_avx_vnni-inl.h"
#include "kernels/dot_maddubs-inl.h"
#include "kernels/dot_neon-inl.h"
#include "kernels/dot_scalar-inl.h"
#include "kernels/dot_vnni-inl.h"
#include "kernels/panel_view-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

// The byte dot product that every processor of this target supports.
#if UFFIZI_VNNI
using TargetDot = Vnni;
#elif UFFIZI_NEON
using TargetDot = NeonMultiply;
#elif UFFIZI_MADDUBS
using TargetDot = Maddubs;
#else
using TargetDot = Scalar;
#endif

// Size of a panel's codes when each takes a byte.
inline size_t UnpackedBytes(const PackedMatrix& w) {
  return w.groups() * w.code_bytes() * (w.bits() == 4 ? 2 : 1);
}

#if UFFIZI_BYTE_VECTORS

constexpr size_t kLanes = HWY_MAX_BYTES / 4;

// What the zero point 2^kBits subtracts from a sum: 2^kBits times the sum of the activations.
template <int kBits>
HWY_INLINE Int32Vector StartOfSum(int32_t sum) {
  const Int32Tag di;
  return kBits == 0 ? hn::Zero(di) : hn::Neg(hn::ShiftLeft<kBits>(hn::Set(di, sum)));
}

// Adds the products of one quad of columns of a block, for kRows rows. kBiased: of the activations.
// No lambdas here: GCC would keep their captures in memory.
template <class Format, size_t kQuad, bool kBiased, size_t kRows, size_t kVectors, class Sum>
HWY_INLINE void AddQuad(const uint8_t* HWY_RESTRICT block, const int8_t* HWY_RESTRICT a,
                        size_t stride, Sum (&sum)[kRows][kVectors]) {
  using Weights = decltype(Format::template Load<kQuad>(block));
  Weights w[kVectors];
  UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
    w[v] = Format::template Load<kQuad>(block + v * HWY_MAX_BYTES);
  }
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    Int8Vector factor = BroadcastQuad(a + r * stride + kQuad * 4);
    if constexpr (kBiased) factor = hn::Xor(factor, hn::Set(Int8Tag(), -128));
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) Format::Add(sum[r][v], w[v], factor);
  }
}

template <class Format, bool kBiased = false, size_t kRows, size_t kVectors, class Sum>
HWY_INLINE void AddBlocks(const uint8_t* HWY_RESTRICT codes, size_t blocks,
                          const int8_t* HWY_RESTRICT a, size_t stride, size_t prefetch,
                          Sum (&sum)[kRows][kVectors]) {
  for (size_t block = 0; block < blocks; ++block) {
    if constexpr (kRows > blocking::kMemoryBoundRows) {
      UFFIZI_UNROLL for (size_t i = 0; i < kVectors * HWY_MAX_BYTES; i += 64) {
        __builtin_prefetch(codes + prefetch + i);
      }
    }
    AddQuad<Format, 0, kBiased>(codes, a, stride, sum);
    if constexpr (Format::kColumns == 8) AddQuad<Format, 1, kBiased>(codes, a, stride, sum);
    codes += kBlockBytes;
    a += Format::kColumns;
  }
}

#if UFFIZI_MADDUBS
// The products of at most QuantizedRows::kPairColumns columns with codes less 8.
// starts: of each row, row_starts apart
template <class Format, size_t kRows, size_t kVectors>
HWY_INLINE void SumInPairs(const uint8_t* HWY_RESTRICT codes, size_t blocks,
                           const int8_t* HWY_RESTRICT a, size_t stride,
                           const int32_t* HWY_RESTRICT starts, size_t row_starts, size_t prefetch,
                           Int32Vector (&sum)[kRows][kVectors]) {
  Int16Vector pairs[kRows][kVectors];
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    const auto start = hn::BitCast(Int16Tag(), hn::Set(Int32Tag(), starts[r * row_starts]));
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) pairs[r][v] = start;
  }
  AddBlocks<Format>(codes, blocks, a, stride, prefetch, pairs);
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) sum[r][v] = SumOfPairs(pairs[r][v]);
  }
}

// SumInPairs() of a group of any size.
template <class Format, size_t kRows, size_t kVectors>
HWY_INLINE void SumChunksInPairs(const uint8_t* HWY_RESTRICT codes, size_t blocks,
                                 const int8_t* HWY_RESTRICT a, size_t stride,
                                 const int32_t* HWY_RESTRICT starts, size_t row_starts,
                                 size_t prefetch, Int32Vector (&sum)[kRows][kVectors]) {
  constexpr size_t kChunk = QuantizedRows::kPairColumns / Format::kColumns;  // blocks
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(Int32Tag());
  }
  for (size_t first = 0; first < blocks; first += kChunk) {
    Int32Vector part[kRows][kVectors];
    SumInPairs<Format>(codes + first * kBlockBytes, std::min(kChunk, blocks - first),
                       a + first * Format::kColumns, stride, starts + first / kChunk, row_starts,
                       prefetch, part);
    UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
      UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
        sum[r][v] = hn::Add(sum[r][v], part[r][v]);
      }
    }
  }
}
#endif

// Rows [row, row + kRows) times kVectors vectors of a panel's columns, from `first` on.
// kUsual: the matrix is symmetric, with groups of at most a chunk. out: [kRows, kPanel] f32
template <class Format, bool kUsual, size_t kRows, size_t kVectors>
HWY_INLINE void DotBlock(const QuantizedRows& x, size_t row, const PanelView& panel, size_t first,
                         GroupRange range, float* HWY_RESTRICT out) {
  const FloatTag d;
  const Int32Tag di;
  const size_t groups = x.groups(), padded = PackedMatrix::PaddedGroup(x.group_size);
  const size_t stride = x.padded_columns(), at = first * HWY_MAX_BYTES;
  const int8_t* a = x.codes + row * stride;
  const float* x_scales = x.scales + row * groups;
  const int32_t* x_sums = x.sums + row * groups;
  hn::Vec<FloatTag> total[kRows][kVectors];
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
      total[r][v] =
          range.begin == 0 ? hn::Zero(d) : hn::LoadU(d, out + r * kPanel + (first + v) * kLanes);
    }
  }
  const uint8_t* codes = panel.codes + at + range.begin * panel.code_stride;
  const uint8_t* scales = panel.scales + at + range.begin * panel.scale_stride;
  for (size_t g = range.begin; g < range.end; ++g) {
    if (kRows <= blocking::kMemoryBoundRows && first == 0 && panel.prefetch != 0) {
      PrefetchBytes(codes + panel.prefetch, panel.code_stride);
    }
    Int32Vector sum[kRows][kVectors];
    if constexpr (Format::kSumsPairs) {
#if UFFIZI_MADDUBS
      const int8_t* group = a + g * padded;
      const size_t chunks = kUsual ? 1 : x.pair_chunks();
      const int32_t* starts = x.pair_starts + (row * groups + g) * chunks;
      if constexpr (kUsual) {
        SumInPairs<Format>(codes, panel.blocks, group, stride, starts, groups, panel.prefetch, sum);
      } else {
        SumChunksInPairs<Format>(codes, panel.blocks, group, stride, starts, groups * chunks,
                                 panel.prefetch, sum);
      }
#endif
    } else {
      UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
        const auto start = StartOfSum<Format::kZeroBits>(x_sums[r * groups + g]);
        UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) sum[r][v] = start;
      }
      AddBlocks<Format>(codes, panel.blocks, a + g * padded, stride, panel.prefetch, sum);
    }
    if (!kUsual && !panel.symmetric) {
      const auto* zeros = reinterpret_cast<const int32_t*>(scales + kBlockBytes);
      UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
        const auto offset = hn::Sub(hn::Set(di, panel.zero), hn::Load(di, zeros + v * kLanes));
        UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
          sum[r][v] = hn::Add(sum[r][v], hn::Mul(offset, hn::Set(di, x_sums[r * groups + g])));
        }
      }
    }
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
      const auto scale = hn::Load(d, reinterpret_cast<const float*>(scales) + v * kLanes);
      UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
        const auto both = hn::Mul(scale, hn::Set(d, x_scales[r * groups + g]));
        total[r][v] = hn::MulAdd(both, hn::ConvertTo(d, sum[r][v]), total[r][v]);
      }
    }
    codes += panel.code_stride;
    scales += panel.scale_stride;
  }
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
      hn::StoreU(total[r][v], d, out + r * kPanel + (first + v) * kLanes);
    }
  }
}

template <class Format, size_t kRows>
HWY_INLINE void DotPanelRows(const QuantizedRows& x, size_t row, const PanelView& panel,
                             GroupRange range, float* out) {
  constexpr size_t kAll = kPanel / kLanes;
  constexpr size_t kVectors = std::min(kAll, blocking::NrVectors(kRows, HWY_MAX_BYTES));
  const bool usual = panel.symmetric && x.pair_chunks() == 1;
  for (size_t v = 0; v < kAll; v += kVectors) {
    if (usual) {
      DotBlock<Format, true, kRows, kVectors>(x, row, panel, v, range, out);
    } else {
      DotBlock<Format, false, kRows, kVectors>(x, row, panel, v, range, out);
    }
  }
}

// Rows [row, row + rows), at most blocking::kMr, times a panel. out: [rows, kPanel] f32, to which
// the groups of `range` are added
template <class Way, class Format>
void DotRows(const QuantizedRows& x, size_t row, size_t rows, const PanelView& panel,
             GroupRange range, float* out) {
  static_assert(blocking::kMr == 6);
  switch (rows) {
    case 1:
      return DotPanelRows<Format, 1>(x, row, panel, range, out);
    case 2:
      return DotPanelRows<Format, 2>(x, row, panel, range, out);
    case 3:
      return DotPanelRows<Format, 3>(x, row, panel, range, out);
    case 4:
      return DotPanelRows<Format, 4>(x, row, panel, range, out);
    case 5:
      return DotPanelRows<Format, 5>(x, row, panel, range, out);
    default:
      return DotPanelRows<Format, 6>(x, row, panel, range, out);
  }
}

// Unpacks the codes of a panel to bytes, for many rows to share. bytes: [UnpackedBytes(w)]
template <class Way>
PanelView UnpackPanel(const PackedMatrix& w, PanelView panel, uint8_t* HWY_RESTRICT bytes) {
  const Uint8Tag d8;
  const size_t group = UnpackedBytes(w) / w.groups();
  for (size_t g = 0; g < w.groups(); ++g) {
    const uint8_t* HWY_RESTRICT codes = panel.codes + g * panel.code_stride;
    uint8_t* HWY_RESTRICT out = bytes + g * group;
    for (size_t at = 0; at < w.code_bytes(); at += HWY_MAX_BYTES) {
      if (w.bits() == 4) {
        uint8_t* block = out + at / kBlockBytes * 2 * kBlockBytes + at % kBlockBytes;
        hn::Store(Way::Nibbles::template Load<0>(codes + at), d8, block);
        hn::Store(Way::Nibbles::template Load<1>(codes + at), d8, block + kBlockBytes);
      } else {
        hn::Store(Way::Bytes::template Load<0>(codes + at), d8, out + at);
      }
    }
  }
  panel.codes = bytes;
  panel.code_stride = group;
  panel.blocks = group / kBlockBytes;
  return panel;
}

#else  // plain code

template <class Way, class Format>
void DotRows(const QuantizedRows& x, size_t row, size_t rows, const PanelView& panel,
             GroupRange range, float* out) {
  Way::template DotRows<Format>(x, row, rows, panel, range, out);
}

template <class Way>
PanelView UnpackPanel(const PackedMatrix&, const PanelView& panel, uint8_t*) {
  return panel;
}

#endif  // UFFIZI_BYTE_VECTORS

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#endif  // UFFIZI_KERNELS_PANEL_DOT_INL_H_
