#ifndef UFFIZI_KERNELS_ROW_FACTORS_H_
#define UFFIZI_KERNELS_ROW_FACTORS_H_

// Scales of a matrix row that are small integers times one scale of the row. Kernels apply these
// integers while they unpack codes, since (code - 8) * factor is a signed byte, and need no
// floating-point arithmetic within a row.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "kernels/quantized_matrix.h"

namespace uffizi {

constexpr int kMaxFactor = 15;

struct RowFactors {
  float scale = 0;  // of the row

  // The factor of a group whose scale is `group_scale`.
  uint8_t Of(float group_scale) const;
};

// The largest scale of which all `scales` are exact multiples by 0 to kMaxFactor, or nothing.
std::optional<RowFactors> FindRowFactors(std::span<const float> scales);

// The factors of all rows of `matrix`. Empty if one of them has none, or if kernels cannot use
// them: the codes must have four bits, symmetric, in groups of a multiple of 64 columns.
std::vector<RowFactors> FindMatrixFactors(const QuantizedMatrix& matrix);

}  // namespace uffizi

#endif  // UFFIZI_KERNELS_ROW_FACTORS_H_
