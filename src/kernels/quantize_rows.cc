#include <cmath>

#include "core/parallel.h"
#include "kernels/arguments.h"
#include "kernels/blocking.h"
#include "kernels/kernels.h"
#include "kernels/scratch.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantize_rows.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "kernels/quantize_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

// scratch: [columns] f32, may be x
void QuantizeOneRow(const float* x, float* scratch, const QuantizedRows& out, size_t row) {
  if (!out.transform.empty()) {
    TransformColumns(x, out.transform, 0, out.columns, scratch);
    x = scratch;
  }
  QuantizeGroups(x, out, row, 0, out.groups());
}

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uffizi {
namespace {
HWY_EXPORT(QuantizeOneRow);

constexpr size_t kGrainFloats = 32768;  // smallest piece of work for a task

size_t RoundUp(size_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

size_t QuantizedRows::Bytes(size_t rows, size_t columns, size_t group_size) {
  const QuantizedRows view{columns, group_size};
  return RoundUp(rows * view.padded_columns()) +
         rows * view.groups() * (2 + view.pair_chunks()) * sizeof(int32_t);
}

QuantizedRows QuantizedRows::In(void* memory, size_t rows, size_t columns, size_t group_size) {
  QuantizedRows view{columns, group_size};
  auto* bytes = static_cast<uint8_t*>(memory);
  view.codes = reinterpret_cast<int8_t*>(bytes);
  bytes += RoundUp(rows * view.padded_columns());
  view.scales = reinterpret_cast<float*>(bytes);
  view.sums = reinterpret_cast<int32_t*>(view.scales + rows * view.groups());
  view.pair_starts = view.sums + rows * view.groups();
  return view;
}

QuantizedRows QuantizedRows::InFor(const PackedMatrix& w, void* memory, size_t rows) {
  QuantizedRows view = In(memory, rows, w.columns(), w.input_group());
  // Fewer rows are multiplied by the packed codes, which are the unsigned operand.
  view.biased = w.has_factors() && rows >= blocking::kLeastRowsForTiles && WantsBiasedRows();
  return view;
}

void QuantizeRows(const float* x, size_t rows, const QuantizedRows& out) {
  ChooseKernelTarget();
  const auto quantize = HWY_DYNAMIC_DISPATCH(QuantizeOneRow);
  ParallelFor(rows, kGrainFloats / (out.columns + 1) + 1, [&](size_t begin, size_t end) {
    float* scratch = nullptr;
    if (!out.transform.empty()) {
      scratch = static_cast<float*>(ThreadScratch(out.columns * sizeof(float)));
    }
    for (size_t r = begin; r < end; ++r) quantize(x + r * out.columns, scratch, out, r);
  });
}

void LayerNormQuantizeRows(const float* x, size_t rows, const float* weight, const float* bias,
                           float epsilon, const QuantizedRows& out) {
  ChooseKernelTarget();
  const auto quantize = HWY_DYNAMIC_DISPATCH(QuantizeOneRow);
  const size_t dim = out.columns;
  ParallelFor(rows, kGrainFloats / (dim + 1) + 1, [&](size_t begin, size_t end) {
    auto* normed = static_cast<float*>(ThreadScratch(dim * sizeof(float)));
    for (size_t r = begin; r < end; ++r) {
      LayerNorm(x + r * dim, 1, dim, weight, bias, epsilon, normed);
      quantize(normed, normed, out, r);
    }
  });
}

}  // namespace uffizi
#endif  // HWY_ONCE
