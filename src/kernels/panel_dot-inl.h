// Products of some rows of activations and a panel of a packed matrix, in vectors; where nothing
// fits the processor, in plain code.

#if defined(UFFIZI_KERNELS_PANEL_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_PANEL_DOT_INL_H_
#undef UFFIZI_KERNELS_PANEL_DOT_INL_H_
#else
#define UFFIZI_KERNELS_PANEL_DOT_INL_H_
#endif

#include "kernels/kernels.h"
#include "kernels/quad_dot-inl.h"
#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

constexpr size_t kPanel = PackedMatrix::kPanelRows;
constexpr size_t kBlockBytes = PackedMatrix::kBlockBytes;

// One panel as the kernels walk it: as it is packed, or with its nibbles spread over bytes.
struct PanelView {
  const uint8_t* codes;  // of the first group
  size_t code_stride;    // bytes from group to group
  const uint8_t* scales;
  size_t scale_stride;
  size_t blocks;  // in a group
  int zero;       // of a symmetric matrix
  bool symmetric;
  size_t ahead;  // bytes from what is read to what is asked for; 0 for nothing
};

// Some of the groups that a product sums.
struct GroupRange {
  size_t begin, end;
};

#if UFFIZI_QUAD_DOT || UFFIZI_PAIR_DOT

constexpr size_t kLanes = HWY_MAX_BYTES / 4;

HWY_INLINE Int8Vector BroadcastQuad(const int8_t* a) {
  int32_t quad;
  __builtin_memcpy(&quad, a, 4);
  return hn::BitCast(Int8Tag(), hn::Set(Int32Tag(), quad));
}

// What a panel's codes may be. kColumns: of a block; 2^kZeroBits: the zero point of Load()'s
// weights, none if 0; kInPairs: summed in 16 bits first. Load() gives a block's weights for one
// quad of columns, Add() adds their products with four activations.
struct SmallBytes {  // below 16
  static constexpr size_t kColumns = 4;
  static constexpr int kZeroBits = 3;
  static constexpr bool kInPairs = UFFIZI_PAIR_DOT;
  template <size_t kQuad>
  HWY_INLINE static Uint8Vector Load(const uint8_t* at) {
    return hn::Load(Uint8Tag(), at);
  }
#if UFFIZI_PAIR_DOT
  HWY_INLINE static void Add(Int16Vector& sum, Uint8Vector w, Int8Vector a) {
    sum = AddPairDot(sum, w, a);
  }
#else
  HWY_INLINE static void Add(Int32Vector& sum, Uint8Vector w, Int8Vector a) {
    sum = QuadDot(sum, w, a);
  }
#endif
};
struct Nibbles : SmallBytes {
  static constexpr size_t kColumns = 8;
  template <size_t kQuad>
  HWY_INLINE static Uint8Vector Load(const uint8_t* at) {
    const Uint8Tag d8;
    const Uint16Tag d16;
    Uint8Vector loaded = hn::Load(d8, at);
    if constexpr (kQuad == 1) {
      loaded = hn::BitCast(d8, hn::ShiftRight<4>(hn::BitCast(d16, loaded)));
    }
    return hn::And(loaded, hn::Set(d8, 15));
  }
};
struct WideBytes {
  static constexpr size_t kColumns = 4;
  static constexpr int kZeroBits = kByteOffset == 0 ? 7 : 0;
  static constexpr bool kInPairs = false;
  template <size_t kQuad>
  HWY_INLINE static Uint8Vector Load(const uint8_t* at) {
    const Uint8Tag d8;
    const auto loaded = hn::Load(d8, at);
    return kByteOffset == 0 ? loaded : hn::Xor(loaded, hn::Set(d8, 128));
  }
  HWY_INLINE static void Add(Int32Vector& sum, Uint8Vector w, Int8Vector a) {
#if UFFIZI_QUAD_DOT
    sum = QuadDot(sum, w, a);
#else
    sum = QuadDotSigned(sum, hn::BitCast(Int8Tag(), w), a);
#endif
  }
};
#if UFFIZI_PAIR_DOT
struct SignedBytes : WideBytes {
  template <size_t kQuad>
  HWY_INLINE static SignedWeights Load(const uint8_t* at) {
    return SignedWeights(at);
  }
  HWY_INLINE static void Add(Int32Vector& sum, const SignedWeights& w, Int8Vector a) {
    sum = w.AddQuadDot(sum, a);
  }
};
#endif

