// Products of 8-bit activations and 4- or 8-bit weights. Within a group of columns sums are
// integers; the groups' sums are scaled and added in float, in the order of the groups, whatever
// the block: a result never depends on its neighbours.

#include "core/parallel.h"
#include "kernels/arguments.h"
#include "kernels/kernels.h"
#include "kernels/scratch.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantized.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "kernels/quad_dot-inl.h"
#include "kernels/quantize_rows-inl.h"
#include "kernels/tile_dot-inl.h"

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
};

#if UFFIZI_QUAD_DOT || UFFIZI_PAIR_DOT

constexpr size_t kLanes = HWY_MAX_BYTES / 4;

// What a panel's codes are.
struct Nibbles {
  static constexpr size_t kColumns = 8;  // of a block
  static constexpr bool kSmall = true;   // below 16
};
struct SmallBytes {
  static constexpr size_t kColumns = 4;
  static constexpr bool kSmall = true;
};
struct WideBytes {
  static constexpr size_t kColumns = 4;
  static constexpr bool kSmall = false;
};

HWY_INLINE Int8Vector BroadcastQuad(const int8_t* a) {
  int32_t quad;
  __builtin_memcpy(&quad, a, 4);
  return hn::BitCast(Int8Tag(), hn::Set(Int32Tag(), quad));
}

// A block's codes for one quad of columns.
template <class Source, size_t kQuad>
HWY_INLINE Uint8Vector QuadCodes(Uint8Vector loaded) {
  const Uint8Tag d8;
  const Uint16Tag d16;
  if constexpr (std::is_same_v<Source, Nibbles>) {
    if constexpr (kQuad == 1) {
      loaded = hn::BitCast(d8, hn::ShiftRight<4>(hn::BitCast(d16, loaded)));
    }
    return hn::And(loaded, hn::Set(d8, 15));
  } else {
    return loaded;
  }
}

// How one quad of columns is multiplied and added to a sum.
struct InPairs {  // for small codes; eight quads fit 16 bits
#if UFFIZI_PAIR_DOT
  HWY_INLINE static void Add(Int16Vector& sum, Uint8Vector w, Int8Vector a) {
    sum = AddPairDot(sum, w, a);
  }
#endif
};
struct AtOnce {
  HWY_INLINE static void Add(Int32Vector& sum, Uint8Vector w, Int8Vector a) {
#if UFFIZI_QUAD_DOT
    sum = QuadDot(sum, w, a);
#else
    sum = QuadDotSigned(sum, hn::BitCast(Int8Tag(), w), a);
#endif
  }
};

// Adds the products of one quad of columns of a block, for kRows rows. No lambdas here: GCC keeps
// what they capture in memory.
template <class Source, size_t kQuad, class How, size_t kRows, size_t kVectors, class Sum>
HWY_INLINE void AddQuad(const uint8_t* HWY_RESTRICT block, const int8_t* HWY_RESTRICT a,
                        size_t stride, Sum (&sum)[kRows][kVectors]) {
  const Uint8Tag d8;
  Uint8Vector w[kVectors];
  UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
    w[v] = QuadCodes<Source, kQuad>(hn::Load(d8, block + v * HWY_MAX_BYTES));
    if constexpr (!Source::kSmall && kByteOffset != 0) w[v] = hn::Xor(w[v], hn::Set(d8, 128));
  }
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    const Int8Vector factor = BroadcastQuad(a + r * stride + kQuad * 4);
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) How::Add(sum[r][v], w[v], factor);
  }
}

template <class Source, class How, size_t kRows, size_t kVectors, class Sum>
HWY_INLINE void AddBlocks(const uint8_t* HWY_RESTRICT codes, size_t blocks,
                          const int8_t* HWY_RESTRICT a, size_t stride,
                          Sum (&sum)[kRows][kVectors]) {
  for (size_t block = 0; block < blocks; ++block) {
    AddQuad<Source, 0, How>(codes, a, stride, sum);
    if constexpr (Source::kColumns == 8) AddQuad<Source, 1, How>(codes, a, stride, sum);
    codes += kBlockBytes;
    a += Source::kColumns;
  }
}

