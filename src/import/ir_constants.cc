#include "import/ir_constants.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "core/half.h"

namespace uffizi {
namespace {

constexpr int kMaxDepth = 64;  // layers between a weight's use and its constant; usual are 6

// A 4-bit constant becomes eight times as many bytes of float32, and may be used a few times over.
constexpr size_t kElementsPerBinByte = 16;
constexpr size_t kSpareElements = size_t{1} << 22;

size_t Product(const std::vector<int64_t>& shape) {
  size_t product = 1;
  for (const int64_t extent : shape) product *= static_cast<size_t>(extent);
  return product;
}

template <typename T>
T Load(std::span<const uint8_t> bytes, size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

float LoadFloat(const IrConstant& constant, size_t index) {
  switch (constant.type) {
    case IrType::kF64:
      return static_cast<float>(Load<double>(constant.bytes, index));
    case IrType::kF32:
      return Load<float>(constant.bytes, index);
    case IrType::kF16:
      return HalfToFloat(Load<uint16_t>(constant.bytes, index));
    case IrType::kBF16:
      return std::bit_cast<float>(static_cast<uint32_t>(Load<uint16_t>(constant.bytes, index))
                                  << 16);
    case IrType::kI64:
      return static_cast<float>(Load<int64_t>(constant.bytes, index));
    default:
      return static_cast<float>(Load<int32_t>(constant.bytes, index));
  }
}

// Element i of a tensor moved to `order` is element Source(i) of the original.
std::vector<size_t> TransposedStrides(const std::vector<int64_t>& shape,
                                      const std::vector<size_t>& order) {
  std::vector<size_t> strides(shape.size(), 1), moved(shape.size());
  for (size_t d = shape.size(); d-- > 1;) {
    strides[d - 1] = strides[d] * static_cast<size_t>(shape[d]);
  }
  for (size_t d = 0; d < order.size(); ++d) moved[d] = strides[order[d]];
  return moved;
}

// Calls visit(i, source) for every i of an array of `shape`, where `source` goes by `strides`.
template <typename Visit>
void ForEachStrided(const std::vector<int64_t>& shape, const std::vector<size_t>& strides,
                    const Visit& visit) {
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

// Strides that repeat `small` over `shape` by numpy's rules; empty if it does not fit.
std::vector<size_t> BroadcastStrides(const std::vector<int64_t>& small,
                                     const std::vector<int64_t>& shape) {
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

template <typename T>
std::vector<T> Moved(const std::vector<T>& values, const std::vector<int64_t>& shape,
                     const std::vector<size_t>& strides) {
  if (values.empty()) return {};
  std::vector<T> moved(values.size());
  ForEachStrided(shape, strides, [&](size_t i, size_t source) { moved[i] = values[source]; });
  return moved;
}

}  // namespace

std::vector<float> IrWeight::Floats() const {
  if (bits == 0) return values;
  std::vector<float> floats(codes.size());
  for (size_t i = 0; i < codes.size(); ++i) {
    const float code = static_cast<float>(codes[i]) - (zeros.empty() ? zero : zeros[i]);
    floats[i] = scales.empty() ? code : scales[i] * code;
  }
  return floats;
}

IrWeight IrWeight::Transposed(const std::vector<size_t>& order) const {
  const std::vector<size_t> strides = TransposedStrides(shape, order);
  IrWeight moved;
  for (const size_t d : order) moved.shape.push_back(shape[d]);
  moved.values = Moved(values, moved.shape, strides);
  moved.bits = bits;
  moved.codes = Moved(codes, moved.shape, strides);
  moved.scales = Moved(scales, moved.shape, strides);
  moved.zeros = Moved(zeros, moved.shape, strides);
  moved.zero = zero;
  return moved;
}

std::optional<QuantizedMatrix> IrWeight::Quantized() const {
  if (bits == 0 || shape.size() != 2 || codes.empty() || scales.empty()) return std::nullopt;
  QuantizedMatrix matrix;
  matrix.bits = bits;
  matrix.rows = static_cast<size_t>(shape[0]);
  matrix.columns = static_cast<size_t>(shape[1]);
  // A group ends wherever, in any row, scale or zero point changes.
  size_t group = matrix.columns;
  for (size_t i = 0; i < codes.size(); ++i) {
    const size_t column = i % matrix.columns;
    if (column > 0 &&
        (scales[i] != scales[i - 1] || (!zeros.empty() && zeros[i] != zeros[i - 1]))) {
      group = std::gcd(group, column);
    }
  }
  if (bits == 4 && matrix.columns % 2 != 0) return std::nullopt;
  matrix.group_size = group;
  const float top = bits == 4 ? 15.0f : 255.0f;
  bool symmetric = true;
  for (size_t i = 0; i < codes.size(); i += group) {
    const float point = zeros.empty() ? zero : zeros[i];
    if (!(point >= 0 && point <= top) || point != std::floor(point)) return std::nullopt;
    matrix.scales.push_back(scales[i]);
    matrix.zeros.push_back(static_cast<uint8_t>(point));
    symmetric = symmetric && matrix.zeros.back() == matrix.symmetric_zero();
  }
  if (symmetric) matrix.zeros.clear();
  if (bits == 8) {
    matrix.codes = codes;
  } else {
    matrix.codes.resize(codes.size() / 2);
    for (size_t i = 0; i < matrix.codes.size(); ++i) {
      matrix.codes[i] = static_cast<uint8_t>(codes[2 * i] | codes[2 * i + 1] << 4);
    }
  }
  return matrix;
}

IrFolder::IrFolder(const IrGraph& graph)
    : graph_(graph), budget_(graph.bin_bytes() * kElementsPerBinByte + kSpareElements) {}

void IrFolder::Charge(int node, size_t elements) {
  if (elements > budget_) graph_.Fail(node, "the graph uses its constants too many times over");
  budget_ -= elements;
}

IrWeight IrFolder::Fold(int node) { return FoldNode(node, 0); }

IrWeight IrFolder::ReadConstant(int node) {
  const IrConstant constant = graph_.Constant(node);
  Charge(node, constant.elements);
  IrWeight weight;
  weight.shape = constant.shape;
  const bool four = constant.type == IrType::kI4 || constant.type == IrType::kU4;
  const bool eight = constant.type == IrType::kI8 || constant.type == IrType::kU8;
  if (!four && !eight) {
    if (constant.type == IrType::kOther) graph_.Fail(node, "is of an unknown type");
    weight.values.resize(constant.elements);
    for (size_t i = 0; i < constant.elements; ++i) weight.values[i] = LoadFloat(constant, i);
    return weight;
  }
  weight.bits = four ? 4 : 8;
  weight.codes.resize(constant.elements);
  for (size_t i = 0; i < constant.elements; ++i) {
    weight.codes[i] =
        four ? static_cast<uint8_t>(constant.bytes[i / 2] >> (i % 2 * 4) & 15) : constant.bytes[i];
  }
  // Two's complement plus half the range is unsigned: the top bit flips.
  if (constant.type == IrType::kI4) {
    weight.zero = 8;
    for (uint8_t& code : weight.codes) code ^= 8;
  } else if (constant.type == IrType::kI8) {
    weight.zero = 128;
    for (uint8_t& code : weight.codes) code ^= 128;
  }
  return weight;
}

// left - right, left * right or left + right, where one has the shape of the result.
IrWeight IrFolder::Combine(int node, IrWeight left, IrWeight right) {
  const std::string& type = graph_.node(node).type;
  if (type != "Subtract" && left.elements() < right.elements()) std::swap(left, right);
  const std::vector<size_t> strides = BroadcastStrides(right.shape, left.shape);
  if (strides.size() != left.shape.size()) graph_.Fail(node, "its constants' shapes do not fit");
  Charge(node, left.elements());
  const std::vector<float> small = right.Floats();
  std::vector<float> other(left.elements());
  ForEachStrided(left.shape, strides, [&](size_t i, size_t source) { other[i] = small[source]; });
  if (left.bits > 0 && type == "Subtract" && left.scales.empty() && left.zeros.empty()) {
    for (float& point : other) point += left.zero;
    left.zeros = std::move(other);
    return left;
  }
  if (left.bits > 0 && type == "Multiply") {
    if (!left.scales.empty()) {
      for (size_t i = 0; i < other.size(); ++i) other[i] *= left.scales[i];
    }
    left.scales = std::move(other);
    return left;
  }
  IrWeight result;
  result.shape = left.shape;
  result.values = left.Floats();
  for (size_t i = 0; i < other.size(); ++i) {
    if (type == "Multiply") {
      result.values[i] *= other[i];
    } else {
      result.values[i] += type == "Subtract" ? -other[i] : other[i];
    }
  }
  return result;
}

IrWeight IrFolder::FoldNode(int index, int depth) {
  const IrNode& node = graph_.node(index);
  if (depth > kMaxDepth) graph_.Fail(index, "its constants lie too deep");
  if (node.type == "Const") return ReadConstant(index);
  const auto input = [&](size_t port) {
    if (port >= node.inputs.size()) graph_.Fail(index, "lacks an input");
    return node.inputs[port].node;
  };
  if (node.type == "Convert") return FoldNode(input(0), depth + 1);
  if (node.type == "Multiply" || node.type == "Subtract" || node.type == "Add") {
    IrWeight left = FoldNode(input(0), depth + 1);
    return Combine(index, std::move(left), FoldNode(input(1), depth + 1));
  }
  if (node.type == "Reshape" || node.type == "Squeeze" || node.type == "Unsqueeze") {
    IrWeight weight = FoldNode(input(0), depth + 1);
    if (node.outputs.size() != 1 ||
        std::find(node.outputs[0].begin(), node.outputs[0].end(), -1) != node.outputs[0].end()) {
      graph_.Fail(index, "has no fixed shape");
    }
    size_t count = 1;
    for (const int64_t extent : node.outputs[0]) {
      if (__builtin_mul_overflow(count, static_cast<size_t>(extent), &count)) count = 0;
    }
    if (count != weight.elements()) graph_.Fail(index, "changes the number of elements");
    weight.shape = node.outputs[0];
    return weight;
  }
  if (node.type == "Transpose") {
    const IrWeight weight = FoldNode(input(0), depth + 1);
    const std::vector<int64_t> axes = graph_.Integers(input(1));
    std::vector<size_t> order;
    std::vector<bool> seen(weight.shape.size());
    for (const int64_t axis : axes) {
      if (axis < 0 || axis >= static_cast<int64_t>(seen.size()) ||
          seen[static_cast<size_t>(axis)]) {
        graph_.Fail(index, "has impossible axes");
      }
      seen[static_cast<size_t>(axis)] = true;
      order.push_back(static_cast<size_t>(axis));
    }
    if (order.size() != seen.size()) graph_.Fail(index, "has impossible axes");
    Charge(index, weight.elements());
    return weight.Transposed(order);
  }
  graph_.Fail(index, "cannot be computed from constants here");
}

}  // namespace uffizi
