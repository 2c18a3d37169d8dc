#ifndef UFFIZI_KERNELS_QUANTIZE_H_
#define UFFIZI_KERNELS_QUANTIZE_H_

#include <cstddef>
#include <span>

#include "kernels/quantized_matrix.h"

namespace uffizi {

struct QuantizeOptions {
  int bits = 4;            // 4 or 8
  size_t group_size = 64;  // columns that share a scale; 0 for whole rows
  bool symmetric = true;   // no zero points: the grid is centred on zero
  bool search = true;  // for the best scales; otherwise scales follow from the range of the group
  // For 4 bits, symmetric, in groups of a multiple of 64: makes the scales of a row small integers
  // times one scale, for which kernels are faster. Skipped where half precision cannot hold the
  // scales.
  bool factors = true;
};

// The options for a matrix with this many columns: `options`, or 8 bits and one scale per row if
// the groups do not divide the columns.
QuantizeOptions FittingOptions(const QuantizeOptions& options, size_t columns);

// Quantizes w: [rows, columns] f32, finite. With `search`, each group gets the candidate scale with
// the least squared error. One candidate is plain rounding to the nearest value on the grid that
// spans the group, so the result is never worse than that. `importance`, [columns] and not
// negative, weights the squared errors of a row; empty means equal weights.
//
// Scales are rounded to half precision, or to bfloat16 where the matrix is too large or too small
// for that, before codes are chosen. So a file that stores them in that type loses nothing.
// Throws Error(kInvalidArgument) if the options do not fit the number of columns.
QuantizedMatrix Quantize(const float* w, size_t rows, size_t columns,
                         const QuantizeOptions& options, std::span<const float> importance = {});

// out: [rows, columns] f32
void Dequantize(const QuantizedMatrix& matrix, float* out);

// out: [columns] f32
void DequantizeRow(const QuantizedMatrix& matrix, size_t row, float* out);

}  // namespace uffizi

#endif  // UFFIZI_KERNELS_QUANTIZE_H_