// Adds one group's products to `sum`.
// a: the group's codes of the first row, rows `stride` bytes apart
template <class Source, size_t kRows, size_t kVectors>
HWY_INLINE void SumGroup(const uint8_t* HWY_RESTRICT codes, size_t blocks,
                         const int8_t* HWY_RESTRICT a, size_t stride,
                         Int32Vector (&sum)[kRows][kVectors]) {
#if UFFIZI_PAIR_DOT
  if constexpr (Source::kSmall) {
    constexpr size_t kFlush = 32 / Source::kColumns;  // blocks of eight quads
    for (size_t first = 0; first < blocks; first += kFlush) {
      Int16Vector pairs[kRows][kVectors];
      UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
        UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) pairs[r][v] = hn::Zero(Int16Tag());
      }
      AddBlocks<Source, InPairs>(codes + first * kBlockBytes, std::min(kFlush, blocks - first),
                                 a + first * Source::kColumns, stride, pairs);
      UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
        UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
          sum[r][v] = hn::Add(sum[r][v], SumOfPairs(pairs[r][v]));
        }
      }
    }
    return;
  }
#endif
  AddBlocks<Source, AtOnce>(codes, blocks, a, stride, sum);
}

// Rows [row, row + kRows) times kVectors vectors of a panel's columns, from `first` on.
// out: [kRows, kPanel] f32
template <class Source, size_t kRows, size_t kVectors>
HWY_INLINE void DotBlock(const QuantizedRows& x, size_t row, const PanelView& panel, size_t first,
                         float* HWY_RESTRICT out) {
  const FloatTag d;
  const Int32Tag di;
  const size_t groups = x.groups(), padded = PackedMatrix::PaddedGroup(x.group_size);
  const size_t stride = x.padded_columns(), at = first * HWY_MAX_BYTES;
  const int zero = panel.zero - (Source::kSmall ? 0 : kByteOffset);
  const int8_t* a = x.codes + row * stride;
  const float* x_scales = x.scales + row * groups;
  const int32_t* x_sums = x.sums + row * groups;
  hn::Vec<FloatTag> total[kRows][kVectors];
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) total[r][v] = hn::Zero(d);
  }
  const uint8_t* codes = panel.codes + at;
  const uint8_t* scales = panel.scales + at;
  for (size_t g = 0; g < groups; ++g) {
    // A few rows wait for memory. On the first of them, which takes whole panels, ask for more of
    // it at a time than the processor does by itself.
    if constexpr (kVectors == kPanel / kLanes) PrefetchBytes(codes + kAhead, panel.code_stride);
    Int32Vector sum[kRows][kVectors];
    UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
      UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
        sum[r][v] = hn::Set(di, -zero * x_sums[r * groups + g]);
      }
    }
    if (!panel.symmetric) {
      UFFIZI_UNROLL for (size_t v = 0; v < kVectors; ++v) {
        const auto* zeros = reinterpret_cast<const int32_t*>(scales + kBlockBytes);
        const auto own = hn::Sub(hn::Load(di, zeros + v * kLanes),
                                 hn::Set(di, Source::kSmall ? 0 : kByteOffset));
        UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
          sum[r][v] = hn::Mul(own, hn::Set(di, -x_sums[r * groups + g]));
        }
      }
    }
    SumGroup<Source, kRows, kVectors>(codes, panel.blocks, a + g * padded, stride, sum);
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
HWY_INLINE void DotRows(const QuantizedRows& x, size_t row, const PanelView& panel, float* out) {
  constexpr size_t kAll = kPanel / kLanes;
  constexpr size_t kVectors = kRows <= 2 && kAll >= 4 ? 4 : 2;
  for (size_t v = 0; v < kAll; v += kVectors) {
    DotBlock<Source, kRows, kVectors>(x, row, panel, v, out);
  }
}

constexpr size_t kMaxRows = 6;

template <class Source>
void DotSomeRows(const QuantizedRows& x, size_t row, size_t rows, const PanelView& panel,
                 float* out) {
  switch (rows) {
    case 1:
      return DotRows<Source, 1>(x, row, panel, out);
    case 2:
      return DotRows<Source, 2>(x, row, panel, out);
    case 3:
      return DotRows<Source, 3>(x, row, panel, out);
    case 4:
      return DotRows<Source, 4>(x, row, panel, out);
    case 5:
      return DotRows<Source, 5>(x, row, panel, out);
    default:
      return DotRows<Source, 6>(x, row, panel, out);
  }
}

// A step of nibbles costs more instructions than one of bytes. Where instructions are what limits
// and many rows share them, a panel is spread over bytes first.
constexpr bool kSpreadPays = UFFIZI_PAIR_DOT;
constexpr size_t kSpreadRows = 24;

