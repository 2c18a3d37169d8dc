// Byte dot products in AMX tiles: 16 rows of 8-bit activations and 16 rows of a packed matrix.

#if defined(UFFIZI_KERNELS_DOT_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_DOT_TILES_INL_H_
#undef UFFIZI_KERNELS_DOT_TILES_INL_H_
#else
#define UFFIZI_KERNELS_DOT_TILES_INL_H_
#endif

#include "kernels/kernels.h"
#include "kernels/simd-inl.h"
#include "kernels/tiles-inl.h"

#if UFFIZI_TILES
HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

// The eight tiles: two for each operand and two accumulators, so that a product does not have to
// wait for the previous one.
enum GroupTile {
  kSums0,
  kSums1,
  kRows0,
  kRows1,
  kWeights0,
  kWeights1,
  kLastRows,  // the remainder of a group that is no multiple of kTileBytes
  kLastWeights,
};

// rows: of a tile; group: its columns, in bytes
HWY_INLINE TileShapes ShapesOfGroup(size_t rows, size_t group) {
  TileShapes shapes;
  const size_t rest = group % kTileBytes;
  for (const int tile : {kSums0, kSums1}) shapes.Set(tile, rows, kTileColumns * 4);
  for (const int tile : {kRows0, kRows1}) shapes.Set(tile, rows, kTileBytes);
  for (const int tile : {kWeights0, kWeights1}) shapes.Set(tile, kTileBytes / 4, kTileColumns * 4);
  if (rest != 0) {
    shapes.Set(kLastRows, rows, rest);
    shapes.Set(kLastWeights, rest / 4, kTileColumns * 4);
  }
  return shapes;
}

// Unpacks the codes of kTileColumns columns of a panel, from `column` on, to signed bytes in tile
// order, with the zero point of a symmetric matrix subtracted. bytes: [groups, padded group / 4,
// kTileColumns, 4]
HWY_INLINE void UnpackColumns(const PackedMatrix& w, const uint8_t* HWY_RESTRICT panel,
                              size_t column, uint8_t* HWY_RESTRICT bytes) {
  const hn::ScalableTag<uint8_t> d8;  // 64 bytes, a quad of columns of a tile
  const hn::Repartition<uint16_t, decltype(d8)> d16;
  constexpr size_t kQuad = kTileColumns * 4, kBlock = PackedMatrix::kBlockBytes;
  const auto low = hn::Set(d8, 15), zero = hn::Set(d8, w.bits() == 4 ? 8 : 128);
  const size_t groups = w.groups(), group_bytes = w.group_bytes(), code_bytes = w.code_bytes();
  const bool is_nibbles = w.bits() == 4;
  panel += column * 4;
  for (size_t g = 0; g < groups; ++g, panel += group_bytes) {
    for (size_t block = 0; block < code_bytes; block += kBlock) {
      const auto codes = hn::Load(d8, panel + block);
      if (is_nibbles) {
        const auto high = hn::BitCast(d8, hn::ShiftRight<4>(hn::BitCast(d16, codes)));
        hn::Store(hn::Sub(hn::And(codes, low), zero), d8, bytes);
        hn::Store(hn::Sub(hn::And(high, low), zero), d8, bytes + kQuad);
        bytes += 2 * kQuad;
      } else {
        hn::Store(hn::Sub(codes, zero), d8, bytes);
        bytes += kQuad;
      }
    }
  }
}

// count: a multiple of 8
HWY_INLINE void CopyBytes(const int8_t* HWY_RESTRICT from, size_t count, int8_t* HWY_RESTRICT to) {
  const hn::ScalableTag<int8_t> d;
  const hn::CappedTag<int8_t, 8> d8;
  size_t i = 0;
  for (; i + hn::Lanes(d) <= count; i += hn::Lanes(d))
    hn::StoreU(hn::LoadU(d, from + i), d, to + i);
  for (; i < count; i += 8) hn::StoreU(hn::LoadU(d8, from + i), d8, to + i);
}

// Up to kTileRows rows of activations in tile order: codes [groups, kTileRows, padded group],
// scales and sums [groups, kTileRows]. Scales and sums of missing rows are zero.
struct TileOfRows {
  int8_t* codes;
  float* scales;
  int32_t* sums;

  static size_t Bytes(const QuantizedRows& x) {
    return kTileRows * (x.padded_columns() + x.groups() * (sizeof(float) + sizeof(int32_t)));
  }
  static TileOfRows In(void* memory, const QuantizedRows& x) {
    auto* codes = static_cast<int8_t*>(memory);
    auto* scales = reinterpret_cast<float*>(codes + kTileRows * x.padded_columns());
    return {codes, scales, reinterpret_cast<int32_t*>(scales + kTileRows * x.groups())};
  }

  HWY_INLINE void Take(const QuantizedRows& x, size_t row, size_t count) const {
    const size_t groups = x.groups(), depth = x.padded_columns() / groups;
    if (count < kTileRows) {
      std::fill_n(scales, kTileRows * groups, 0.0f);
      std::fill_n(sums, kTileRows * groups, 0);
    }
    for (size_t r = 0; r < count; ++r) {
      const int8_t* HWY_RESTRICT from = x.codes + (row + r) * x.padded_columns();
      for (size_t g = 0; g < groups; ++g) {
        CopyBytes(from + g * depth, depth, codes + (g * kTileRows + r) * depth);
        scales[g * kTileRows + r] = x.scales[(row + r) * groups + g];
        sums[g * kTileRows + r] = x.sums[(row + r) * groups + g];
      }
    }
  }
};

