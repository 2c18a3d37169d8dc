// Products of 8-bit activations and 4- or 8-bit weights. Within a group of columns sums are
// integers; the groups' sums are scaled and added in float, in the order of the groups, for every
// block size, so a result never depends on its neighbours.

#include "core/parallel.h"
#include "kernels/arguments.h"
#include "kernels/kernels.h"
#include "kernels/partition.h"
#include "kernels/scratch.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantized.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "kernels/dot_tiles-inl.h"
#include "kernels/factor_product-inl.h"
#include "kernels/factor_tiles-inl.h"
#include "kernels/panel_dot-inl.h"
#include "kernels/quantize_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

// Rows [row, end) times a panel whose codes are of Format.
template <class Way, class Format>
HWY_INLINE void MultiplyPanel(const QuantizedMatMulArgs& args, const QuantizedProduct& product,
                              const PanelView& view, size_t panel, size_t row, size_t end) {
  using namespace blocking;
  // Few rows are multiplied by a panel together, some groups at a time, and the last rows prefetch
  // the next groups. Many rows go one micro-kernel after the other and find the panel in the cache.
  const size_t count = end - row, groups = args.x.groups();
  const size_t together = count <= kFewRows ? kFewRows : kMr;
  const bool in_steps = count > kMemoryBoundRows && count <= kFewRows;
  const size_t step = in_steps ? std::max<size_t>(1, kPrefetchDistance / view.code_stride) : groups;
  alignas(64) float sums[kFewRows * kPanel];
  while (row < end) {
    const size_t rows = (end - row - 1) % together + 1;
    PrefetchResults(product, row, rows, panel, 1);
    for (size_t g = 0; g < groups; g += step) {
      const GroupRange range{g, std::min(g + step, groups)};
      for (size_t r = 0; r < rows;) {
        const size_t some = (rows - r - 1) % kMr + 1;
        PanelView part = view;
        if (in_steps) part.prefetch = r + some == rows ? step * view.code_stride : 0;
        DotRows<Way, Format>(args.x, row + r, some, part, range, sums + r * kPanel);
        r += some;
      }
    }
    for (size_t r = 0; r < rows; ++r) {
      FinishRow(product, args.out, row + r, panel, 1, sums + r * kPanel);
    }
    row += rows;
  }
}

#if UFFIZI_TILES
// Rows [row, end) times `count` panels from `first` on.
void MultiplyInTiles(const QuantizedMatMulArgs& args, size_t first, size_t count, size_t row,
                     size_t end) {
  const QuantizedRows& x = args.x;
  const size_t padded = PackedMatrix::PaddedGroup(x.group_size);
  const size_t column_bytes = x.padded_columns() * kTileColumns, per_panel = kPanel / kTileColumns;
  const size_t unpacked = count * per_panel * column_bytes;
  auto* bytes = static_cast<uint8_t*>(ThreadScratch(unpacked + TileOfRows::Bytes(x)));
  const TileOfRows rows = TileOfRows::In(bytes + unpacked, x);
  PanelOfProduct panels[blocking::kMaxTilePanels];
  for (size_t i = 0; i < count; ++i) {
    panels[i] = FindPanel(args, first + i);
    const PackedMatrix& w = *panels[i].product->w;
    for (size_t c = 0; c < per_panel; ++c) {
      UnpackColumns(w, w.panel(panels[i].panel), c * kTileColumns,
                    bytes + (i * per_panel + c) * column_bytes);
    }
  }
  alignas(64) float sums[kTileRows * kPanel];
  while (row < end) {
    // One tile configuration for all full tiles, and one for the remainder.
    const size_t of_tile = std::min(kTileRows, end - row);
    const size_t stop = row + (end - row) / of_tile * of_tile;
    const TileScope tiles(ShapesOfGroup(of_tile, padded));
    for (; row < stop; row += of_tile) {
      rows.Take(x, row, of_tile);
      for (size_t i = 0; i < count; ++i) {
        const auto& [product, panel] = panels[i];
        for (size_t c = 0; c < per_panel; ++c) {
          DotTile(rows, *product->w, bytes + (i * per_panel + c) * column_bytes,
                  product->w->panel(panel), c * kTileColumns, sums);
        }
        for (size_t r = 0; r < of_tile; ++r) {
          FinishRow(*product, args.out, row + r, panel, 1, sums + r * kPanel);
        }
      }
    }
  }
}

void MultiplyAllInTiles(const QuantizedMatMulArgs& args, size_t panels) {
  if (args.products.front().w->has_factors()) return MultiplyAllFactorsInTiles(args, panels);
  const size_t fitting = blocking::kTilePanelBytes / (args.x.padded_columns() * kPanel);
  const size_t together = std::clamp(fitting, size_t{1}, blocking::kMaxTilePanels);
  const size_t across = (panels + together - 1) / together;
  const size_t down = (args.rows + blocking::kTileMc - 1) / blocking::kTileMc;
  ParallelFor(down * across, 1, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t i = begin; i < end; ++i) {
      const size_t row = i / across * blocking::kTileMc, first = i % across * together;
      MultiplyInTiles(args, first, std::min(together, panels - first), row,
                      std::min(args.rows, row + blocking::kTileMc));
    }
  });
}
#endif  // UFFIZI_TILES

