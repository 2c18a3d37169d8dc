#ifndef UFFIZI_KERNELS_PACKED_MATRIX_H_
#define UFFIZI_KERNELS_PACKED_MATRIX_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/large_vector.h"
#include "kernels/quantized_matrix.h"

namespace uffizi {

struct RowFactors;

// A quantized weight matrix [n, k] in the order in which the kernels read it; 4-bit codes stay
// 4-bit.
//
// A panel is 64 rows of the matrix, which are 64 columns of a product. It is one stream of memory:
// for every group of columns first the codes, then 64 scales (f32), then, if the matrix has zero
// points of its own, 64 of them (i32). The codes come in blocks of 256 bytes, four for each row:
// a block of bytes holds four columns, a block of nibbles eight, the first four in the low halves.
// Four neighbouring columns of one row thus form one 32-bit lane, as byte dot products need them.
// The last block of a group is padded with arbitrary codes, the last panel with scales of 0.
//
// If every scale of a row is a small integer times one scale of the row, w[j, c] = row_scale[j] *
// factor[j, g] * (code[j, c] - 8), the integers are stored instead, 64 of them (u8) after the codes
// of a group, and the rows' 64 scales (f32) once, at the panel's end. Kernels then sum over many
// groups in integers (QServe's progressive quantization, arXiv 2405.04532).
class PackedMatrix {
 public:
  static constexpr size_t kPanelRows = 64;
  static constexpr size_t kBlockBytes = kPanelRows * 4;
  // Columns of a group are padded to a multiple of this, in activations too.
  static constexpr size_t kColumnPadding = 8;
  static constexpr size_t PaddedGroup(size_t group_size) {
    return (group_size + kColumnPadding - 1) / kColumnPadding * kColumnPadding;
  }

  PackedMatrix() = default;
  // Packs in parallel. `matrix` is not needed afterwards.
  explicit PackedMatrix(const QuantizedMatrix& matrix);

  bool empty() const { return rows_ == 0; }
  size_t rows() const { return rows_; }
  size_t columns() const { return columns_; }
  int bits() const { return bits_; }
  size_t group_size() const { return group_size_; }
  size_t groups() const { return columns_ / group_size_; }
  bool symmetric() const { return symmetric_; }
  // Whether groups have integer factors in place of scales.
  bool has_factors() const { return has_factors_; }
  // Columns that share a scale in the activations for this matrix: a group, or, with factors, as
  // many groups as fit into kFactorColumns.
  size_t input_group() const { return input_group_; }
  static constexpr size_t kFactorColumns = 256;
  int symmetric_zero() const { return bits_ == 4 ? 8 : 128; }
  size_t bytes() const { return panels() * panel_bytes(); }

  // One row, dequantized. out: [columns] f32
  void Row(size_t row, float* out) const;

  // The layout, for kernels.
  size_t panels() const { return (rows_ + kPanelRows - 1) / kPanelRows; }
  size_t panel_bytes() const {
    return groups() * group_bytes() + (has_factors_ ? kPanelRows * sizeof(float) : 0);
  }
  size_t group_bytes() const {
    if (has_factors_) return code_bytes() + kPanelRows;
    return code_bytes() + (symmetric_ ? 1 : 2) * kPanelRows * 4;
  }
  size_t code_bytes() const {  // of a group
    return PaddedGroup(group_size_) * static_cast<size_t>(bits_) / 8 * kPanelRows;
  }
  const uint8_t* panel(size_t index) const { return data_.data() + index * panel_bytes(); }
  // With factors, [kPanelRows] f32.
  const float* row_scales(size_t index) const {
    return reinterpret_cast<const float*>(panel(index) + groups() * group_bytes());
  }

 private:
  // factors: of each row, or empty
  PackedMatrix(const QuantizedMatrix& matrix, std::span<const RowFactors> factors);
  void PackPanel(const QuantizedMatrix& matrix, std::span<const RowFactors> factors, size_t panel);
  void PackScales(const QuantizedMatrix& matrix, size_t row, uint8_t* panel);
  void PackFactors(const QuantizedMatrix& matrix, size_t row, const RowFactors& factors,
                   uint8_t* panel);

  size_t rows_ = 0, columns_ = 0, group_size_ = 1, input_group_ = 1;
  int bits_ = 4;
  bool symmetric_ = true, has_factors_ = false;
  LargeVector<uint8_t> data_;
};

}  // namespace uffizi

#endif  // UFFIZI_KERNELS_PACKED_MATRIX_H_