// The integer sums of one group. rows: [kTileRows, depth]; weights: [depth / 4, kTileColumns, 4]
template <int kSums, int kRows, int kWeights>
HWY_INLINE void SumGroupInTile(const int8_t* rows, const uint8_t* weights, size_t depth) {
  const size_t stride = depth;
  constexpr size_t kQuad = kTileColumns * 4;
  ZeroTile<kSums>();
  for (; depth >= kTileBytes; depth -= kTileBytes) {
    LoadTile<kRows>(rows, stride);
    LoadTile<kWeights>(weights, kQuad);
    MultiplyBytes<kSums, kRows, kWeights>();
    rows += kTileBytes;
    weights += kTileBytes / 4 * kQuad;
  }
  if (depth != 0) {
    LoadTile<kLastRows>(rows, stride);
    LoadTile<kLastWeights>(weights, kQuad);
    MultiplyBytes<kSums, kLastRows, kLastWeights>();
  }
}

// Adds a group's sums, scaled, to the total, as DotBlock() does.
template <bool kSymmetric>
HWY_INLINE void AddScaled(const int32_t* HWY_RESTRICT sums, const float* HWY_RESTRICT row_scales,
                          const int32_t* HWY_RESTRICT row_sums, const uint8_t* scales, int zero,
                          hn::Vec<FloatTag> (&total)[kTileRows]) {
  const FloatTag d;
  const hn::RebindToSigned<FloatTag> di;
  const auto scale = hn::Load(d, reinterpret_cast<const float*>(scales));
  auto offset = hn::Zero(di);
  if constexpr (!kSymmetric) {
    const auto* zeros = reinterpret_cast<const int32_t*>(scales + PackedMatrix::kBlockBytes);
    offset = hn::Sub(hn::Set(di, zero), hn::Load(di, zeros));
  }
  UFFIZI_UNROLL for (size_t r = 0; r < kTileRows; ++r) {
    auto sum = hn::Load(di, sums + r * kTileColumns);
    if constexpr (!kSymmetric) {
      sum = hn::Add(sum, hn::Mul(offset, hn::Set(di, row_sums[r])));
    }
    const auto both = hn::Mul(scale, hn::Set(d, row_scales[r]));
    total[r] = hn::MulAdd(both, hn::ConvertTo(d, sum), total[r]);
  }
}

// A tile's rows times kTileColumns columns of a panel, from `column` on. bytes: of
// UnpackColumns(); panel: as packed, for its scales. out: [kTileRows, kPanelRows] f32, from
// `column` on
template <bool kSymmetric>
HWY_INLINE void DotTileOf(const TileOfRows& rows, const PackedMatrix& w, const uint8_t* bytes,
                          const uint8_t* panel, size_t column, float* HWY_RESTRICT out) {
  const FloatTag d;
  const size_t groups = w.groups(), depth = PackedMatrix::PaddedGroup(w.group_size());
  const size_t group_codes = depth * kTileColumns, row_codes = depth * kTileRows;
  const size_t group_bytes = w.group_bytes();
  const int zero = w.symmetric_zero();
  alignas(64) int32_t sums[2][kTileRows * kTileColumns];
  hn::Vec<FloatTag> total[kTileRows];
  UFFIZI_UNROLL for (size_t r = 0; r < kTileRows; ++r) total[r] = hn::Zero(d);
  const uint8_t* scales = panel + w.code_bytes() + column * 4;
  const int8_t* codes = rows.codes;
  const float* row_scales = rows.scales;
  const int32_t* row_sums = rows.sums;
  // A software pipeline: the tiles multiply a group while the sums of the previous group are stored
  // and those of the one before it are scaled. No lambdas here: GCC would keep their captures in
  // memory.
  SumGroupInTile<kSums0, kRows0, kWeights0>(codes, bytes, depth);
  for (size_t g = 0; g < groups; g += 2) {
    if (g + 1 < groups) {
      codes += row_codes;
      bytes += group_codes;
      SumGroupInTile<kSums1, kRows1, kWeights1>(codes, bytes, depth);
    }
    StoreTile<kSums0>(sums[0], kTileColumns * 4);
    if (g > 0) {
      AddScaled<kSymmetric>(sums[1], row_scales - kTileRows, row_sums - kTileRows,
                            scales - group_bytes, zero, total);
    }
    if (g + 1 < groups) {
      if (g + 2 < groups) {
        codes += row_codes;
        bytes += group_codes;
        SumGroupInTile<kSums0, kRows0, kWeights0>(codes, bytes, depth);
      }
      StoreTile<kSums1>(sums[1], kTileColumns * 4);
    }
    AddScaled<kSymmetric>(sums[0], row_scales, row_sums, scales, zero, total);
    row_scales += 2 * kTileRows;
    row_sums += 2 * kTileRows;
    scales += 2 * group_bytes;
  }
  if (groups % 2 == 0) {
    AddScaled<kSymmetric>(sums[1], row_scales - kTileRows, row_sums - kTileRows,
                          scales - group_bytes, zero, total);
  }
  UFFIZI_UNROLL for (size_t r = 0; r < kTileRows; ++r) {
    hn::Store(total[r], d, out + r * PackedMatrix::kPanelRows + column);
  }
}

HWY_INLINE void DotTile(const TileOfRows& rows, const PackedMatrix& w, const uint8_t* bytes,
                        const uint8_t* panel, size_t column, float* out) {
  if (w.symmetric()) {
    DotTileOf<true>(rows, w, bytes, panel, column, out);
  } else {
    DotTileOf<false>(rows, w, bytes, panel, column, out);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();
#endif  // UFFIZI_TILES

#endif  // UFFIZI_KERNELS_DOT_TILES_INL_H_
