// Small matrix products of bfloat16, summed in f32: in tiles (AMX), or pairs in a lane (AVX-512
// BF16). UFFIZI_BF16 says whether the code is compiled; UseBfloat16(), whether the machine has
// them.

#if defined(UFFIZI_KERNELS_BF16_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_BF16_PRODUCT_INL_H_
#undef UFFIZI_KERNELS_BF16_PRODUCT_INL_H_
#else
#define UFFIZI_KERNELS_BF16_PRODUCT_INL_H_
#endif

#include "kernels/simd-inl.h"
#include "kernels/tiles-inl.h"

#undef UFFIZI_BF16
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3_DL
#define UFFIZI_BF16 1
#else
#define UFFIZI_BF16 0
#endif

#if UFFIZI_BF16
HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

// What operands are padded to with zeros: a tile's worth.
constexpr size_t kBf16Depth = 32;
constexpr size_t kBf16Columns = 16;

// c[r, j] = sum_s a[r, s] b[s, j], all sums in the order of s.
struct Bf16Product {
  const uint16_t* a;  // [rows, depth], rows a_stride apart
  size_t a_stride;
  const uint32_t* b;  // [depth / 2, columns], two rows of b in a lane, the first in its low half
  size_t depth, columns;  // multiples of kBf16Depth and kBf16Columns
  float* c;               // [rows, columns], rows c_stride apart
  size_t c_stride;
};

// To the nearest bfloat16, ties to even, in the high half of each lane. What is below it is any.
HWY_INLINE hn::Vec<hn::RebindToUnsigned<FloatTag>> RoundToBf16(hn::Vec<FloatTag> x) {
  const hn::RebindToUnsigned<FloatTag> du;
  const auto bits = hn::BitCast(du, x);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  return hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fff)));
}

// out[i] = factor * x[i] for [0, count), zeros up to `padded`, a multiple of 16. out may be x.
HWY_INLINE void RowToBf16(const float* x, size_t count, size_t padded, float factor,
                          uint16_t* out) {
  const FloatTag d;
  const hn::Rebind<uint16_t, FloatTag> d16;
  const size_t lanes = hn::Lanes(d);
  const auto scale = hn::Set(d, factor);
  const auto convert = [&](hn::Vec<FloatTag> v, size_t i) HWY_ATTR {
    const auto rounded = hn::ShiftRight<16>(RoundToBf16(hn::Mul(v, scale)));
    hn::StoreU(hn::DemoteTo(d16, hn::BitCast(hn::RebindToSigned<FloatTag>(), rounded)), d16,
               out + i);
  };
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) convert(hn::LoadU(d, x + i), i);
  if (i < count) {
    convert(hn::MaskedLoad(hn::FirstN(d, count - i), d, x + i), i);
    i += lanes;
  }
  for (; i < padded; i += lanes) hn::StoreU(hn::Zero(d16), d16, out + i);
}

// Rows x and y, of `count` columns, as one row of pairs. count: a multiple of 16
HWY_INLINE void RowsToPairs(const float* x, const float* y, size_t count,
                            uint32_t* HWY_RESTRICT out) {
  const FloatTag d;
  const hn::RebindToUnsigned<FloatTag> du;
  const auto high = hn::Set(du, 0xffff0000u);
  for (size_t i = 0; i < count; i += hn::Lanes(d)) {
    const auto low = hn::ShiftRight<16>(RoundToBf16(hn::LoadU(d, x + i)));
    hn::StoreU(hn::Or(low, hn::And(RoundToBf16(hn::LoadU(d, y + i)), high)), du, out + i);
  }
}

template <size_t kRows, size_t kVectors>
HWY_INLINE void Bf16PairBlock(const Bf16Product& p, size_t row, size_t column) {
  const FloatTag d;
  const hn::RebindToUnsigned<FloatTag> du;
  const size_t lanes = hn::Lanes(d);
  hn::Vec<FloatTag> sum[kRows][kVectors];
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d);
  }
  const uint16_t* HWY_RESTRICT a = p.a + row * p.a_stride;
  const uint32_t* HWY_RESTRICT b = p.b + column;
  for (size_t s = 0; s < p.depth; s += 2, b += p.columns) {
    hn::Vec<decltype(du)> line[kVectors];
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) line[v] = hn::LoadU(du, b + v * lanes);
    UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
      uint32_t pair;
      __builtin_memcpy(&pair, a + r * p.a_stride + s, 4);
      const auto factor = hn::Set(du, pair);
      UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
        // Highway knows this instruction for targets only that it does not name here.
        asm("vdpbf16ps %2, %1, %0" : "+v"(sum[r][v].raw) : "v"(factor.raw), "v"(line[v].raw));
      }
    }
  }
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    float* c = p.c + (row + r) * p.c_stride + column;
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) hn::StoreU(sum[r][v], d, c + v * lanes);
  }
}

