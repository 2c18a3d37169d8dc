#ifndef UFFIZI_IMPORT_IR_VALUES_H_
#define UFFIZI_IMPORT_IR_VALUES_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "import/ir_graph.h"

namespace uffizi {

// What is known of one output of a layer once the graph's inputs have their sizes.
struct IrValue {
  std::optional<std::vector<int64_t>> shape;
  // Its elements, where they are few and follow from constants and sizes alone.
  std::optional<std::vector<double>> values;
  bool integral = false;

  // The value of a tensor of one element.
  std::optional<double> scalar() const {
    if (!values || values->size() != 1) return std::nullopt;
    return values->front();
  }
};

// Computes shapes, and the arithmetic with them that exporters leave in graphs: reshape targets,
// paddings, scales. Nothing is computed from data, and no value is larger than a list of sizes.
class IrValues {
 public:
  // sizes(parameter): the extents of an input, taken where the graph leaves them open
  using Sizes = std::function<std::vector<int64_t>(const IrNode& parameter)>;
  IrValues(const IrGraph& graph, const Sizes& sizes);

  const IrValue& at(int node, size_t port = 0) const;
  const IrValue& at(const IrNode::Input& input) const { return at(input.node, input.port); }

 private:
  std::vector<std::vector<IrValue>> values_;  // [nodes][outputs]
};

// What one layer gives for these inputs; fewer entries than outputs where nothing is known
// (shape_inference.h).
std::vector<IrValue> InferLayer(const IrNode& node, const std::vector<const IrValue*>& inputs);

// The number of elements of a shape; nothing if it does not fit in 63 bits.
std::optional<size_t> CountElements(const std::vector<int64_t>& shape);

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_IR_VALUES_H_
