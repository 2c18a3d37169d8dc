#ifndef UFFIZI_IMPORT_IR_VALUES_H_
#define UFFIZI_IMPORT_IR_VALUES_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "import/ir_graph.h"

namespace uffizi {

// What is known about a layer's output when the sizes of the graph's inputs are given.
struct IrValue {
  std::optional<std::vector<int64_t>> shape;
  // Its elements, if there are few and they depend only on constants and sizes.
  std::optional<std::vector<double>> values;
  bool integral = false;

  // The value of a tensor of one element.
  std::optional<double> scalar() const {
    if (!values || values->size() != 1) return std::nullopt;
    return values->front();
  }
};

// Computes shapes, and the shape arithmetic that exporters leave in graphs: reshape targets,
// paddings, scales. Nothing is computed from data, and no value is larger than a list of sizes.
class IrValues {
 public:
  // sizes(parameter): the extents of an input, used if the graph leaves them dynamic
  using Sizes = std::function<std::vector<int64_t>(const IrNode& parameter)>;
  IrValues(const IrGraph& graph, const Sizes& sizes);

  const IrValue& at(int node, size_t port = 0) const;
  const IrValue& at(const IrNode::Input& input) const { return at(input.node, input.port); }

 private:
  std::vector<std::vector<IrValue>> values_;  // [nodes][outputs]
};

// Infers a layer's outputs from its inputs; fewer entries than outputs if nothing is known
// (shape_inference.h).
std::vector<IrValue> InferLayer(const IrNode& node, const std::vector<const IrValue*>& inputs);

// The number of elements of a shape; nothing if it does not fit in 63 bits.
std::optional<size_t> CountElements(const std::vector<int64_t>& shape);

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_IR_VALUES_H_