#if UFFIZI_BYTE_DOT
// The same for processors that have more than the target says.
struct DotNibbles : Nibbles {
  static constexpr bool kInPairs = false;
  HWY_INLINE static void Add(Int32Vector& sum, Uint8Vector w, Int8Vector a) {
    sum = ByteDot(sum, w, a);
  }
};
struct DotBytes : DotNibbles {
  static constexpr size_t kColumns = 4;
  static constexpr int kZeroBits = 7;
  using SmallBytes::Load;
};
#endif

// So few rows do nothing but wait for memory, and ask for a whole group at once, the first of their
// vectors for all. More ask for what they read themselves, further on.
constexpr size_t kWaitingRows = 2;

// What weights with a zero point of 2^kBits must have less: -2^kBits times the sum of activations.
template <int kBits>
HWY_INLINE Int32Vector StartOfSum(int32_t sum) {
  const Int32Tag di;
  return kBits == 0 ? hn::Zero(di) : hn::Neg(hn::ShiftLeft<kBits>(hn::Set(di, sum)));
}

// Adds the products of one quad of columns of a block, for kRows rows. No lambdas here: GCC keeps
// what they capture in memory.
template <class Source, size_t kQuad, size_t kRows, size_t kVectors, class Sum>
HWY_INLINE void AddQuad(const uint8_t* HWY_RESTRICT block, const int8_t* HWY_RESTRICT a,
                        size_t stride, Sum (&sum)[kRows][kVectors]) {
  using Weights = decltype(Source::template Load<kQuad>(block));
  Weights w[kVectors];
  UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
    w[v] = Source::template Load<kQuad>(block + v * HWY_MAX_BYTES);
  }
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    const Int8Vector factor = BroadcastQuad(a + r * stride + kQuad * 4);
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) Source::Add(sum[r][v], w[v], factor);
  }
}

template <class Source, size_t kRows, size_t kVectors, class Sum>
HWY_INLINE void AddBlocks(const uint8_t* HWY_RESTRICT codes, size_t blocks,
                          const int8_t* HWY_RESTRICT a, size_t stride, size_t ahead,
                          Sum (&sum)[kRows][kVectors]) {
  for (size_t block = 0; block < blocks; ++block) {
    if constexpr (kRows > kWaitingRows) {
      UFFIZI_UNROLL for (size_t i = 0; i < kVectors * HWY_MAX_BYTES; i += 64) {
        __builtin_prefetch(codes + ahead + i);
      }
    }
    AddQuad<Source, 0>(codes, a, stride, sum);
    if constexpr (Source::kColumns == 8) AddQuad<Source, 1>(codes, a, stride, sum);
    codes += kBlockBytes;
    a += Source::kColumns;
  }
}

#if UFFIZI_PAIR_DOT
// The products of at most QuantizedRows::kPairColumns columns with codes less 8.
// starts: of each row, row_starts apart
template <class Source, size_t kRows, size_t kVectors>
HWY_INLINE void SumInPairs(const uint8_t* HWY_RESTRICT codes, size_t blocks,
                           const int8_t* HWY_RESTRICT a, size_t stride,
                           const int32_t* HWY_RESTRICT starts, size_t row_starts, size_t ahead,
                           Int32Vector (&sum)[kRows][kVectors]) {
  Int16Vector pairs[kRows][kVectors];
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    const auto start = hn::BitCast(Int16Tag(), hn::Set(Int32Tag(), starts[r * row_starts]));
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) pairs[r][v] = start;
  }
  AddBlocks<Source>(codes, blocks, a, stride, ahead, pairs);
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) sum[r][v] = SumOfPairs(pairs[r][v]);
  }
}

