// Turns the sums of a quantized product into its output: applies the epilogue and writes floats or
// codes.

#if defined(UFFIZI_KERNELS_FINISH_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_FINISH_ROWS_INL_H_
#undef UFFIZI_KERNELS_FINISH_ROWS_INL_H_
#else
#define UFFIZI_KERNELS_FINISH_ROWS_INL_H_
#endif

#include "kernels/arguments.h"
#include "kernels/panel_view-inl.h"
#include "kernels/quantize_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

// A panel, counted over all products.
struct PanelOfProduct {
  const QuantizedProduct* product;
  size_t panel;
};
HWY_INLINE PanelOfProduct FindPanel(const QuantizedMatMulArgs& args, size_t panel) {
  const QuantizedProduct* product = args.products.data();
  for (; panel >= product->w->panels(); ++product) panel -= product->w->panels();
  return {product, panel};
}

// Applies the epilogue to a row's sums of `panels` panels from `panel` on, and writes the output.
HWY_INLINE void FinishRow(const QuantizedProduct& product, const QuantizedRows& quantized,
                          size_t row, size_t panel, size_t panels, float* sums) {
  const Epilogue& epilogue = product.epilogue;
  const size_t n = product.w->rows(), column = panel * kPanel;
  const size_t count = std::min(panels * kPanel, n - column);
  if (product.y != nullptr) {
    const size_t at = row * n + column;
    ApplyEpilogue(epilogue, sums, column, count,
                  epilogue.residual == nullptr ? nullptr : epilogue.residual + at, product.y + at);
  } else {
    ApplyEpilogue(epilogue, sums, column, count, nullptr, sums);
    if (!quantized.transform.empty()) {
      TransformColumns(sums, quantized.transform, column, count, sums);
    }
    QuantizeGroups(sums, quantized, row, column / quantized.group_size,
                   count / quantized.group_size);
  }
}

// Prefetches the memory that FinishRow() will read and write.
HWY_INLINE void PrefetchResults(const QuantizedProduct& product, size_t row, size_t rows,
                                size_t panel, size_t panels) {
  if (product.y == nullptr) return;
  const size_t n = product.w->rows(), column = panel * kPanel;
  const size_t bytes = std::min(panels * kPanel, n - column) * sizeof(float);
  for (size_t r = row; r < row + rows; ++r) {
    PrefetchBytes(product.y + r * n + column, bytes);
    if (product.epilogue.residual != nullptr && product.epilogue.residual != product.y) {
      PrefetchBytes(product.epilogue.residual + r * n + column, bytes);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#endif  // UFFIZI_KERNELS_FINISH_ROWS_INL_H_
