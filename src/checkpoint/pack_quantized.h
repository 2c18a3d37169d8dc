#ifndef UFFIZI_CHECKPOINT_PACK_QUANTIZED_H_
#define UFFIZI_CHECKPOINT_PACK_QUANTIZED_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "kernels/quantized_matrix.h"

namespace uffizi {

// compressed-tensors' pack-quantized form. A Linear layer's weight [rows, columns] is stored as
//   X.weight_packed      I32 [rows, ceil(columns * bits / 32)], codes from the lowest bits on
//   X.weight_scale       floating-point [rows, groups]
//   X.weight_shape       I64 [2]
//   X.weight_zero_point  I32 [ceil(rows * bits / 32), groups], packed down the rows; asymmetric
//   only
// and config.json's quantization_config says how many bits, and which groups.

// How the layers of a config group are quantized.
struct PackScheme {
  int bits;
  size_t group_size;  // 0: one scale a row
  bool symmetric;
};

// The schemes in a folder's quantization_config; none if there is no such key. Throws
// Error(kInvalidModel) naming file and key if the weights are quantized in another way.
std::vector<PackScheme> ReadPackSchemes(const std::filesystem::path& folder);

// Whether the checkpoint holds `name` ("X.weight") packed.
bool IsPacked(const Checkpoint& checkpoint, const std::string& name);

// Extents of a packed matrix, and the bits of each weight.
struct PackedSize {
  size_t rows, columns;
  int bits;

  size_t elements() const { return rows * columns; }
};
PackedSize ReadPackedSize(const Checkpoint& checkpoint, const std::string& name);

// Reads the matrix that is stored packed as `name`. Throws Error(kInvalidModel) naming file and
// tensor if a part is missing, has a shape or type that does not match the others, or fits no
// scheme.
QuantizedMatrix ReadPacked(const Checkpoint& checkpoint, const std::string& name,
                           const std::vector<PackScheme>& schemes);

// The tensors to store for a matrix, by their suffixes ("weight_packed", ...). They are views into
// `storage`.
std::map<std::string, TensorView> Pack(const QuantizedMatrix& matrix,
                                       std::vector<std::vector<uint8_t>>& storage);

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_PACK_QUANTIZED_H_