PanelView SpreadPanel(const PackedMatrix& w, PanelView panel, uint8_t* HWY_RESTRICT bytes) {
  const Uint8Tag d8;
  panel.code_stride = 2 * w.code_bytes();
  for (size_t g = 0; g < w.groups(); ++g) {
    const uint8_t* HWY_RESTRICT codes = panel.codes + g * w.group_bytes();
    uint8_t* HWY_RESTRICT out = bytes + g * panel.code_stride;
    for (size_t at = 0; at < w.code_bytes(); at += HWY_MAX_BYTES) {
      const auto loaded = hn::Load(d8, codes + at);
      uint8_t* block = out + at / kBlockBytes * 2 * kBlockBytes + at % kBlockBytes;
      hn::Store(QuadCodes<Nibbles, 0>(loaded), d8, block);
      hn::Store(QuadCodes<Nibbles, 1>(loaded), d8, block + kBlockBytes);
    }
  }
  panel.codes = bytes;
  panel.blocks *= 2;
  return panel;
}

#else  // plain code

constexpr bool kSpreadPays = false;
constexpr size_t kSpreadRows = 0;
constexpr size_t kMaxRows = 4;
struct Nibbles {
  static constexpr size_t kColumns = 8;
};
struct SmallBytes {
  static constexpr size_t kColumns = 4;
};
using WideBytes = SmallBytes;

PanelView SpreadPanel(const PackedMatrix&, const PanelView& panel, uint8_t*) { return panel; }

template <class Source>
void DotOneRow(const QuantizedRows& x, size_t row, const PanelView& panel,
               float* HWY_RESTRICT out) {
  const size_t groups = x.groups(), padded = PackedMatrix::PaddedGroup(x.group_size);
  std::fill_n(out, kPanel, 0.0f);
  for (size_t g = 0; g < groups; ++g) {
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
                 float* out) {
  for (size_t r = 0; r < rows; ++r) DotOneRow<Source>(x, row + r, panel, out + r * kPanel);
}

#endif

// A row's sums of one panel through the epilogue and out.
HWY_INLINE void FinishRow(const QuantizedProduct& product, const QuantizedRows& quantized,
                          size_t row, size_t panel, float* sums) {
  const Epilogue& epilogue = product.epilogue;
  const size_t n = product.w->rows(), column = panel * kPanel;
  const size_t count = std::min(kPanel, n - column);
  if (product.y != nullptr) {
    const size_t at = row * n + column;
    ApplyEpilogue(epilogue, sums, column, count,
                  epilogue.residual == nullptr ? nullptr : epilogue.residual + at, product.y + at);
  } else {
    ApplyEpilogue(epilogue, sums, column, count, nullptr, sums);
    QuantizeGroups(sums, quantized, row, column / quantized.group_size,
                   count / quantized.group_size);
  }
}

template <class Source>
HWY_INLINE void MultiplyPanel(const QuantizedMatMulArgs& args, const QuantizedProduct& product,
                              const PanelView& view, size_t panel, size_t row, size_t end) {
  alignas(64) float sums[kMaxRows * kPanel];
  while (row < end) {
    // The odd rows first: few rows take a panel in one go, which suits memory, and leave it in the
    // cache to the others.
    const size_t rows = (end - row - 1) % kMaxRows + 1;
    DotSomeRows<Source>(args.x, row, rows, view, sums);
    for (size_t r = 0; r < rows; ++r) {
      FinishRow(product, args.out, row + r, panel, sums + r * kPanel);
    }
    row += rows;
  }
}

// A panel, counted over all products.
struct PanelOfProduct {
  const QuantizedProduct* product;
  size_t panel;
};
PanelOfProduct FindPanel(const QuantizedMatMulArgs& args, size_t panel) {
  const QuantizedProduct* product = args.products.data();
  for (; panel >= product->w->panels(); ++product) panel -= product->w->panels();
  return {product, panel};
}

#if UFFIZI_TILES
// Fewer rows than this are faster without tiles, for which weights must be spread to bytes first.
constexpr size_t kLeastRowsForTiles = 12;
// Panels that are spread at a time, and stay in a core's second cache while rows pass by.
constexpr size_t kSpreadBytes = size_t{1} << 20;
constexpr size_t kMostSpreadPanels = 8;
constexpr size_t kRowsPerSpread = 32 * kTileRows;

// Rows [row, end) times `count` panels from `first` on.
void MultiplyInTiles(const QuantizedMatMulArgs& args, size_t first, size_t count, size_t row,
                     size_t end) {
  const QuantizedRows& x = args.x;
  const size_t padded = PackedMatrix::PaddedGroup(x.group_size);
  const size_t column_bytes = x.padded_columns() * kTileColumns, per_panel = kPanel / kTileColumns;
  const size_t spread = count * per_panel * column_bytes;
  auto* bytes = static_cast<uint8_t*>(ThreadScratch(spread + TileOfRows::Bytes(x)));
  const TileOfRows rows = TileOfRows::In(bytes + spread, x);
  PanelOfProduct panels[kMostSpreadPanels];
  for (size_t i = 0; i < count; ++i) {
    panels[i] = FindPanel(args, first + i);
    const PackedMatrix& w = *panels[i].product->w;
    for (size_t c = 0; c < per_panel; ++c) {
      SignColumns(w, w.panel(panels[i].panel), c * kTileColumns,
                  bytes + (i * per_panel + c) * column_bytes);
    }
  }
  alignas(64) float sums[kTileRows * kPanel];
  while (row < end) {
    // One setting of the tiles for all that are full, one for the rest.
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
          FinishRow(*product, args.out, row + r, panel, sums + r * kPanel);
        }
      }
    }
  }
}