template <size_t kVectors>
HWY_INLINE void Bf16PairColumns(const Bf16Product& p, size_t rows, size_t column) {
  constexpr size_t kRows = 6;
  size_t row = 0;
  for (; row + kRows <= rows; row += kRows) Bf16PairBlock<kRows, kVectors>(p, row, column);
  for (; row < rows; ++row) Bf16PairBlock<1, kVectors>(p, row, column);
}

HWY_INLINE void MultiplyBf16InPairs(const Bf16Product& p, size_t rows) {
  const size_t lanes = hn::Lanes(FloatTag());
  size_t j = 0;
  for (; j + 4 * lanes <= p.columns; j += 4 * lanes) Bf16PairColumns<4>(p, rows, j);
  for (; j < p.columns; j += lanes) Bf16PairColumns<1>(p, rows, j);
}

// One or two tiles of rows times one or two of columns: sums in tiles 0 to 3, a in 4 and 5, b in 6
// and 7.
template <size_t kRowTiles, size_t kColumnTiles>
HWY_INLINE void Bf16TileBlock(const Bf16Product& p, size_t row, size_t column) {
  const size_t a_bytes = p.a_stride * 2, b_bytes = p.columns * 4, c_bytes = p.c_stride * 4;
  const uint16_t* a = p.a + row * p.a_stride;
  const uint32_t* b = p.b + column;
  ZeroTile<0>();
  if constexpr (kColumnTiles == 2) ZeroTile<1>();
  if constexpr (kRowTiles == 2) ZeroTile<2>();
  if constexpr (kRowTiles == 2 && kColumnTiles == 2) ZeroTile<3>();
  for (size_t s = 0; s < p.depth; s += kBf16Depth) {
    LoadTile<4>(a + s, a_bytes);
    LoadTile<6>(b + s / 2 * p.columns, b_bytes);
    MultiplyBfloat16<0, 4, 6>();
    if constexpr (kColumnTiles == 2) {
      LoadTile<7>(b + s / 2 * p.columns + kTileColumns, b_bytes);
      MultiplyBfloat16<1, 4, 7>();
    }
    if constexpr (kRowTiles == 2) {
      LoadTile<5>(a + kTileRows * p.a_stride + s, a_bytes);
      MultiplyBfloat16<2, 5, 6>();
    }
    if constexpr (kRowTiles == 2 && kColumnTiles == 2) MultiplyBfloat16<3, 5, 7>();
  }
  float* c = p.c + row * p.c_stride + column;
  float* below = c + kTileRows * p.c_stride;
  StoreTile<0>(c, c_bytes);
  if constexpr (kColumnTiles == 2) StoreTile<1>(c + kTileColumns, c_bytes);
  if constexpr (kRowTiles == 2) StoreTile<2>(below, c_bytes);
  if constexpr (kRowTiles == 2 && kColumnTiles == 2) StoreTile<3>(below + kTileColumns, c_bytes);
}

template <size_t kRowTiles>
HWY_INLINE void Bf16TileRows(const Bf16Product& p, size_t row) {
  size_t j = 0;
  for (; j + 2 * kTileColumns <= p.columns; j += 2 * kTileColumns) {
    Bf16TileBlock<kRowTiles, 2>(p, row, j);
  }
  if (j < p.columns) Bf16TileBlock<kRowTiles, 1>(p, row, j);
}

// rows: those of a tile, of which there are at most kTileRows
HWY_INLINE TileShapes ShapesOfBf16(size_t rows) {
  TileShapes shapes;
  for (const int tile : {0, 1, 2, 3}) shapes.Set(tile, rows, kTileBytes);
  for (const int tile : {4, 5}) shapes.Set(tile, rows, kTileBytes);
  for (const int tile : {6, 7}) shapes.Set(tile, kBf16Depth / 2, kTileBytes);
  return shapes;
}

HWY_INLINE void MultiplyBf16InTiles(const Bf16Product& p, size_t rows) {
  size_t row = 0;
  if (rows >= kTileRows) {
    const TileScope tiles(ShapesOfBf16(kTileRows));
    for (; row + 2 * kTileRows <= rows; row += 2 * kTileRows) Bf16TileRows<2>(p, row);
    for (; row + kTileRows <= rows; row += kTileRows) Bf16TileRows<1>(p, row);
  }
  if (row < rows) {
    const TileScope tiles(ShapesOfBf16(rows - row));
    Bf16TileRows<1>(p, row);
  }
}

HWY_INLINE void MultiplyBf16(const Bf16Product& p, size_t rows) {
  if (UseTiles()) {
    MultiplyBf16InTiles(p, rows);
  } else {
    MultiplyBf16InPairs(p, rows);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();
#endif  // UFFIZI_BF16

#endif  // UFFIZI_KERNELS_BF16_PRODUCT_INL_H_
