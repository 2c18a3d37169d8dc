#include "kernels/packed_matrix.h"

#include <algorithm>
#include <cstring>

#include "core/parallel.h"
#include "kernels/row_factors.h"

namespace uffizi {
namespace {

constexpr size_t kPanelRows = PackedMatrix::kPanelRows;
constexpr size_t kBlockBytes = PackedMatrix::kBlockBytes;

// Spreads the four nibbles of the low half over the low halves of four bytes.
uint32_t SpreadNibbles(uint32_t x) {
  x &= 0xffffu;
  x = (x | x << 8) & 0x00ff00ffu;
  return (x | x << 4) & 0x0f0f0f0fu;
}

// Reorders eight codes from column order to the order of a block of nibbles.
uint32_t InterleaveNibbles(uint32_t codes) {
  return SpreadNibbles(codes) | SpreadNibbles(codes >> 16) << 4;
}

// Packs one matrix row of one group, as 32-bit lanes `kPanelRows` apart, where whole lanes can be
// loaded.
template <int kBits>
void PackLanes(const uint8_t* codes, size_t lanes, uint8_t* out) {
  constexpr size_t kBatch = 16;
  uint32_t lane[kBatch];
  for (size_t begin = 0; begin < lanes; begin += kBatch) {
    const size_t count = std::min(kBatch, lanes - begin);
    std::memcpy(lane, codes + begin * 4, count * 4);
    if constexpr (kBits == 4) {
      for (size_t i = 0; i < count; ++i) lane[i] = InterleaveNibbles(lane[i]);
    }
    for (size_t i = 0; i < count; ++i) std::memcpy(out + (begin + i) * kBlockBytes, lane + i, 4);
  }
}

// Code of one column of a row.
uint8_t CodeAt(const uint8_t* row, int bits, size_t column) {
  if (bits == 8) return row[column];
  return column % 2 == 0 ? row[column / 2] & 15 : row[column / 2] >> 4;
}

// Packs one matrix row of one group a code at a time: for groups that do not fill their last block,
// or that start inside a byte.
void PackCodes(const uint8_t* row, int bits, size_t first_column, size_t count, uint8_t* out) {
  const size_t per_block = bits == 4 ? 8 : 4;
  for (size_t i = 0; i < count; ++i) {
    const size_t inside = i % per_block;
    uint8_t* byte = out + i / per_block * kBlockBytes + inside % 4;
    *byte = static_cast<uint8_t>(*byte | CodeAt(row, bits, first_column + i) << (inside / 4 * 4));
  }
}

// The largest multiple of the group that divides the columns and is not above kFactorColumns.
size_t FactorInputGroup(const QuantizedMatrix& matrix) {
  size_t size = matrix.group_size;
  for (size_t next = size; next <= PackedMatrix::kFactorColumns; next += matrix.group_size) {
    if (matrix.columns % next == 0) size = next;
  }
  return size;
}

}  // namespace

PackedMatrix::PackedMatrix(const QuantizedMatrix& matrix)
    : PackedMatrix(matrix, FindMatrixFactors(matrix)) {}

PackedMatrix::PackedMatrix(const QuantizedMatrix& matrix, std::span<const RowFactors> factors)
    : rows_(matrix.rows),
      columns_(matrix.columns),
      group_size_(matrix.group_size),
      input_group_(matrix.group_size),
      bits_(matrix.bits),
      symmetric_(matrix.zeros.empty()),
      has_factors_(!factors.empty()),
      data_(bytes()) {
  if (has_factors_) input_group_ = FactorInputGroup(matrix);
  ParallelFor(panels(), 1, [&](size_t begin, size_t end) {
    for (size_t panel = begin; panel < end; ++panel) PackPanel(matrix, factors, panel);
  });
}

void PackedMatrix::PackPanel(const QuantizedMatrix& matrix, std::span<const RowFactors> factors,
                             size_t panel) {
  uint8_t* out = data_.data() + panel * panel_bytes();
  const size_t count = std::min(kPanelRows, rows_ - panel * kPanelRows);
  const size_t group_codes = group_size_ * static_cast<size_t>(bits_) / 8;  // bytes
  const bool whole_lanes = group_size_ % kColumnPadding == 0;
  if (count < kPanelRows || !whole_lanes) std::memset(out, 0, panel_bytes());
  const size_t first = panel * kPanelRows;
  for (size_t g = 0; g < groups(); ++g) {
    uint8_t* group = out + g * group_bytes();
    for (size_t r = 0; r < count; ++r) {
      const uint8_t* codes = matrix.codes.data() + (first + r) * matrix.row_bytes();
      if (!whole_lanes) {
        PackCodes(codes, bits_, g * group_size_, group_size_, group + r * 4);
      } else if (bits_ == 4) {
        PackLanes<4>(codes + g * group_codes, group_codes / 4, group + r * 4);
      } else {
        PackLanes<8>(codes + g * group_codes, group_codes / 4, group + r * 4);
      }
    }
  }
  for (size_t row = first; row < first + count; ++row) {
    if (has_factors_) {
      PackFactors(matrix, row, factors[row], out);
    } else {
      PackScales(matrix, row, out);
    }
  }
}

// Scales and zero points of one row of a panel.
void PackedMatrix::PackScales(const QuantizedMatrix& matrix, size_t row, uint8_t* panel) {
  const size_t r = row % kPanelRows;
  const float* scales = matrix.scales.data() + row * groups();
  for (size_t g = 0; g < groups(); ++g) {
    uint8_t* out = panel + g * group_bytes() + code_bytes() + r * 4;
    std::memcpy(out, &scales[g], 4);
    if (symmetric_) continue;
    const int32_t zero = matrix.zeros[row * groups() + g];
    std::memcpy(out + kPanelRows * 4, &zero, 4);
  }
}

void PackedMatrix::PackFactors(const QuantizedMatrix& matrix, size_t row, const RowFactors& factors,
                               uint8_t* panel) {
  const size_t r = row % kPanelRows;
  for (size_t g = 0; g < groups(); ++g) {
    panel[g * group_bytes() + code_bytes() + r] = factors.Of(matrix.scales[row * groups() + g]);
  }
  std::memcpy(panel + groups() * group_bytes() + r * 4, &factors.scale, 4);
}

void PackedMatrix::Row(size_t row, float* out) const {
  const size_t r = row % kPanelRows, per_block = bits_ == 4 ? 8 : 4;
  const uint8_t* group = panel(row / kPanelRows);
  for (size_t g = 0; g < groups(); ++g, group += group_bytes(), out += group_size_) {
    float scale;
    if (has_factors_) {
      scale = row_scales(row / kPanelRows)[r] * static_cast<float>(group[code_bytes() + r]);
    } else {
      std::memcpy(&scale, group + code_bytes() + r * 4, 4);
    }
    int32_t zero = symmetric_zero();
    if (!symmetric_) std::memcpy(&zero, group + code_bytes() + kPanelRows * 4 + r * 4, 4);
    for (size_t i = 0; i < group_size_; ++i) {
      const size_t inside = i % per_block;
      const int byte = group[i / per_block * kBlockBytes + r * 4 + inside % 4];
      const int code = bits_ == 8 ? byte : byte >> (inside / 4 * 4) & 15;
      out[i] = static_cast<float>(code - zero) * scale;
    }
  }
}

}  // namespace uffizi
