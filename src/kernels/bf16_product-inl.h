// Small matrix products of bfloat16, accumulated in f32, in AMX tiles or by AVX-512's instruction,
// and conversions from f32.

#if defined(UFFIZI_KERNELS_BF16_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_BF16_PRODUCT_INL_H_
#undef UFFIZI_KERNELS_BF16_PRODUCT_INL_H_
#else
#define UFFIZI_KERNELS_BF16_PRODUCT_INL_H_
#endif

#include "kernels/simd-inl.h"
#include "kernels/targets.h"
#include "kernels/tiles-inl.h"

#if UFFIZI_TILES
HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

// Operands are padded with zeros to multiples of these, the size of a tile and a vector.
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

// Rounds to the nearest bfloat16, ties to even, in the high half of each lane. The low half is
// arbitrary.
HWY_INLINE hn::Vec<hn::RebindToUnsigned<FloatTag>> RoundToBf16(hn::Vec<FloatTag> x) {
  const hn::RebindToUnsigned<FloatTag> du;
  const auto bits = hn::BitCast(du, x);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  return hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fff)));
}

// The high halves of RoundToBf16() as bfloat16.
HWY_INLINE void StoreBf16(hn::Vec<hn::RebindToUnsigned<FloatTag>> rounded, uint16_t* out) {
  const hn::RebindToSigned<FloatTag> di;
  const hn::Rebind<uint16_t, FloatTag> d16;
  hn::StoreU(hn::DemoteTo(d16, hn::BitCast(di, hn::ShiftRight<16>(rounded))), d16, out);
}

// out[i] = factor * x[i]. count: a multiple of 16
HWY_INLINE void RowToBf16(const float* HWY_RESTRICT x, size_t count, float factor,
                          uint16_t* HWY_RESTRICT out) {
  const FloatTag d;
  for (size_t i = 0; i < count; i += hn::Lanes(d)) {
    StoreBf16(RoundToBf16(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, factor))), out + i);
  }
}

// Softmax without the division: out[i] = e^(x[i] - max(x)) for [0, count), zeros up to `padded`, a
// multiple of 16. Returns the sum of what is written. out may be x.
HWY_INLINE float ExpOfRowToBf16(const float* x, size_t count, size_t padded, uint16_t* out) {
  const FloatTag d;
  const hn::RebindToUnsigned<FloatTag> du;
  const auto high = hn::Set(du, 0xffff0000u);
  const size_t lanes = hn::Lanes(d), whole = count / lanes * lanes;
  const auto rest = hn::FirstN(d, count - whole);
  auto maximum = hn::Set(d, x[0]);
  for (size_t i = 0; i < whole; i += lanes) maximum = hn::Max(maximum, hn::LoadU(d, x + i));
  if (whole < count)
    maximum = hn::IfThenElse(rest, hn::Max(maximum, hn::LoadU(d, x + whole)), maximum);
  const auto shift = hn::MaxOfLanes(d, maximum);
  auto sums = hn::Zero(d);
  for (size_t i = 0; i < padded; i += lanes) {
    auto e = hn::Zero(d);
    if (i < count) e = ExpOrNothing(d, hn::Sub(hn::LoadU(d, x + i), shift));
    if (i == whole) e = hn::IfThenElseZero(rest, e);
    const auto rounded = RoundToBf16(e);
    sums = hn::Add(sums, hn::BitCast(d, hn::And(rounded, high)));
    StoreBf16(rounded, out + i);
  }
  return Sum(d, sums);
}

// Interleaves rows x and y, of `count` columns, into one row of pairs. count: a multiple of 16
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

// One or two tiles of rows times one or two tiles of columns: accumulators in tiles 0 to 3, a in 4
// and 5, b in 6 and 7.
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

// rows: of a tile, at most kTileRows
HWY_INLINE TileShapes ShapesOfBf16(size_t rows) {
  TileShapes shapes;
  for (const int tile : {0, 1, 2, 3}) shapes.Set(tile, rows, kTileBytes);
  for (const int tile : {4, 5}) shapes.Set(tile, rows, kTileBytes);
  for (const int tile : {6, 7}) shapes.Set(tile, kBf16Depth / 2, kTileBytes);
  return shapes;
}

HWY_INLINE void MultiplyBf16Tiles(const Bf16Product& p, size_t rows) {
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

// sums += a * b: f32 += bf16 * bf16, two at a time
HWY_INLINE void AddBf16Products(hn::Vec<FloatTag>& sums, hn::Vec<hn::RebindToUnsigned<FloatTag>> a,
                                hn::Vec<hn::RebindToUnsigned<FloatTag>> b) {
  // Assembly instead of the intrinsic, which needs a target that Highway does not have.
  asm("vdpbf16ps %2, %1, %0" : "+v"(sums.raw) : "v"(a.raw), "v"(b.raw));
}

// Not inlined: GCC runs out of registers where several of these are part of one function.
template <size_t kRows, size_t kVectors>
HWY_NOINLINE void Bf16VectorBlock(const Bf16Product& p, size_t row, size_t column) {
  const FloatTag d;
  const hn::RebindToUnsigned<FloatTag> du;
  const uint16_t* HWY_RESTRICT a = p.a + row * p.a_stride;
  const uint32_t* HWY_RESTRICT b = p.b + column;
  hn::Vec<FloatTag> sums[kRows][kVectors];
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) sums[r][v] = hn::Zero(d);
  }
  for (size_t s = 0; s < p.depth; s += 2, b += p.columns) {
    hn::Vec<hn::RebindToUnsigned<FloatTag>> line[kVectors];
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
      line[v] = hn::LoadU(du, b + v * kBf16Columns);
    }
    UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
      uint32_t pair;
      std::memcpy(&pair, a + r * p.a_stride + s, sizeof(pair));
      const auto factor = hn::Set(du, pair);
      UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
        AddBf16Products(sums[r][v], factor, line[v]);
      }
    }
  }
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    float* c = p.c + (row + r) * p.c_stride + column;
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
      hn::StoreU(sums[r][v], d, c + v * kBf16Columns);
    }
  }
}

template <size_t kVectors>
HWY_INLINE void Bf16VectorColumns(const Bf16Product& p, size_t rows, size_t column) {
  constexpr size_t kRows = kVectors == 4 ? 6 : 8;  // as many as leave registers for a line of b
  size_t row = 0;
  for (; row + kRows <= rows; row += kRows) Bf16VectorBlock<kRows, kVectors>(p, row, column);
  for (; row < rows; ++row) Bf16VectorBlock<1, kVectors>(p, row, column);
}

HWY_INLINE void MultiplyBf16Vectors(const Bf16Product& p, size_t rows) {
  size_t j = 0;
  for (; j + 4 * kBf16Columns <= p.columns; j += 4 * kBf16Columns) {
    Bf16VectorColumns<4>(p, rows, j);
  }
  for (; j + 2 * kBf16Columns <= p.columns; j += 2 * kBf16Columns) {
    Bf16VectorColumns<2>(p, rows, j);
  }
  if (j < p.columns) Bf16VectorColumns<1>(p, rows, j);
}

// Only where UseTiles() or UseBf16Vectors().
HWY_INLINE void MultiplyBf16(const Bf16Product& p, size_t rows) {
  if (UseTiles()) {
    MultiplyBf16Tiles(p, rows);
  } else {
    MultiplyBf16Vectors(p, rows);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();
#endif  // UFFIZI_TILES

#endif  // UFFIZI_KERNELS_BF16_PRODUCT_INL_H_
