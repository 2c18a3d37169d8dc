#ifndef UFFIZI_KERNELS_QUANTIZED_MATRIX_H_
#define UFFIZI_KERNELS_QUANTIZED_MATRIX_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/large_vector.h"

namespace uffizi {

// A weight matrix [rows, columns] in codes of 4 or 8 bits. Each row is divided into groups of
// `group_size` columns, and each group has a scale and a zero point:
// w[r, c] = scale[r, c / group_size] * (code[r, c] - zero[r, c / group_size]).
// Codes are unsigned; a symmetric matrix has the zero point 8 or 128 everywhere. This is
// compressed-tensors' pack-quantized form with its offset added.
struct QuantizedMatrix {
  size_t rows = 0, columns = 0;
  int bits = 4;           // 4 or 8
  size_t group_size = 0;  // divides columns; columns itself for one group a row
  // [rows, columns * bits / 8]; with 4 bits, the even column is in the low half
  LargeVector<uint8_t> codes;
  std::vector<float> scales;   // [rows, groups]
  std::vector<uint8_t> zeros;  // [rows, groups]; empty if symmetric

  size_t groups() const { return columns / group_size; }
  size_t row_bytes() const { return columns * static_cast<size_t>(bits) / 8; }
  int symmetric_zero() const { return bits == 4 ? 8 : 128; }
  bool operator==(const QuantizedMatrix&) const = default;
};

}  // namespace uffizi

#endif  // UFFIZI_KERNELS_QUANTIZED_MATRIX_H_
