#include "kernels/row_factors.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/parallel.h"

namespace uffizi {
namespace {

// Sums of a whole row fit 32 bits: 255 * 8 * kMaxFactor times this is below 2^31.
constexpr size_t kMaxColumns = 65536;

bool AreMultiples(std::span<const float> scales, float unit) {
  const float inverse = 1.0f / unit;
  return std::all_of(scales.begin(), scales.end(), [&](float scale) {
    // Not std::round(), which is a function call: this runs for every group while a model is
    // loaded.
    if (!(scale >= 0 && scale * inverse <= static_cast<float>(kMaxFactor) + 0.25f)) return false;
    const auto factor = static_cast<int>(scale * inverse + 0.5f);
    return static_cast<float>(factor) * unit == scale;
  });
}

}  // namespace

uint8_t RowFactors::Of(float group_scale) const {
  return scale == 0 ? uint8_t{0} : static_cast<uint8_t>(group_scale / scale + 0.5f);
}

std::optional<RowFactors> FindRowFactors(std::span<const float> scales) {
  float least = 0;
  for (const float scale : scales) {
    if (scale > 0 && (least == 0 || scale < least)) least = scale;
  }
  if (least == 0) {
    const bool all_zero = std::all_of(scales.begin(), scales.end(), [](float s) { return s == 0; });
    return all_zero ? std::optional(RowFactors{}) : std::nullopt;
  }
  for (int factor = 1; factor <= kMaxFactor; ++factor) {
    const float unit = least / static_cast<float>(factor);
    if (std::isnormal(unit) && AreMultiples(scales, unit)) return RowFactors{unit};
  }
  return std::nullopt;
}

std::vector<RowFactors> FindMatrixFactors(const QuantizedMatrix& matrix) {
  if (matrix.bits != 4 || !matrix.zeros.empty() || matrix.group_size % 64 != 0 ||
      matrix.columns > kMaxColumns) {
    return {};
  }
  std::vector<RowFactors> rows(matrix.rows);
  std::atomic<bool> all = true;
  ParallelFor(matrix.rows, 64, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end && all; ++row) {
      const std::span scales(matrix.scales.data() + row * matrix.groups(), matrix.groups());
      const auto found = FindRowFactors(scales);
      if (found) {
        rows[row] = *found;
      } else {
        all = false;
      }
    }
  });
  if (!all) rows.clear();
  return rows;
}

}  // namespace uffizi
