#include "import/ir_values.h"

#include <bit>
#include <cstring>
#include <utility>

#include "core/half.h"

namespace uffizi {
namespace {

constexpr size_t kMaxConstant = 64;  // elements of a constant that shape arithmetic may use

template <typename T>
double Load(const IrConstant& constant, size_t index) {
  T value;
  std::memcpy(&value, constant.bytes.data() + index * sizeof(T), sizeof(T));
  return static_cast<double>(value);
}

double LoadNumber(const IrConstant& constant, size_t index) {
  const auto bits16 = [&] { return static_cast<uint16_t>(Load<uint16_t>(constant, index)); };
  switch (constant.type) {
    case IrType::kF64:
      return Load<double>(constant, index);
    case IrType::kF32:
      return Load<float>(constant, index);
    case IrType::kF16:
      return HalfToFloat(bits16());
    case IrType::kBF16:
      return Bfloat16ToFloat(bits16());
    case IrType::kI64:
      return Load<int64_t>(constant, index);
    case IrType::kI32:
      return Load<int32_t>(constant, index);
    case IrType::kI8:
      return Load<int8_t>(constant, index);
    case IrType::kU8:
    case IrType::kBool:
      return Load<uint8_t>(constant, index);
    case IrType::kU4:
    case IrType::kI4: {
      const int code = constant.bytes[index / 2] >> (index % 2 * 4) & 15;
      return constant.type == IrType::kI4 && code > 7 ? code - 16 : code;
    }
  }
  return 0;
}

IrValue ReadConstant(const IrGraph& graph, int index) {
  const IrConstant constant = graph.Constant(index);
  IrValue value;
  value.shape = constant.shape;
  value.integral = constant.type != IrType::kF64 && constant.type != IrType::kF32 &&
                   constant.type != IrType::kF16 && constant.type != IrType::kBF16;
  if (constant.elements <= kMaxConstant) {
    value.values.emplace(constant.elements);
    for (size_t i = 0; i < constant.elements; ++i) (*value.values)[i] = LoadNumber(constant, i);
  }
  return value;
}

IrValue ReadParameter(const IrNode& node, const IrValues::Sizes& sizes) {
  IrValue value;
  if (node.outputs.empty()) return value;
  std::vector<int64_t> shape = node.outputs[0].shape;
  const std::vector<int64_t> open = sizes(node);
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] >= 0) continue;
    if (open.size() != shape.size()) return value;
    shape[d] = open[d];
  }
  value.shape = std::move(shape);
  return value;
}

bool IsFixed(const std::vector<int64_t>& shape) {
  for (const int64_t extent : shape) {
    if (extent < 0) return false;
  }
  return true;
}

}  // namespace

std::optional<size_t> CountElements(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(count, extent, &count)) return std::nullopt;
  }
  return static_cast<size_t>(count);
}

IrValues::IrValues(const IrGraph& graph, const Sizes& sizes) : values_(graph.nodes().size()) {
  for (size_t i = 0; i < values_.size(); ++i) {
    const IrNode& node = graph.nodes()[i];
    std::vector<IrValue>& outputs = values_[i];
    if (node.type == "Const") {
      outputs.push_back(ReadConstant(graph, static_cast<int>(i)));
    } else if (node.type == "Parameter") {
      outputs.push_back(ReadParameter(node, sizes));
    } else {
      std::vector<const IrValue*> inputs;
      for (const IrNode::Input& input : node.inputs) inputs.push_back(&at(input));
      outputs = InferLayer(node, inputs);
    }
    outputs.resize(std::max<size_t>(node.outputs.size(), 1));
    for (size_t port = 0; port < node.outputs.size(); ++port) {
      if (node.type != "Const") outputs[port].integral = node.outputs[port].integral;
      if (outputs[port].shape && !CountElements(*outputs[port].shape)) outputs[port] = {};
      // For unsupported layers, the shape in the graph is used if it has one.
      const std::vector<int64_t>& told = node.outputs[port].shape;
      if (!outputs[port].shape && IsFixed(told) && CountElements(told)) outputs[port].shape = told;
    }
  }
}

const IrValue& IrValues::at(int node, size_t port) const {
  static const IrValue kUnknown;
  const std::vector<IrValue>& outputs = values_[static_cast<size_t>(node)];
  return port < outputs.size() ? outputs[port] : kUnknown;
}

}  // namespace uffizi
