// Products of matrices with factors in AMX tiles. Weights are unpacked to signed bytes as for
// vectors (SignedPanel), activations are copied into tile order, and 2 x 2 accumulators sum a block
// of columns with one scale. Each loaded tile is thus used for two products.

#if defined(UFFIZI_KERNELS_FACTOR_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_FACTOR_TILES_INL_H_
#undef UFFIZI_KERNELS_FACTOR_TILES_INL_H_
#else
#define UFFIZI_KERNELS_FACTOR_TILES_INL_H_
#endif

#include "kernels/factor_product-inl.h"
#include "kernels/tiles-inl.h"

#if UFFIZI_TILES
HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

// How UnpackSigned() unpacks for tiles, which multiply signed bytes.
struct TileDot {
  static constexpr bool kBiasedRows = false;
  static constexpr bool kPairs = false;
};

constexpr size_t kStripRows = 2 * kTileRows;        // mr
constexpr size_t kStripColumns = 2 * kTileColumns;  // nr

HWY_INLINE TileShapes FullTiles() {
  TileShapes shapes;
  for (int tile = 0; tile < 8; ++tile) shapes.Set(tile, kTileRows, kTileBytes);
  return shapes;
}

// Copies rows [row, row + count) in tile order, with zeros up to kStripRows. They are copied
// because rows a power of two apart would compete for few cache sets. strip: [columns / kTileBytes,
// kStripRows, kTileBytes]
HWY_INLINE void TakeStrip(const QuantizedRows& x, size_t row, size_t count,
                          int8_t* HWY_RESTRICT strip) {
  const hn::ScalableTag<int8_t> d;
  for (size_t r = 0; r < kStripRows; ++r) {
    const int8_t* from = x.codes + (row + r) * x.padded_columns();
    for (size_t c = 0; c < x.padded_columns(); c += kTileBytes) {
      const auto codes = r < count ? hn::LoadU(d, from + c) : hn::Zero(d);
      hn::Store(codes, d, strip + c * kStripRows + r * kTileBytes);
    }
  }
}

// A strip times kStripColumns columns of a panel: integer sums of `steps` steps of kTileBytes
// columns. kTall: the strip has more rows than a tile. strip, weights: of the first step; sums:
// [kStripRows, kStripColumns]
template <bool kTall>
HWY_INLINE void SumStrip(const int8_t* strip, const int8_t* weights, size_t steps,
                         int32_t* HWY_RESTRICT sums) {
  constexpr size_t kHalf = kTileRows * kTileBytes, kRow = kStripColumns * sizeof(int32_t);
  ZeroTile<0>();
  ZeroTile<1>();
  if constexpr (kTall) {
    ZeroTile<2>();
    ZeroTile<3>();
  }
  for (size_t i = 0; i < steps; ++i) {
    LoadTile<4>(strip, kTileBytes);
    LoadTile<6>(weights, kBlockBytes);
    MultiplyBytes<0, 4, 6>();
    LoadTile<7>(weights + kTileBytes, kBlockBytes);
    MultiplyBytes<1, 4, 7>();
    if constexpr (kTall) {
      LoadTile<5>(strip + kHalf, kTileBytes);
      MultiplyBytes<2, 5, 6>();
      MultiplyBytes<3, 5, 7>();
    }
    strip += 2 * kHalf;
    weights += kTileBytes / 4 * kBlockBytes;
  }
  StoreTile<0>(sums, kRow);
  StoreTile<1>(sums + kTileColumns, kRow);
  if constexpr (kTall) {
    StoreTile<2>(sums + kTileRows * kStripColumns, kRow);
    StoreTile<3>(sums + kTileRows * kStripColumns + kTileColumns, kRow);
  }
}

// A strip, whose first `rows` rows are those from `row` on, times a panel. out: [rows, kPanel] f32,
// rows out_stride apart
HWY_INLINE void DotStrip(const QuantizedRows& x, size_t row, size_t rows, const int8_t* strip,
                         const SignedPanel& panel, float* HWY_RESTRICT out, size_t out_stride) {
  const hn::RebindToSigned<FloatTag> di;
  alignas(64) int32_t sums[kStripRows * kStripColumns];
  const size_t blocks = x.groups(), block = x.group_size;
  for (size_t column = 0; column < kPanel; column += kStripColumns) {
    for (size_t b = 0; b < blocks; ++b) {
      const int8_t* a = strip + b * block * kStripRows;
      const int8_t* w = panel.weights + b * block * kPanel + column * 4;
      if (rows > kTileRows) {
        SumStrip<true>(a, w, block / kTileBytes, sums);
      } else {
        SumStrip<false>(a, w, block / kTileBytes, sums);
      }
      for (size_t r = 0; r < rows; ++r) {
        Int32Vector sum[1][2];
        for (size_t v = 0; v < 2; ++v) {
          sum[0][v] = hn::Load(di, sums + r * kStripColumns + v * kTileColumns);
        }
        AddBlockSums(sum, x.scales + (row + r) * blocks, blocks, b, panel.row_scales + column,
                     out + r * out_stride + column, out_stride);
      }
    }
  }
}

void MultiplyFactorsInTiles(const QuantizedMatMulArgs& args, const FactorPiece& piece) {
  const PackedMatrix& w = *args.products.front().w;
  const size_t bytes = (SignedPanel::Bytes(w) + 63) / 64 * 64;
  const size_t fitting = blocking::kTilePanelBytes / bytes / piece.unit * piece.unit;
  const size_t most = blocking::kMaxTilePanels / piece.unit * piece.unit;
  const size_t together = std::clamp(fitting, piece.unit, most);
  auto* memory =
      static_cast<uint8_t*>(ThreadScratch(together * bytes + kStripRows * args.x.padded_columns()));
  auto* strip = reinterpret_cast<int8_t*>(memory + together * bytes);
  alignas(64) float sums[kStripRows * kMaxUnit * kPanel];
  PanelOfProduct panels[blocking::kMaxTilePanels];
  SignedPanel unpacked[blocking::kMaxTilePanels];
  const TileScope tiles(FullTiles());
  for (size_t at = piece.first; at < piece.last; at += together) {
    const size_t count = std::min(together, piece.last - at), stride = piece.unit * kPanel;
    for (size_t i = 0; i < count; ++i) {
      panels[i] = FindPanel(args, at + i);
      unpacked[i] =
          UnpackSigned<TileDot>(*panels[i].product->w, panels[i].panel, memory + i * bytes);
    }
    for (size_t row = piece.row; row < piece.end; row += kStripRows) {
      const size_t rows = std::min(kStripRows, piece.end - row);
      TakeStrip(args.x, row, rows, strip);
      for (size_t i = 0; i < count; i += piece.unit) {
        const auto& [product, panel] = panels[i];
        PrefetchResults(*product, row, rows, panel, piece.unit);
        for (size_t j = 0; j < piece.unit; ++j) {
          DotStrip(args.x, row, rows, strip, unpacked[i + j], sums + j * kPanel, stride);
        }
        for (size_t r = 0; r < rows; ++r) {
          FinishRow(*product, args.out, row + r, panel, piece.unit, sums + r * stride);
        }
      }
    }
  }
}

void MultiplyAllFactorsInTiles(const QuantizedMatMulArgs& args, size_t panels) {
  ForEachFactorPiece(args, panels, kTileRows, blocking::kTileUnpackCost,
                     [&](const FactorPiece& piece) { MultiplyFactorsInTiles(args, piece); });
}

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();
#endif  // UFFIZI_TILES

#endif  // UFFIZI_KERNELS_FACTOR_TILES_INL_H_
