// Products of matrices with factors, for every byte dot product except AMX tiles: the work of one
// thread. A unit of columns is a panel, or as many panels as an output's quantization group spans.

#if defined(UFFIZI_KERNELS_FACTOR_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_FACTOR_PRODUCT_INL_H_
#undef UFFIZI_KERNELS_FACTOR_PRODUCT_INL_H_
#else
#define UFFIZI_KERNELS_FACTOR_PRODUCT_INL_H_
#endif

#include "core/parallel.h"
#include "kernels/factor_dot-inl.h"
#include "kernels/finish_rows-inl.h"
#include "kernels/partition.h"
#include "kernels/scratch.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

constexpr size_t kMaxUnit = PackedMatrix::kFactorColumns / kPanel;  // panels

// Rows [row, end) times panels [first, last), in units of `unit`.
struct FactorPiece {
  size_t row, end, first, last, unit;
};

// Multiplies few rows by a panel in its packed form. out: [rows, kPanel] f32, rows out_stride apart
template <class Way, bool kBiased>
HWY_INLINE void DotFewRows(const QuantizedRows& x, size_t row, size_t rows, const PackedMatrix& w,
                           size_t number, float* out, size_t out_stride) {
  using namespace blocking;
  FactorPanel panel = FactorPanel::Of(w, number, kPrefetchDistance);
  const size_t blocks = x.groups();
  if (rows <= kMemoryBoundRows) {
    return DotFactors<typename Way::Nibbles, kBiased>(x, row, rows, panel, {0, blocks}, out,
                                                      out_stride);
  }
  // All rows are multiplied by one block of the panel, and the last rows prefetch the next block.
  for (size_t b = 0; b < blocks; ++b) {
    for (size_t r = 0; r < rows;) {
      const size_t some = (rows - r - 1) % kMr + 1;
      panel.prefetch = r + some == rows ? panel.groups * panel.code_stride : 0;
      DotFactors<typename Way::Nibbles, kBiased>(x, row + r, some, panel, {b, b + 1},
                                                 out + r * out_stride, out_stride);
      r += some;
    }
  }
}

template <class Way, bool kBiased>
void MultiplyFewRows(const QuantizedMatMulArgs& args, const FactorPiece& piece) {
  alignas(64) float sums[blocking::kFewRows * kMaxUnit * kPanel];
  const size_t stride = piece.unit * kPanel;
  for (size_t at = piece.first; at < piece.last; at += piece.unit) {
    const auto [product, panel] = FindPanel(args, at);
    for (size_t row = piece.row; row < piece.end;) {
      const size_t rows = (piece.end - row - 1) % blocking::kFewRows + 1;
      PrefetchResults(*product, row, rows, panel, piece.unit);
      for (size_t i = 0; i < piece.unit; ++i) {
        DotFewRows<Way, kBiased>(args.x, row, rows, *product->w, panel + i, sums + i * kPanel,
                                 stride);
      }
      for (size_t r = 0; r < rows; ++r) {
        FinishRow(*product, args.out, row + r, panel, piece.unit, sums + r * stride);
      }
      row += rows;
    }
  }
}

#if UFFIZI_BYTE_VECTORS
// For many rows, panels are unpacked first: to signed bytes if there is an instruction for these.
template <class Way>
struct SignedUnpacking {
  using Panel = SignedPanel;
  static size_t Bytes(const PackedMatrix& w) { return SignedPanel::Bytes(w); }
  static Panel Unpack(const PackedMatrix& w, size_t number, uint8_t* memory) {
    return UnpackSigned<Way>(w, number, memory);
  }
  static void Dot(const QuantizedRows& x, size_t row, size_t rows, const Panel& panel, float* out,
                  size_t out_stride) {
    DotSigned<Way>(x, row, rows, panel, out, out_stride);
  }
};
// For many rows without such an instruction: nibbles are unpacked, and factors stay separate.
template <class Way>
struct NibbleUnpacking {
  using Panel = FactorPanel;
  static size_t Bytes(const PackedMatrix& w) { return UnpackedBytes(w); }
  static Panel Unpack(const PackedMatrix& w, size_t number, uint8_t* memory) {
    Panel panel = FactorPanel::Of(w, number, blocking::kCachedPrefetchDistance);
    PanelView view{};
    view.codes = panel.codes;
    view.code_stride = panel.code_stride;
    view = UnpackPanel<Way>(w, view, memory);
    panel.codes = view.codes;
    panel.code_stride = view.code_stride;
    return panel;
  }
  static void Dot(const QuantizedRows& x, size_t row, size_t rows, const Panel& panel, float* out,
                  size_t out_stride) {
    DotFactors<typename Way::UnpackedNibbles, false>(x, row, rows, panel, {0, x.groups()}, out,
                                                     out_stride);
  }
};