// Rows [row, end) times one panel, counted over all products.
template <class Way>
void MultiplyPiece(const QuantizedMatMulArgs& args, size_t number, size_t row, size_t end) {
  const auto [product, panel] = FindPanel(args, number);
  const PackedMatrix& w = *product->w;
  const bool is_nibbles = w.bits() == 4, memory_bound = end - row <= blocking::kMemoryBoundRows;
  const uint8_t* data = w.panel(panel);
  const size_t columns = is_nibbles ? Way::Nibbles::kColumns : Way::Bytes::kColumns;
  PanelView view{data,
                 w.group_bytes(),
                 data + w.code_bytes(),
                 w.group_bytes(),
                 PackedMatrix::PaddedGroup(w.group_size()) / columns,
                 w.symmetric_zero(),
                 w.symmetric(),
                 memory_bound ? blocking::kPrefetchDistance : blocking::kCachedPrefetchDistance};
  if (Way::kUnpackPays && end - row >= blocking::kUnpackRows) {
    view = UnpackPanel<Way>(w, view, static_cast<uint8_t*>(ThreadScratch(UnpackedBytes(w))));
    return is_nibbles ? MultiplyPanel<Way, typename Way::UnpackedNibbles>(args, *product, view,
                                                                          panel, row, end)
                      : MultiplyPanel<Way, typename Way::UnpackedBytes>(args, *product, view, panel,
                                                                        row, end);
  }
  is_nibbles ? MultiplyPanel<Way, typename Way::Nibbles>(args, *product, view, panel, row, end)
             : MultiplyPanel<Way, typename Way::Bytes>(args, *product, view, panel, row, end);
}

// Rows [row, end) of panels [first, last), one block of rows after the other.
template <class Way>
void MultiplyPanels(const QuantizedMatMulArgs& args, const Partition::Piece& piece) {
  using namespace blocking;
  const size_t rows = piece.end - piece.row, blocks = (rows + kMc - 1) / kMc;
  const size_t height = (rows + blocks * kMr - 1) / (blocks * kMr) * kMr;
  for (size_t row = piece.row; row < piece.end; row += height) {
    for (size_t panel = piece.first; panel < piece.last; ++panel) {
      MultiplyPiece<Way>(args, panel, row, std::min(piece.end, row + height));
    }
  }
}

template <class Way>
void MultiplyInPieces(const QuantizedMatMulArgs& args, size_t panels) {
  if (args.products.front().w->has_factors()) return MultiplyWithFactors<Way>(args, panels);
  const size_t overhead = Way::kUnpackPays ? blocking::kUnpackCost : 0;
  const Partition cut({args.rows, panels, blocking::kMr, overhead},
                      static_cast<size_t>(MaxThreads()));
  ParallelFor(cut.runs(), 1, [&](size_t begin, size_t end) {
    for (size_t run = begin; run < end; ++run) {
      cut.ForEachPiece(run,
                       [&](const Partition::Piece& piece) { MultiplyPanels<Way>(args, piece); });
    }
  });
}

void MultiplyAll(const QuantizedMatMulArgs& args) {
  size_t panels = 0;
  for (const QuantizedProduct& product : args.products) panels += product.w->panels();
#if UFFIZI_TILES
  if (UseTiles() && args.rows >= blocking::kLeastRowsForTiles) {
    return MultiplyAllInTiles(args, panels);
  }
#endif
#if UFFIZI_AVX_VNNI
  if (UseAvxVnni()) return MultiplyInPieces<AvxVnni>(args, panels);
#endif
#if UFFIZI_NEON
  if (UseI8mm()) return MultiplyInPieces<NeonI8mm>(args, panels);
  if (UseSdot()) return MultiplyInPieces<NeonSdot>(args, panels);
#endif
  MultiplyInPieces<TargetDot>(args, panels);
}

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uffizi {
namespace {
HWY_EXPORT(MultiplyAll);
}  // namespace

void MatMulQuantized(const QuantizedRows& x, size_t rows, const PackedMatrix& w,
                     const Epilogue& epilogue, float* y) {
  const QuantizedProduct product{&w, epilogue, y};
  MatMulQuantized(x, rows, {&product, 1});
}

void MatMulQuantized(const QuantizedRows& x, size_t rows, const PackedMatrix& w,
                     const Epilogue& epilogue, const QuantizedRows& y) {
  ChooseKernelTarget();
  const QuantizedProduct product{&w, epilogue, nullptr};
  HWY_DYNAMIC_DISPATCH(MultiplyAll)({x, rows, {&product, 1}, y});
}

void MatMulQuantized(const QuantizedRows& x, size_t rows,
                     std::span<const QuantizedProduct> products) {
  ChooseKernelTarget();
  HWY_DYNAMIC_DISPATCH(MultiplyAll)({x, rows, products, {}});
}

}  // namespace uffizi
#endif  // HWY_ONCE
