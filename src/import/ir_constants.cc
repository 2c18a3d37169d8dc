#include "import/ir_constants.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "core/half.h"

namespace uffizi {
namespace {

using Extents = std::vector<int64_t>;

constexpr int kMaxDepth = 64;  // layers between a weight's use and its constant; typically 6

// A 4-bit constant takes eight times as many bytes in float32, and may be used several times.
constexpr size_t kElementsPerBinByte = 16;
constexpr size_t kSpareElements = size_t{1} << 22;

template <typename T>
T Load(const uint8_t* bytes, size_t index) {
  T value;
  std::memcpy(&value, bytes + index * sizeof(T), sizeof(T));
  return value;
}

size_t Product(const Extents& shape) {
  size_t product = 1;
  for (const int64_t extent : shape) product *= static_cast<size_t>(extent);
  return product;
}

// Strides that broadcast a tensor of shape `small` to `shape`; empty if the shapes do not match.
std::vector<size_t> BroadcastStrides(const Extents& small, const Extents& shape) {
  if (small.size() > shape.size()) return {};
  std::vector<size_t> strides(shape.size());
  size_t stride = 1;
  for (size_t back = 1; back <= small.size(); ++back) {
    const int64_t extent = small[small.size() - back];
    if (extent != 1 && extent != shape[shape.size() - back]) return {};
    strides[shape.size() - back] = extent == 1 ? 0 : stride;
    stride *= static_cast<size_t>(extent);
  }
  return strides;
}

// Calls visit(i, source) for every i of a tensor of `shape`, where `source` goes by `strides`.
template <typename Visit>
void ForEachStrided(const Extents& shape, const std::vector<size_t>& strides, const Visit& visit) {
  std::vector<int64_t> at(shape.size());
  size_t source = 0;
  const size_t count = Product(shape);
  for (size_t i = 0; i < count; ++i) {
    visit(i, source);
    for (size_t d = shape.size(); d-- > 0;) {
      source += strides[d];
      if (++at[d] < shape[d]) break;
      source -= strides[d] * static_cast<size_t>(shape[d]);
      at[d] = 0;
    }
  }
}

// Source strides when axes are permuted.
std::vector<size_t> MovedStrides(const Extents& shape, const std::vector<size_t>& order) {
  std::vector<size_t> strides(shape.size(), 1), moved;
  for (size_t d = shape.size(); d-- > 1;) {
    strides[d - 1] = strides[d] * static_cast<size_t>(shape[d]);
  }
  for (const size_t axis : order) moved.push_back(strides[axis]);
  return moved;
}

Extents MovedShape(const Extents& shape, const std::vector<size_t>& order) {
  Extents moved;
  for (const size_t axis : order) moved.push_back(shape[axis]);
  return moved;
}

void Move(IrBroadcast& part, size_t rank, const std::vector<size_t>& order) {
  if (part.empty()) return;
  part.shape.insert(part.shape.begin(), rank - part.shape.size(), 1);
  const Extents shape = MovedShape(part.shape, order);
  std::vector<float> values(part.values.size());
  ForEachStrided(shape, MovedStrides(part.shape, order),
                 [&](size_t i, size_t source) { values[i] = part.values[source]; });
  part = {shape, std::move(values)};
}

bool IsCode(IrType type) {
  return type == IrType::kI4 || type == IrType::kU4 || type == IrType::kI8 || type == IrType::kU8;
}
int BitsOf(IrType type) { return type == IrType::kI4 || type == IrType::kU4 ? 4 : 8; }

// What is added to a signed code to make it unsigned.
int Offset(IrType type) { return type == IrType::kI4 ? 8 : type == IrType::kI8 ? 128 : 0; }

}  // namespace

bool IrWeight::in_codes() const { return computed_.empty() && IsCode(type_) && !scale_.empty(); }

float IrWeight::Stored(size_t index) const {
  const uint8_t* bytes = moved_.empty() ? bytes_.data() : moved_.data();
  switch (type_) {
    case IrType::kF64:
      return static_cast<float>(Load<double>(bytes, index));
    case IrType::kF32:
      return Load<float>(bytes, index);
    case IrType::kF16:
      return HalfToFloat(Load<uint16_t>(bytes, index));
    case IrType::kBF16:
      return Bfloat16ToFloat(Load<uint16_t>(bytes, index));
    case IrType::kI64:
      return static_cast<float>(Load<int64_t>(bytes, index));
    case IrType::kI32:
      return static_cast<float>(Load<int32_t>(bytes, index));
    case IrType::kI8:
      return static_cast<int8_t>(bytes[index]);
    case IrType::kU8:
    case IrType::kBool:
      return bytes[index];
    case IrType::kI4:
    case IrType::kU4: {
      const int code = bytes[index / 2] >> (index % 2 * 4) & 15;
      return static_cast<float>(type_ == IrType::kI4 ? (code ^ 8) - 8 : code);
    }
  }
  return 0;
}

std::vector<float> IrWeight::Floats() const {
  if (!computed_.empty()) return computed_;
  std::vector<float> values(elements_);
  for (size_t i = 0; i < elements_; ++i) values[i] = Stored(i);
  const auto apply = [&](const IrBroadcast& part, const auto& combine) {
    if (part.empty()) return;
    ForEachStrided(stored_shape_, BroadcastStrides(part.shape, stored_shape_),
                   [&](size_t i, size_t source) { combine(values[i], part.values[source]); });
  };
  apply(zero_, [](float& value, float zero) { value -= zero; });
  apply(scale_, [](float& value, float scale) { value *= scale; });
  return values;
}

std::optional<std::span<const uint8_t>> IrWeight::Plain() const {
  if (!computed_.empty() || !scale_.empty() || !zero_.empty() || !moved_.empty()) {
    return std::nullopt;
  }
  return bytes_;
}

void IrWeight::MakeFloats() {
  computed_ = Floats();
  type_ = IrType::kF32;
  stored_shape_ = shape_;
  bytes_ = {};
  moved_ = {};
  scale_ = zero_ = {};
}

void IrWeight::Transpose(const std::vector<size_t>& order) {
  const bool codes = computed_.empty() && IsCode(type_) && shape_ == stored_shape_;
  if (!codes) MakeFloats();
  const std::vector<size_t> strides = MovedStrides(shape_, order);
  const Extents moved = MovedShape(shape_, order);
  if (codes) {
    const int bits = BitsOf(type_);
    const uint8_t* bytes = moved_.empty() ? bytes_.data() : moved_.data();
    std::vector<uint8_t> target((elements_ * static_cast<size_t>(bits) + 7) / 8);
    ForEachStrided(moved, strides, [&](size_t i, size_t source) {
      if (bits == 8) {
        target[i] = bytes[source];
      } else {
        const int code = bytes[source / 2] >> (source % 2 * 4) & 15;
        target[i / 2] = static_cast<uint8_t>(target[i / 2] | code << (i % 2 * 4));
      }
    });
    moved_ = std::move(target);
    Move(scale_, shape_.size(), order);
    Move(zero_, shape_.size(), order);
  } else {
    std::vector<float> target(elements_);
    ForEachStrided(moved, strides, [&](size_t i, size_t source) { target[i] = computed_[source]; });
    computed_ = std::move(target);
  }
  shape_ = stored_shape_ = moved;
}

std::optional<QuantizedMatrix> IrWeight::Quantized() const {
  if (!in_codes() || shape_.size() != 2 || elements_ == 0) return std::nullopt;
  QuantizedMatrix matrix;
  matrix.bits = BitsOf(type_);
  matrix.rows = static_cast<size_t>(shape_[0]);
  matrix.columns = static_cast<size_t>(shape_[1]);
  if (matrix.bits == 4 && matrix.columns % 2 != 0) return std::nullopt;
  // A group is formed by the trailing axes over which neither scale nor zero point changes.
  const std::vector<size_t> scale_strides = BroadcastStrides(scale_.shape, stored_shape_);
  std::vector<size_t> zero_strides(stored_shape_.size());
  if (!zero_.empty()) zero_strides = BroadcastStrides(zero_.shape, stored_shape_);
  size_t group = 1, axis = stored_shape_.size();
  while (axis > 0 && scale_strides[axis - 1] == 0 && zero_strides[axis - 1] == 0) {
    group *= static_cast<size_t>(stored_shape_[--axis]);
  }
  group = std::gcd(group, matrix.columns);
  if (group == 1 && matrix.columns > 1) return std::nullopt;
  matrix.group_size = group;
  const size_t groups = elements_ / group;
  matrix.scales.resize(groups);
  std::vector<float> zeros(groups, static_cast<float>(Offset(type_)));
  std::vector<size_t> at(stored_shape_.size());
  for (size_t g = 0; g < groups; ++g) {
    size_t scale = 0, zero = 0, rest = g * group;
    for (size_t d = stored_shape_.size(); d-- > 0;) {
      const auto extent = static_cast<size_t>(stored_shape_[d]);
      scale += rest % extent * scale_strides[d];
      zero += rest % extent * zero_strides[d];
      rest /= extent;
    }
    matrix.scales[g] = scale_.values[scale];
    if (!zero_.empty()) zeros[g] += zero_.values[zero];
  }
  const float top = matrix.bits == 4 ? 15.0f : 255.0f;
  const auto symmetric = static_cast<float>(matrix.symmetric_zero());
  if (std::any_of(zeros.begin(), zeros.end(), [=](float zero) { return zero != symmetric; })) {
    for (const float zero : zeros) {
      if (!(zero >= 0 && zero <= top) || zero != std::floor(zero)) return std::nullopt;
      matrix.zeros.push_back(static_cast<uint8_t>(zero));
    }
  }
  const uint8_t* bytes = moved_.empty() ? bytes_.data() : moved_.data();
  matrix.codes.assign(bytes, bytes + matrix.rows * matrix.row_bytes());
  // Two's complement plus half the range is unsigned: the top bit flips.
  const uint8_t flip = type_ == IrType::kI4 ? 0x88 : type_ == IrType::kI8 ? 0x80 : 0;
  if (flip != 0) {
    for (uint8_t& code : matrix.codes) code ^= flip;
  }
  return matrix;
}

bool IrWeight::operator==(const IrWeight& other) const {
  if (shape_ != other.shape_) return false;
  if (!computed_.empty() || !other.computed_.empty() || type_ != other.type_ ||
      stored_shape_ != other.stored_shape_) {
    return Floats() == other.Floats();
  }
  const std::span<const uint8_t> a = moved_.empty() ? bytes_ : std::span<const uint8_t>(moved_);
  const std::span<const uint8_t> b =
      other.moved_.empty() ? other.bytes_ : std::span<const uint8_t>(other.moved_);
  return scale_ == other.scale_ && zero_ == other.zero_ && a.size() == b.size() &&
         (a.data() == b.data() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

ConstantFolder::ConstantFolder(const IrGraph& graph)
    : graph_(graph),
      is_weight_(graph.nodes().size()),
      budget_(graph.bin_bytes() * kElementsPerBinByte + kSpareElements) {
  static constexpr const char* kFolded[] = {"Convert", "Multiply", "Subtract",  "Add",
                                            "Reshape", "Squeeze",  "Unsqueeze", "Transpose"};
  for (size_t i = 0; i < is_weight_.size(); ++i) {
    const IrNode& node = graph.nodes()[i];
    const bool known = std::any_of(std::begin(kFolded), std::end(kFolded),
                                   [&](const char* type) { return node.type == type; });
    is_weight_[i] = node.type == "Const" ||
                    (known && !node.inputs.empty() &&
                     std::all_of(node.inputs.begin(), node.inputs.end(),
                                 [&](const IrNode::Input& input) { return IsWeight(input.node); }));
  }
}

void ConstantFolder::Charge(int node, size_t elements) {
  if (elements > budget_) graph_.Fail(node, "the graph uses its constants too many times over");
  budget_ -= elements;
}

IrWeight ConstantFolder::Fold(int node, bool transposed) {
  IrWeight weight = FoldNode(node, 0);
  if (transposed) {
    if (weight.shape().size() != 2) graph_.Fail(node, "is not a matrix");
    Charge(node, weight.elements());
    weight.Transpose({1, 0});
  }
  return weight;
}

IrWeight ConstantFolder::ReadConstant(int node) {
  const IrConstant constant = graph_.Constant(node);
  Charge(node, constant.elements);
  IrWeight weight;
  weight.type_ = constant.type;
  weight.shape_ = weight.stored_shape_ = constant.shape;
  weight.elements_ = constant.elements;
  weight.bytes_ = constant.bytes;
  return weight;
}

// left - right, left * right or left + right, where one operand has the shape of the result.
IrWeight ConstantFolder::Combine(int node, IrWeight left, IrWeight right) {
  const std::string& type = graph_.node(node).type;
  if (type != "Subtract" && left.elements() < right.elements()) std::swap(left, right);
  if (BroadcastStrides(right.shape(), left.shape()).size() != left.shape().size()) {
    graph_.Fail(node, "its constants' shapes do not fit");
  }
  // Scales and zero points are kept separate as long as they are fewer than the codes.
  const bool codes = left.computed_.empty() && IsCode(left.type_) && left.scale_.empty() &&
                     left.shape_ == left.stored_shape_;
  if (codes && type == "Subtract" && left.zero_.empty()) {
    Charge(node, right.elements());
    left.zero_ = {right.shape(), right.Floats()};
    return left;
  }
  if (codes && type == "Multiply") {
    Charge(node, right.elements());
    left.scale_ = {right.shape(), right.Floats()};
    return left;
  }
  if (left.in_codes() && type == "Multiply" && right.elements() == 1) {
    const float factor = right.Floats().front();
    for (float& scale : left.scale_.values) scale *= factor;
    return left;
  }
  Charge(node, left.elements());
  left.MakeFloats();
  const std::vector<float> small = right.Floats();
  ForEachStrided(left.shape_, BroadcastStrides(right.shape(), left.shape_),
                 [&](size_t i, size_t source) {
                   float& value = left.computed_[i];
                   const float other = small[source];
                   value = type == "Multiply"   ? value * other
                           : type == "Subtract" ? value - other
                                                : value + other;
                 });
  return left;
}

IrWeight ConstantFolder::Reshape(int index, IrWeight weight) {
  const IrNode& node = graph_.node(index);
  if (node.outputs.size() != 1) graph_.Fail(index, "has no output");
  size_t count = 1;
  for (const int64_t extent : node.outputs[0].shape) {
    if (extent < 0 || __builtin_mul_overflow(count, static_cast<size_t>(extent), &count)) {
      graph_.Fail(index, "has no fixed shape");
    }
  }
  if (count != weight.elements()) graph_.Fail(index, "changes the number of elements");
  weight.shape_ = node.outputs[0].shape;
  if (weight.scale_.empty() && weight.zero_.empty()) weight.stored_shape_ = weight.shape_;
  return weight;
}

IrWeight ConstantFolder::Transpose(int index, IrWeight weight, const IrWeight& axes) {
  std::vector<size_t> order;
  std::vector<bool> seen(weight.shape().size());
  for (const float axis : axes.Floats()) {
    if (!(axis >= 0) || axis >= static_cast<float>(seen.size()) ||
        seen[static_cast<size_t>(axis)]) {
      graph_.Fail(index, "has impossible axes");
    }
    seen[static_cast<size_t>(axis)] = true;
    order.push_back(static_cast<size_t>(axis));
  }
  if (order.size() != seen.size()) graph_.Fail(index, "has impossible axes");
  Charge(index, weight.elements());
  weight.Transpose(order);
  return weight;
}

IrWeight ConstantFolder::FoldNode(int index, int depth) {
  const IrNode& node = graph_.node(index);
  if (depth > kMaxDepth) graph_.Fail(index, "its constants lie too deep");
  Charge(index, 1);
  if (node.type == "Const") return ReadConstant(index);
  if (!IsWeight(index)) graph_.Fail(index, "cannot be computed from constants here");
  const auto input = [&](size_t port) {
    if (port >= node.inputs.size()) graph_.Fail(index, "lacks an input");
    return FoldNode(node.inputs[port].node, depth + 1);
  };
  IrWeight first = input(0);
  if (node.type == "Convert") return first;
  if (node.type == "Transpose") return Transpose(index, std::move(first), input(1));
  if (node.type == "Multiply" || node.type == "Subtract" || node.type == "Add") {
    return Combine(index, std::move(first), input(1));
  }
  return Reshape(index, std::move(first));
}

}  // namespace uffizi
