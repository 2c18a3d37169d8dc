#ifndef UFFIZI_IMPORT_IR_CONSTANTS_H_
#define UFFIZI_IMPORT_IR_CONSTANTS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "checkpoint/weight_matrix.h"
#include "import/ir_graph.h"
#include "kernels/quantized_matrix.h"

namespace uffizi {

// A factor or offset of a weight: few values, broadcast over the weight by numpy's rules.
struct IrBroadcast {
  std::vector<int64_t> shape;
  std::vector<float> values;
  bool empty() const { return values.empty(); }
  bool operator==(const IrBroadcast&) const = default;
};

// A weight computed from a graph's constants: the stored values, or scale * (code - zero) for
// stored integers of up to 8 bits. Stored bytes are not copied from the file.
class IrWeight {
 public:
  const std::vector<int64_t>& shape() const { return shape_; }
  size_t elements() const { return elements_; }
  // The stored type of the elements; f32 for computed ones.
  IrType type() const { return type_; }
  bool in_codes() const;
  size_t stored_bytes() const { return bytes_.size(); }  // in the file, without scales

  std::vector<float> Floats() const;
  // The stored bytes, if they are exactly the values.
  std::optional<std::span<const uint8_t>> Plain() const;
  // The exact weight [rows, columns] in codes, with the largest possible groups. Nothing if it has
  // no codes, is not two-dimensional, has an odd number of 4-bit columns, scales that do not form
  // groups of columns, or fractional zero points.
  std::optional<QuantizedMatrix> Quantized() const;

  bool operator==(const IrWeight& other) const;

 private:
  friend class ConstantFolder;

  // Stored element i as a number, without scale and zero point.
  float Stored(size_t index) const;
  void MakeFloats();
  void Transpose(const std::vector<size_t>& order);

  IrType type_ = IrType::kF32;
  std::vector<int64_t> shape_;         // of the weight
  std::vector<int64_t> stored_shape_;  // before reshaping; the shape that scale and zero refer to
  size_t elements_ = 0;
  std::span<const uint8_t> bytes_;  // in the file
  std::vector<uint8_t> moved_;      // used instead if elements had to be permuted
  std::vector<float> computed_;     // instead of both
  IrBroadcast scale_, zero_;        // empty: 1 and 0
};

// Computes weights from the constant parts of a graph (constant folding). Errors name layers that
// it cannot compute.
class ConstantFolder {
 public:
  explicit ConstantFolder(const IrGraph& graph);

  // Whether a layer is a constant, or is computed from constants only, by supported layers.
  bool IsWeight(int node) const { return is_weight_[static_cast<size_t>(node)]; }

  // The value of a weight. `transposed` swaps the rows and columns of a matrix. Throws
  // Error(kInvalidModel).
  IrWeight Fold(int node, bool transposed = false);

 private:
  IrWeight FoldNode(int node, int depth);
  IrWeight ReadConstant(int node);
  IrWeight Combine(int node, IrWeight left, IrWeight right);
  IrWeight Reshape(int node, IrWeight weight);
  IrWeight Transpose(int node, IrWeight weight, const IrWeight& axes);
  void Charge(int node, size_t elements);

  const IrGraph& graph_;
  std::vector<bool> is_weight_;
  size_t budget_;  // elements that may still be computed, which bounds the work
};

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_IR_CONSTANTS_H_