// The same of a group of any size.
template <class Source, size_t kRows, size_t kVectors>
HWY_INLINE void SumChunksInPairs(const uint8_t* HWY_RESTRICT codes, size_t blocks,
                                 const int8_t* HWY_RESTRICT a, size_t stride,
                                 const int32_t* HWY_RESTRICT starts, size_t row_starts,
                                 size_t ahead, Int32Vector (&sum)[kRows][kVectors]) {
  constexpr size_t kChunk = QuantizedRows::kPairColumns / Source::kColumns;  // blocks
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(Int32Tag());
  }
  for (size_t first = 0; first < blocks; first += kChunk) {
    Int32Vector part[kRows][kVectors];
    SumInPairs<Source>(codes + first * kBlockBytes, std::min(kChunk, blocks - first),
                       a + first * Source::kColumns, stride, starts + first / kChunk, row_starts,
                       ahead, part);
    UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
      UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
        sum[r][v] = hn::Add(sum[r][v], part[r][v]);
      }
    }
  }
}
#endif

// Rows [row, row + kRows) times kVectors vectors of a panel's columns, from `first` on.
// kUsual: of a symmetric matrix, in groups of a chunk at most. out: [kRows, kPanel] f32
template <class Source, bool kUsual, size_t kRows, size_t kVectors>
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
    if (kRows <= kWaitingRows && first == 0 && panel.ahead != 0) {
      PrefetchBytes(codes + panel.ahead, panel.code_stride);
    }
    Int32Vector sum[kRows][kVectors];
    if constexpr (Source::kInPairs) {
#if UFFIZI_PAIR_DOT
      const int8_t* group = a + g * padded;
      const size_t chunks = kUsual ? 1 : x.pair_chunks();
      const int32_t* starts = x.pair_starts + (row * groups + g) * chunks;
      if constexpr (kUsual) {
        SumInPairs<Source>(codes, panel.blocks, group, stride, starts, groups, panel.ahead, sum);
      } else {
        SumChunksInPairs<Source>(codes, panel.blocks, group, stride, starts, groups * chunks,
                                 panel.ahead, sum);
      }
#endif
    } else {
      UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
        const auto start = StartOfSum<Source::kZeroBits>(x_sums[r * groups + g]);
        UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) sum[r][v] = start;
      }
      AddBlocks<Source>(codes, panel.blocks, a + g * padded, stride, panel.ahead, sum);
    }
    if (!kUsual && !panel.symmetric) {
      const auto* zeros = reinterpret_cast<const int32_t*>(scales + kBlockBytes);
      UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
        const auto less = hn::Sub(hn::Set(di, panel.zero), hn::Load(di, zeros + v * kLanes));
        UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
          sum[r][v] = hn::Add(sum[r][v], hn::Mul(less, hn::Set(di, x_sums[r * groups + g])));
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

// As many sums as the registers hold beside weights and factors; with few rows more columns, so
// that enough sums are under way at a time.
template <class Source, size_t kRows>
HWY_INLINE void DotRows(const QuantizedRows& x, size_t row, const PanelView& panel,
                        GroupRange range, float* out) {
  constexpr size_t kAll = kPanel / kLanes;
  constexpr size_t kVectors = std::min<size_t>(kAll, kRows == 1 ? 8 : kRows == 2 ? 4 : 2);
  const bool usual = panel.symmetric && x.pair_chunks() == 1;
  for (size_t v = 0; v < kAll; v += kVectors) {
    if (usual) {
      DotBlock<Source, true, kRows, kVectors>(x, row, panel, v, range, out);
    } else {
      DotBlock<Source, false, kRows, kVectors>(x, row, panel, v, range, out);
    }
  }
}

constexpr size_t kMaxRows = 6;

template <class Source>
void DotSomeRows(const QuantizedRows& x, size_t row, size_t rows, const PanelView& panel,
                 GroupRange range, float* out) {
  switch (rows) {
    case 1:
      return DotRows<Source, 1>(x, row, panel, range, out);
    case 2:
      return DotRows<Source, 2>(x, row, panel, range, out);
    case 3:
      return DotRows<Source, 3>(x, row, panel, range, out);
    case 4:
      return DotRows<Source, 4>(x, row, panel, range, out);
    case 5:
      return DotRows<Source, 5>(x, row, panel, range, out);
    default:
      return DotRows<Source, 6>(x, row, panel, range, out);
  }
}

// Where instructions are what limits and many rows share them, a panel is first spread over bytes,
// which take fewer.
constexpr bool kSpreadPays = UFFIZI_PAIR_DOT;
constexpr size_t kSpreadRows = 24;
#if UFFIZI_PAIR_DOT
using SpreadWideBytes = SignedBytes;
#else
using SpreadWideBytes = WideBytes;
#endif

size_t SpreadBytes(const PackedMatrix& w) {
  return w.groups() * w.code_bytes() * (w.bits() == 4 ? 2 : 1);
}

PanelView SpreadPanel(const PackedMatrix& w, PanelView panel, uint8_t* HWY_RESTRICT bytes) {
  const Uint8Tag d8;
  const size_t group = SpreadBytes(w) / w.groups();
  for (size_t g = 0; g < w.groups(); ++g) {
    const uint8_t* HWY_RESTRICT codes = panel.codes + g * panel.code_stride;
    uint8_t* HWY_RESTRICT out = bytes + g * group;
    for (size_t at = 0; at < w.code_bytes(); at += HWY_MAX_BYTES) {
      if (w.bits() == 4) {
        uint8_t* block = out + at / kBlockBytes * 2 * kBlockBytes + at % kBlockBytes;
        hn::Store(Nibbles::Load<0>(codes + at), d8, block);
        hn::Store(Nibbles::Load<1>(codes + at), d8, block + kBlockBytes);
      } else {
        hn::Store(WideBytes::Load<0>(codes + at), d8, out + at);
      }
    }
  }
  panel.codes = bytes;
  panel.code_stride = group;
  panel.blocks = group / kBlockBytes;
  return panel;
}

#else  // plain code

constexpr bool kSpreadPays = false;
constexpr size_t kSpreadRows = 0;
constexpr size_t kMaxRows = 4;
constexpr size_t kWaitingRows = 0;
struct Nibbles {
  static constexpr size_t kColumns = 8;
};
struct SmallBytes {
  static constexpr size_t kColumns = 4;
};
using WideBytes = SmallBytes;
using SpreadWideBytes = WideBytes;

size_t SpreadBytes(const PackedMatrix&) { return 0; }
PanelView SpreadPanel(const PackedMatrix&, const PanelView& panel, uint8_t*) { return panel; }

template <class Source>
void DotOneRow(const QuantizedRows& x, size_t row, const PanelView& panel, GroupRange range,
               float* HWY_RESTRICT out) {
  const size_t groups = x.groups(), padded = PackedMatrix::PaddedGroup(x.group_size);
  if (range.begin == 0) std::fill_n(out, kPanel, 0.0f);
  for (size_t g = range.begin; g < range.end; ++g) {
    int32_t sum[kPanel] = {};
    const int8_t* a = x.codes + (row * groups + g) * padded;
    const uint8_t* codes = panel.codes + g * panel.code_stride;
    for (size_t block = 0; block < panel.blocks; ++block, a += Source::kColumns) {
      for (size_t i = 0; i < kBlockBytes; ++i, ++codes) {
        if constexpr (Source::kColumns == 8) {
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

template <class Source>
void DotSomeRows(const QuantizedRows& x, size_t row, size_t rows, const PanelView& panel,
                 GroupRange range, float* out) {
  for (size_t r = 0; r < rows; ++r) DotOneRow<Source>(x, row + r, panel, range, out + r * kPanel);
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#endif  // UFFIZI_KERNELS_PANEL_DOT_INL_H_