template <class Way>
using Unpacking =
    std::conditional_t<Way::kSignedWeights, SignedUnpacking<Way>, NibbleUnpacking<Way>>;

template <class Way>
void MultiplyManyRows(const QuantizedMatMulArgs& args, const FactorPiece& piece) {
  using Unpack = Unpacking<Way>;
  const size_t bytes = (Unpack::Bytes(*args.products.front().w) + 63) / 64 * 64;
  const size_t fitting = blocking::kUnpackedBytes / bytes / piece.unit * piece.unit;
  const size_t most = blocking::kMaxUnpackedPanels / piece.unit * piece.unit;
  const size_t together = std::clamp(fitting, piece.unit, most);
  auto* memory = static_cast<uint8_t*>(ThreadScratch(together * bytes));
  alignas(64) float sums[blocking::kMr * kMaxUnit * kPanel];
  PanelOfProduct panels[blocking::kMaxUnpackedPanels];
  typename Unpack::Panel unpacked[blocking::kMaxUnpackedPanels];
  for (size_t at = piece.first; at < piece.last; at += together) {
    const size_t count = std::min(together, piece.last - at), stride = piece.unit * kPanel;
    for (size_t i = 0; i < count; ++i) {
      panels[i] = FindPanel(args, at + i);
      unpacked[i] = Unpack::Unpack(*panels[i].product->w, panels[i].panel, memory + i * bytes);
    }
    for (size_t row = piece.row; row < piece.end;) {
      const size_t rows = (piece.end - row - 1) % blocking::kMr + 1;
      for (size_t i = 0; i < count; i += piece.unit) {
        const auto& [product, panel] = panels[i];
        PrefetchResults(*product, row, rows, panel, piece.unit);
        for (size_t j = 0; j < piece.unit; ++j) {
          Unpack::Dot(args.x, row, rows, unpacked[i + j], sums + j * kPanel, stride);
        }
        for (size_t r = 0; r < rows; ++r) {
          FinishRow(*product, args.out, row + r, panel, piece.unit, sums + r * stride);
        }
      }
      row += rows;
    }
  }
}
#endif  // UFFIZI_BYTE_VECTORS

template <class Way>
void MultiplyFactorPiece(const QuantizedMatMulArgs& args, const FactorPiece& piece) {
#if UFFIZI_BYTE_VECTORS
  if (piece.end - piece.row >= blocking::kUnpackRows && args.x.biased == Way::kBiasedRows) {
    // One block of rows after the other: more rows would be evicted from the caches and the TLB
    // before the next panels need them.
    const size_t mc = blocking::RowsOfBlock(args.x.padded_columns());
    const size_t blocks = std::max<size_t>(1, (piece.end - piece.row + mc / 2) / mc);
    const size_t units = (piece.end - piece.row + blocking::kMr - 1) / blocking::kMr;
    FactorPiece block = piece;
    for (size_t i = 0; i < blocks; ++i, block.row = block.end) {
      block.end = std::min(piece.end, piece.row + units * (i + 1) / blocks * blocking::kMr);
      MultiplyManyRows<Way>(args, block);
    }
    return;
  }
#endif
  if (Way::kBiasedRows && args.x.biased) return MultiplyFewRows<Way, Way::kBiasedRows>(args, piece);
  MultiplyFewRows<Way, false>(args, piece);
}

// Splits the product among the threads and calls multiply(piece) for each piece.
template <class Multiply>
HWY_INLINE void ForEachFactorPiece(const QuantizedMatMulArgs& args, size_t panels, size_t mr,
                                   size_t overhead, const Multiply& multiply) {
  const bool quantizes = args.products.front().y == nullptr;
  const size_t unit = quantizes ? std::max<size_t>(1, args.out.group_size / kPanel) : 1;
  const Partition cut({args.rows, panels / unit, mr, overhead}, static_cast<size_t>(MaxThreads()));
  ParallelFor(cut.runs(), 1, [&](size_t begin, size_t end) {
    for (size_t run = begin; run < end; ++run) {
      cut.ForEachPiece(run, [&](const Partition::Piece& piece) {
        multiply(FactorPiece{piece.row, piece.end, piece.first * unit, piece.last * unit, unit});
      });
    }
  });
}

template <class Way>
void MultiplyWithFactors(const QuantizedMatMulArgs& args, size_t panels) {
  const size_t overhead = args.rows >= blocking::kUnpackRows ? blocking::kUnpackCost : 0;
  ForEachFactorPiece(args, panels, blocking::kMr, overhead,
                     [&](const FactorPiece& piece) { MultiplyFactorPiece<Way>(args, piece); });
}

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#endif  // UFFIZI_KERNELS_FACTOR_PRODUCT_INL_H_
