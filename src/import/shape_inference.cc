#include "import/shape_inference.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace uffizi {
namespace shape_inference {
namespace {

// Element `at` of a tensor of `shape`, taken from one of shape `small` that is broadcast to it.
size_t BroadcastIndex(size_t at, const Extents& shape, const Extents& small) {
  size_t index = 0, stride = 1;
  for (size_t back = 1; back <= shape.size(); ++back) {
    const auto extent = static_cast<size_t>(shape[shape.size() - back]);
    const size_t coordinate = at % extent;
    at /= extent;
    if (back > small.size()) continue;
    const auto own = static_cast<size_t>(small[small.size() - back]);
    if (own > 1) index += coordinate * stride;
    stride *= own;
  }
  return index;
}

}  // namespace

const IrValue& In(const Inputs& inputs, size_t index) {
  static const IrValue kNone;
  return index < inputs.size() ? *inputs[index] : kNone;
}

Outputs Only(std::optional<Extents> shape, std::optional<Numbers> values) {
  IrValue value;
  value.shape = std::move(shape);
  if (values && value.shape && CountElements(*value.shape) == values->size()) {
    value.values = std::move(values);
  }
  return {value};
}

std::optional<Extents> Integers(const IrValue& value) {
  if (!value.values) return std::nullopt;
  Extents integers;
  for (const double number : *value.values) {
    if (!(std::abs(number) < 0x1p52)) return std::nullopt;
    integers.push_back(static_cast<int64_t>(number));
  }
  return integers;
}

std::optional<size_t> Axis(int64_t axis, size_t rank) {
  if (axis < 0) axis += static_cast<int64_t>(rank);
  if (axis < 0 || axis >= static_cast<int64_t>(rank)) return std::nullopt;
  return static_cast<size_t>(axis);
}

std::optional<int64_t> IntegerAttribute(const IrNode& node, const char* key, int64_t fallback) {
  const std::string text = node.Attribute(key);
  if (text.empty()) return fallback;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

bool Flag(const IrNode& node, const char* key) {
  const std::string text = node.Attribute(key);
  return text == "true" || text == "1";
}

std::optional<Extents> Broadcast(const Extents& a, const Extents& b) {
  Extents shape(std::max(a.size(), b.size()));
  for (size_t back = 1; back <= shape.size(); ++back) {
    const int64_t left = back <= a.size() ? a[a.size() - back] : 1;
    const int64_t right = back <= b.size() ? b[b.size() - back] : 1;
    if (left != right && left != 1 && right != 1) return std::nullopt;
    shape[shape.size() - back] = left == 1 ? right : left;
  }
  return shape;
}

std::optional<Numbers> BroadcastValues(const IrValue& value, const Extents& shape) {
  const auto count = CountElements(shape);
  if (!value.values || !value.shape || !count || *count > kMaxValues) return std::nullopt;
  Numbers values(*count);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = (*value.values)[BroadcastIndex(i, shape, *value.shape)];
  }
  return values;
}

}  // namespace shape_inference

namespace {

using namespace shape_inference;

double FloorMod(double a, double b) { return a - std::floor(a / b) * b; }

using Handler = std::function<Outputs(const IrNode&, const Inputs&)>;

Handler OfBoth(double (*compute)(double, double)) {
  return [compute](const IrNode&, const Inputs& inputs) { return Binary(inputs, compute); };
}
Handler OfOne(double (*compute)(double)) {
  return [compute](const IrNode&, const Inputs& inputs) { return Unary(inputs, compute); };
}

const std::map<std::string_view, Handler>& Handlers() {
  static const std::map<std::string_view, Handler> kHandlers = {
      {"Abs", OfOne(+[](double x) { return std::abs(x); })},
      {"Add", OfBoth(+[](double a, double b) { return a + b; })},
      {"Broadcast", BroadcastTo},
      {"Ceiling", OfOne(+[](double x) { return std::ceil(x); })},
      {"Concat", Concat},
      {"Convert", Convert},
      {"ConvertLike", Convert},
      {"Convolution", Convolution},
      {"Divide", Divide},
      {"Equal", OfBoth(+[](double a, double b) -> double { return a == b; })},
      {"Floor", OfOne(+[](double x) { return std::floor(x); })},
      {"FloorMod", OfBoth(FloorMod)},
      {"Gather", Gather},
      {"Gelu", SameShape},
      {"Greater", OfBoth(+[](double a, double b) -> double { return a > b; })},
      {"GreaterEqual", OfBoth(+[](double a, double b) -> double { return a >= b; })},
      {"GroupConvolution", Convolution},
      {"Less", OfBoth(+[](double a, double b) -> double { return a < b; })},
      {"LessEqual", OfBoth(+[](double a, double b) -> double { return a <= b; })},
      {"MVN", SameShape},
      {"MatMul", MatMul},
      {"Maximum", OfBoth(+[](double a, double b) { return std::max(a, b); })},
      {"Minimum", OfBoth(+[](double a, double b) { return std::min(a, b); })},
      {"Mod", OfBoth(+[](double a, double b) { return std::fmod(a, b); })},
      {"Multiply", OfBoth(+[](double a, double b) { return a * b; })},
      {"Negative", OfOne(+[](double x) { return -x; })},
      {"NotEqual", OfBoth(+[](double a, double b) -> double { return a != b; })},
      {"Pad", Pad},
      {"Power", OfBoth(+[](double a, double b) { return std::pow(a, b); })},
      {"Range", Range},
      {"ReadValue", SameShape},
      {"ReduceMean", Reduce},
      {"ReduceProd", Reduce},
      {"ReduceSum", Reduce},
      {"Reshape", Reshape},
      {"ScaledDotProductAttention", Attention},
      {"Select", Select},
      {"ShapeOf", ShapeOf},
      {"Slice", Slice},
      {"SoftMax", SameShape},
      {"Softmax", SameShape},
      {"Split", Split},
      {"Sqrt", OfOne(+[](double x) { return std::sqrt(x); })},
      {"Squeeze", Squeeze},
      {"StridedSlice", StridedSlice},
      {"Subtract", OfBoth(+[](double a, double b) { return a - b; })},
      {"Tile", Tile},
      {"Transpose", Transpose},
      {"Unsqueeze", Unsqueeze},
      {"VariadicSplit", VariadicSplit},
  };
  return kHandlers;
}

}  // namespace

std::vector<IrValue> InferLayer(const IrNode& node, const std::vector<const IrValue*>& inputs) {
  const auto found = Handlers().find(node.type);
  return found == Handlers().end() ? Outputs() : found->second(node, inputs);
}

}  // namespace uffizi
