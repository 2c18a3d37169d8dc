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

// A factor or offset of a weight: few values, repeated over the weight by numpy's rules.
struct IrBroadcast {
  std::vector<int64_t> shape;
  std::vector<float> values;
  bool empty() const { return values.empty(); }
  bool operator==(const IrBroadcast&) const = default;
};

// A weight as a graph's constants make it: values as the file stores them, or
// scale * (code - zero) where it stores integers of up to 8 bits. Stored bytes stay in the file.
class IrWeight {
 public:
  const std::vector<int64_t>& shape() const { return shape_; }
  size_t elements() const { return elements_; }
  // What the elements are stored as; of computed ones f32.
  IrType type() const { return type_; }
  bool in_codes() const;
  size_t stored_bytes() const { return bytes_.size(); }  // in the file, without scales

  std::vector<float> Floats() const;
  // The stored bytes, if they are the values and nothing else.
  std::optional<std::span<const uint8_t>> Plain() const;
  // The weight as [rows, columns] in codes, exactly, with the largest groups that hold. Nothing if
  // it is not in codes, not of two dimensions, of an odd number of 4-bit columns, or if its scales
  // follow no groups of columns or its zero points lie between codes.
  std::optional<QuantizedMatrix> Quantized() const;

  bool operator==(const IrWeight& other) const;

 private:
  friend class ConstantFolder;

  // Element i of what is stored, as a number, without scale and zero point.
  float Stored(size_t index) const;
  void MakeFloats();
  void Transpose(const std::vector<size_t>& order);

  IrType type_ = IrType::kF32;
  std::vector<int64_t> shape_;         // of the weight
  std::vector<int64_t> stored_shape_;  // before it was reshaped; what scale and zero refer to
  size_t elements_ = 0;
  std::span<const uint8_t> bytes_;  // in the file
  std::vector<uint8_t> moved_;      // instead, if the elements had to change places
  std::vector<float> computed_;     // instead of both
  IrBroadcast scale_, zero_;        // empty: 1 and 0
};

// Computes weights from the constant parts of a graph. Layers it cannot compute are named in the
// error.
class ConstantFolder {
 public:
  explicit ConstantFolder(const IrGraph& graph);

  // Whether a layer is a constant, or computed from constants only by layers that are known here.
  bool IsWeight(int node) const { return is_weight_[static_cast<size_t>(node)]; }

  // The value of a weight. `transposed` exchanges the rows and columns of a matrix. Throws
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
  size_t budget_;  // elements that may still be made: constants cannot multiply without end
};

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_IR_CONSTANTS_H_
