#ifndef UFFIZI_IMPORT_SHAPE_INFERENCE_H_
#define UFFIZI_IMPORT_SHAPE_INFERENCE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "import/ir_values.h"

// Shape inference for each type of layer, including small values from which graphs compute shapes.
// Returns nothing where the result is unknown.
namespace uffizi::shape_inference {

using Extents = std::vector<int64_t>;
using Numbers = std::vector<double>;
using Inputs = std::vector<const IrValue*>;
using Outputs = std::vector<IrValue>;

inline constexpr size_t kMaxValues = 256;  // maximum elements of computed values
inline constexpr size_t kMaxRank = 16;

// An input, or an unknown value if it is missing.
const IrValue& In(const Inputs& inputs, size_t index);

// A single output, with its values if their number matches its shape.
Outputs Only(std::optional<Extents> shape, std::optional<Numbers> values = std::nullopt);

std::optional<Extents> Integers(const IrValue& value);

// An axis of a tensor of this rank, counted from the front.
std::optional<size_t> Axis(int64_t axis, size_t rank);

std::optional<int64_t> IntegerAttribute(const IrNode& node, const char* key, int64_t fallback);
bool Flag(const IrNode& node, const char* key);

// numpy's broadcasting of two shapes, and of a tensor's values to a shape.
std::optional<Extents> Broadcast(const Extents& a, const Extents& b);
std::optional<Numbers> BroadcastValues(const IrValue& value, const Extents& shape);

// Element by element.
Outputs Unary(const Inputs& inputs, const std::function<double(double)>& compute);
Outputs Binary(const Inputs& inputs, const std::function<double(double, double)>& compute);

// Types of layers.
Outputs SameShape(const IrNode& node, const Inputs& inputs);
Outputs Convert(const IrNode& node, const Inputs& inputs);
Outputs Divide(const IrNode& node, const Inputs& inputs);
Outputs Select(const IrNode& node, const Inputs& inputs);
Outputs Split(const IrNode& node, const Inputs& inputs);
Outputs VariadicSplit(const IrNode& node, const Inputs& inputs);
Outputs Slice(const IrNode& node, const Inputs& inputs);
Outputs StridedSlice(const IrNode& node, const Inputs& inputs);
Outputs Gather(const IrNode& node, const Inputs& inputs);
Outputs Concat(const IrNode& node, const Inputs& inputs);
Outputs Squeeze(const IrNode& node, const Inputs& inputs);
Outputs Unsqueeze(const IrNode& node, const Inputs& inputs);
Outputs Reshape(const IrNode& node, const Inputs& inputs);
Outputs Transpose(const IrNode& node, const Inputs& inputs);
Outputs BroadcastTo(const IrNode& node, const Inputs& inputs);
Outputs Tile(const IrNode& node, const Inputs& inputs);
Outputs Range(const IrNode& node, const Inputs& inputs);
Outputs ShapeOf(const IrNode& node, const Inputs& inputs);
Outputs Pad(const IrNode& node, const Inputs& inputs);
Outputs Reduce(const IrNode& node, const Inputs& inputs);
Outputs MatMul(const IrNode& node, const Inputs& inputs);
Outputs Attention(const IrNode& node, const Inputs& inputs);
Outputs Convolution(const IrNode& node, const Inputs& inputs);

}  // namespace uffizi::shape_inference

#endif  // UFFIZI_IMPORT_SHAPE_INFERENCE_H_