void MultiplyAllInTiles(const QuantizedMatMulArgs& args, size_t panels) {
  const size_t fitting = kSpreadBytes / (args.x.padded_columns() * kPanel);
  const size_t together = std::clamp(fitting, size_t{1}, kMostSpreadPanels);
  const size_t across = (panels + together - 1) / together;
  const size_t down = (args.rows + kRowsPerSpread - 1) / kRowsPerSpread;
  ParallelFor(down * across, 1, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t i = begin; i < end; ++i) {
      const size_t row = i / across * kRowsPerSpread, first = i % across * together;
      MultiplyInTiles(args, first, std::min(together, panels - first), row,
                      std::min(args.rows, row + kRowsPerSpread));
    }
  });
}
#endif  // UFFIZI_TILES

// Rows [row, end) times one panel, counted over all products.
void MultiplyTile(const QuantizedMatMulArgs& args, size_t number, size_t row, size_t end) {
  const auto [product, panel] = FindPanel(args, number);
  const PackedMatrix& w = *product->w;
  const size_t padded = PackedMatrix::PaddedGroup(w.group_size());
  const uint8_t* data = w.panel(panel);
  PanelView view{data,
                 w.group_bytes(),
                 data + w.code_bytes(),
                 w.group_bytes(),
                 padded / (w.bits() == 4 ? Nibbles::kColumns : WideBytes::kColumns),
                 w.symmetric_zero(),
                 w.symmetric()};
  if (w.bits() == 8) {
    MultiplyPanel<WideBytes>(args, *product, view, panel, row, end);
  } else if (kSpreadPays && end - row >= kSpreadRows) {
    auto* bytes = static_cast<uint8_t*>(ThreadScratch(w.groups() * w.code_bytes() * 2));
    view = SpreadPanel(w, view, bytes);
    MultiplyPanel<SmallBytes>(args, *product, view, panel, row, end);
  } else {
    MultiplyPanel<Nibbles>(args, *product, view, panel, row, end);
  }
}

// Rows of activations that stay in a core's second cache while panels pass by.
constexpr size_t kRowBytes = size_t{256} << 10;

void MultiplyAll(const QuantizedMatMulArgs& args) {
  size_t panels = 0;
  for (const QuantizedProduct& product : args.products) panels += product.w->panels();
#if UFFIZI_TILES
  if (UseTiles() && args.rows >= kLeastRowsForTiles) return MultiplyAllInTiles(args, panels);
#endif
  const size_t fitting = kRowBytes / args.x.padded_columns() / kMaxRows;
  const size_t tile = std::clamp(fitting, size_t{4}, size_t{32}) * kMaxRows;
  const size_t down = (args.rows + tile - 1) / tile;
  ParallelFor(down * panels, 1, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t i = begin; i < end; ++i) {
      const size_t row = i / panels * tile;
      MultiplyTile(args, i % panels, row, std::min(args.rows, row + tile));
    }
  });
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
