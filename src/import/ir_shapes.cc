// What each type of layer makes of shapes, and of small values.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <string_view>

#include "import/ir_values.h"

namespace uffizi {
namespace {

using Extents = std::vector<int64_t>;
using Numbers = std::vector<double>;
using Inputs = std::vector<const IrValue*>;
using Outputs = std::vector<IrValue>;

constexpr size_t kMaxValues = 256;  // elements that are computed
constexpr size_t kMaxRank = 16;

const IrValue& In(const Inputs& inputs, size_t index) {
  static const IrValue kNone;
  return index < inputs.size() ? *inputs[index] : kNone;
}

Outputs Only(std::optional<Extents> shape, std::optional<Numbers> values = std::nullopt) {
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

// An axis of a tensor of this rank, counted from the front.
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

// numpy's broadcasting of two shapes.
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

std::optional<Numbers> BroadcastValues(const IrValue& value, const Extents& shape) {
  const auto count = CountElements(shape);
  if (!value.values || !value.shape || !count || *count > kMaxValues) return std::nullopt;
  Numbers values(*count);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = (*value.values)[BroadcastIndex(i, shape, *value.shape)];
  }
  return values;
}

Outputs SameShape(const IrNode&, const Inputs& inputs) { return Only(In(inputs, 0).shape); }

Outputs Unary(const Inputs& inputs, const std::function<double(double)>& compute) {
  const IrValue& x = In(inputs, 0);
  if (!x.values) return Only(x.shape);
  Numbers values = *x.values;
  std::transform(values.begin(), values.end(), values.begin(), compute);
  return Only(x.shape, std::move(values));
}

Outputs Convert(const IrNode& node, const Inputs& inputs) {
  const bool integral = !node.outputs.empty() && node.outputs[0].integral;
  return Unary(inputs, [integral](double x) { return integral ? std::trunc(x) : x; });
}

Outputs Binary(const Inputs& inputs, const std::function<double(double, double)>& compute) {
  const IrValue &a = In(inputs, 0), &b = In(inputs, 1);
  if (!a.shape || !b.shape) return {};
  const auto shape = Broadcast(*a.shape, *b.shape);
  if (!shape) return {};
  auto left = BroadcastValues(a, *shape);
  const auto right = BroadcastValues(b, *shape);
  if (!left || !right) return Only(shape);
  std::transform(left->begin(), left->end(), right->begin(), left->begin(), compute);
  return Only(shape, std::move(left));
}

Outputs Divide(const IrNode& node, const Inputs& inputs) {
  const bool integral = !node.outputs.empty() && node.outputs[0].integral;
  return Binary(inputs,
                [integral](double a, double b) { return integral ? std::floor(a / b) : a / b; });
}

double FloorMod(double a, double b) { return a - std::floor(a / b) * b; }

Outputs Select(const IrNode&, const Inputs& inputs) {
  const IrValue &condition = In(inputs, 0), &yes = In(inputs, 1), &no = In(inputs, 2);
  if (!condition.shape || !yes.shape || !no.shape) return {};
  auto shape = Broadcast(*yes.shape, *no.shape);
  if (shape) shape = Broadcast(*shape, *condition.shape);
  if (!shape) return {};
  const auto which = BroadcastValues(condition, *shape);
  auto values = BroadcastValues(yes, *shape);
  const auto others = BroadcastValues(no, *shape);
  if (!which || !values || !others) return Only(shape);
  for (size_t i = 0; i < values->size(); ++i) {
    if ((*which)[i] == 0) (*values)[i] = (*others)[i];
  }
  return Only(shape, std::move(values));
}

Outputs ShapeOf(const IrNode&, const Inputs& inputs) {
  const IrValue& x = In(inputs, 0);
  if (!x.shape) return {};
  return Only(Extents{static_cast<int64_t>(x.shape->size())},
              Numbers(x.shape->begin(), x.shape->end()));
}

Outputs Gather(const IrNode& node, const Inputs& inputs) {
  const IrValue &data = In(inputs, 0), &indices = In(inputs, 1);
  const auto axis_value = Integers(In(inputs, 2));
  if (!data.shape || !indices.shape || !axis_value || axis_value->size() != 1) return {};
  const auto axis = Axis(axis_value->front(), data.shape->size());
  if (!axis || IntegerAttribute(node, "batch_dims", 0) != 0) return {};
  Extents shape(data.shape->begin(), data.shape->begin() + static_cast<int64_t>(*axis));
  shape.insert(shape.end(), indices.shape->begin(), indices.shape->end());
  shape.insert(shape.end(), data.shape->begin() + static_cast<int64_t>(*axis) + 1,
               data.shape->end());
  const auto wanted = Integers(indices);
  if (!data.values || !wanted || data.shape->size() != 1) return Only(shape);
  Numbers values;
  for (int64_t index : *wanted) {
    const auto at = Axis(index, data.values->size());
    if (!at) return Only(shape);
    values.push_back((*data.values)[*at]);
  }
  return Only(shape, std::move(values));
}

Outputs Concat(const IrNode& node, const Inputs& inputs) {
  const auto raw_axis = IntegerAttribute(node, "axis", 0);
  const IrValue& first = In(inputs, 0);
  if (!first.shape || !raw_axis) return {};
  const auto axis = Axis(*raw_axis, first.shape->size());
  if (!axis) return {};
  Extents shape = *first.shape;
  shape[*axis] = 0;
  std::optional<Numbers> values = Numbers();
  for (const IrValue* input : inputs) {
    if (!input->shape || input->shape->size() != shape.size()) return {};
    if (__builtin_add_overflow(shape[*axis], (*input->shape)[*axis], &shape[*axis])) return {};
    if (!input->values || shape.size() != 1 || !values ||
        values->size() + input->values->size() > kMaxValues) {
      values.reset();
    } else {
      values->insert(values->end(), input->values->begin(), input->values->end());
    }
  }
  return Only(shape, std::move(values));
}

// A part of each axis: begin and length.
using Region = std::vector<std::pair<int64_t, int64_t>>;

Outputs TakeRegion(const IrValue& x, const Region& region) {
  Extents shape;
  for (const auto& [begin, length] : region) shape.push_back(length);
  const auto count = CountElements(shape);
  if (!x.values || !count) return Only(shape);
  Numbers values(*count);
  for (size_t i = 0; i < values.size(); ++i) {
    size_t rest = i, index = 0, stride = 1;
    for (size_t d = shape.size(); d-- > 0;) {
      const auto extent = static_cast<size_t>(shape[d]);
      index += (rest % extent + static_cast<size_t>(region[d].first)) * stride;
      rest /= extent;
      stride *= static_cast<size_t>((*x.shape)[d]);
    }
    values[i] = (*x.values)[index];
  }
  return Only(shape, std::move(values));
}

Region WholeOf(const Extents& shape) {
  Region region;
  for (const int64_t extent : shape) region.emplace_back(0, extent);
  return region;
}

// The pieces of a tensor that is cut along an axis.
Outputs Cut(const IrValue& data, size_t axis, const Extents& lengths) {
  Outputs outputs;
  Region region = WholeOf(*data.shape);
  int64_t begin = 0;
  for (const int64_t length : lengths) {
    if (length < 0 || length > (*data.shape)[axis] - begin) return {};
    region[axis] = {begin, length};
    outputs.push_back(TakeRegion(data, region).front());
    begin += length;
  }
  return outputs;
}

Outputs Split(const IrNode& node, const Inputs& inputs) {
  const IrValue& data = In(inputs, 0);
  const auto axis_value = Integers(In(inputs, 1));
  const int64_t count = IntegerAttribute(node, "num_splits", 0).value_or(0);
  if (!data.shape || !axis_value || axis_value->size() != 1 || count < 1 ||
      count > static_cast<int64_t>(node.outputs.size())) {
    return {};
  }
  const auto axis = Axis(axis_value->front(), data.shape->size());
  if (!axis || (*data.shape)[*axis] % count != 0) return {};
  return Cut(data, *axis, Extents(static_cast<size_t>(count), (*data.shape)[*axis] / count));
}

Outputs VariadicSplit(const IrNode& node, const Inputs& inputs) {
  const IrValue& data = In(inputs, 0);
  const auto axis_value = Integers(In(inputs, 1));
  auto lengths = Integers(In(inputs, 2));
  if (!data.shape || !axis_value || axis_value->size() != 1 || !lengths ||
      lengths->size() > node.outputs.size()) {
    return {};
  }
  const auto axis = Axis(axis_value->front(), data.shape->size());
  if (!axis) return {};
  int64_t rest = (*data.shape)[*axis];
  for (const int64_t length : *lengths) {
    if (length > 0 && __builtin_sub_overflow(rest, length, &rest)) return {};
  }
  std::replace(lengths->begin(), lengths->end(), int64_t{-1}, rest);
  return Cut(data, *axis, *lengths);
}

Outputs Squeeze(const IrNode&, const Inputs& inputs) {
  const IrValue& x = In(inputs, 0);
  if (!x.shape) return {};
  std::vector<bool> drop(x.shape->size());
  if (inputs.size() < 2) {
    for (size_t d = 0; d < drop.size(); ++d) drop[d] = (*x.shape)[d] == 1;
  } else {
    const auto axes = Integers(In(inputs, 1));
    if (!axes) return {};
    for (const int64_t raw : *axes) {
      const auto axis = Axis(raw, drop.size());
      if (!axis) return {};
      drop[*axis] = true;
    }
  }
  Extents shape;
  for (size_t d = 0; d < drop.size(); ++d) {
    if (!drop[d]) shape.push_back((*x.shape)[d]);
  }
  return Only(shape, x.values);
}

Outputs Unsqueeze(const IrNode&, const Inputs& inputs) {
  const IrValue& x = In(inputs, 0);
  const auto axes = Integers(In(inputs, 1));
  if (!x.shape || !axes || x.shape->size() + axes->size() > kMaxRank) return {};
  std::vector<bool> added(x.shape->size() + axes->size());
  for (const int64_t raw : *axes) {
    const auto axis = Axis(raw, added.size());
    if (!axis) return {};
    added[*axis] = true;
  }
  Extents shape;
  size_t next = 0;
  for (const bool one : added) {
    if (!one && next == x.shape->size()) return {};
    shape.push_back(one ? 1 : (*x.shape)[next++]);
  }
  return Only(shape, x.values);
}

Outputs Reshape(const IrNode& node, const Inputs& inputs) {
  const IrValue& x = In(inputs, 0);
  auto target = Integers(In(inputs, 1));
  if (!x.shape || !target || target->size() > kMaxRank) return {};
  const auto count = CountElements(*x.shape);
  int64_t* open = nullptr;
  int64_t product = 1;
  for (size_t d = 0; d < target->size(); ++d) {
    int64_t& extent = (*target)[d];
    if (extent == 0 && Flag(node, "special_zero")) {
      if (d >= x.shape->size()) return {};
      extent = (*x.shape)[d];
    }
    if (extent == -1 && open == nullptr) {
      open = &extent;
    } else if (extent < 0 || __builtin_mul_overflow(product, extent, &product)) {
      return {};
    }
  }
  if (!count) return {};
  if (open != nullptr) {
    if (product == 0 || static_cast<int64_t>(*count) % product != 0) return {};
    *open = static_cast<int64_t>(*count) / product;
  }
  if (CountElements(*target) != count) return {};
  return Only(target, x.values);
}

Outputs Transpose(const IrNode&, const Inputs& inputs) {
  const IrValue& x = In(inputs, 0);
  if (!x.shape) return {};
  Extents order(x.shape->size());
  std::iota(order.rbegin(), order.rend(), 0);
  if (inputs.size() > 1) {
    const auto given = Integers(In(inputs, 1));
    if (!given) return {};
    if (!given->empty()) order = *given;
  }
  if (order.size() != x.shape->size()) return {};
  Extents shape;
  for (const int64_t raw : order) {
    const auto axis = Axis(raw, order.size());
    if (!axis) return {};
    shape.push_back((*x.shape)[*axis]);
  }
  return Only(shape, shape.size() == 1 ? x.values : std::nullopt);
}

Outputs BroadcastTo(const IrNode& node, const Inputs& inputs) {
  const IrValue& x = In(inputs, 0);
  auto target = Integers(In(inputs, 1));
  if (!x.shape || !target || target->size() > kMaxRank) return {};
  std::optional<Extents> shape = target;
  if (node.Attribute("mode", "numpy") == "bidirectional") shape = Broadcast(*x.shape, *target);
  if (!shape || Broadcast(*x.shape, *shape) != shape) return {};
  return Only(shape, BroadcastValues(x, *shape));
}

Outputs Tile(const IrNode&, const Inputs& inputs) {
  const IrValue& x = In(inputs, 0);
  auto repeats = Integers(In(inputs, 1));
  if (!x.shape || !repeats || repeats->size() > kMaxRank) return {};
  Extents shape = *x.shape;
  if (shape.size() < repeats->size())
    shape.insert(shape.begin(), repeats->size() - shape.size(), 1);
  const size_t skip = shape.size() - repeats->size();
  for (size_t d = 0; d < repeats->size(); ++d) {
    if (__builtin_mul_overflow(shape[skip + d], (*repeats)[d], &shape[skip + d])) return {};
  }
  return Only(shape, shape == *x.shape ? x.values : std::nullopt);
}

Outputs Range(const IrNode&, const Inputs& inputs) {
  const auto start = In(inputs, 0).scalar(), stop = In(inputs, 1).scalar();
  const auto step = In(inputs, 2).scalar();
  if (!start || !stop || !step || *step == 0) return {};
  const double count = std::max(0.0, std::ceil((*stop - *start) / *step));
  if (!(count < 0x1p40)) return {};
  std::optional<Numbers> values;
  if (count <= kMaxValues) {
    values.emplace(static_cast<size_t>(count));
    for (size_t i = 0; i < values->size(); ++i) {
      (*values)[i] = *start + static_cast<double>(i) * *step;
    }
  }
  return Only(Extents{static_cast<int64_t>(count)}, std::move(values));
}

// A part of one axis: begin and length, or nothing if it is not a forward one.
std::optional<std::pair<int64_t, int64_t>> Part(int64_t begin, int64_t end, int64_t step,
                                                int64_t extent) {
  if (step != 1) return std::nullopt;
  const auto clamp = [extent](int64_t at) {
    return std::clamp(at < 0 ? at + extent : at, int64_t{0}, extent);
  };
  begin = clamp(begin);
  return std::pair(begin, std::max<int64_t>(0, clamp(end) - begin));
}

Outputs Slice(const IrNode&, const Inputs& inputs) {
  const IrValue& x = In(inputs, 0);
  const auto begins = Integers(In(inputs, 1)), ends = Integers(In(inputs, 2));
  const auto steps = Integers(In(inputs, 3));
  if (!x.shape || !begins || !ends || !steps || begins->size() != ends->size() ||
      steps->size() != ends->size()) {
    return {};
  }
  Extents axes(begins->size());
  std::iota(axes.begin(), axes.end(), 0);
  if (inputs.size() > 4) {
    const auto given = Integers(In(inputs, 4));
    if (!given || given->size() != axes.size()) return {};
    axes = *given;
  }
  Region parts = WholeOf(*x.shape);
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = Axis(axes[i], parts.size());
    if (!axis) return {};
    const auto part = Part((*begins)[i], (*ends)[i], (*steps)[i], (*x.shape)[*axis]);
    if (!part) return {};
    parts[*axis] = *part;
  }
  return TakeRegion(x, parts);
}

// "1,0,1" as flags.
std::vector<bool> Mask(const IrNode& node, const char* key) {
  std::vector<bool> mask;
  for (const char c : node.Attribute(key)) {
    if (c == '0' || c == '1') mask.push_back(c == '1');
  }
  return mask;
}

Outputs StridedSlice(const IrNode& node, const Inputs& inputs) {
  const IrValue& x = In(inputs, 0);
  const auto begins = Integers(In(inputs, 1)), ends = Integers(In(inputs, 2));
  if (!x.shape || !begins || !ends || begins->size() != ends->size() ||
      begins->size() > x.shape->size()) {
    return {};
  }
  Extents steps(begins->size(), 1);
  if (inputs.size() > 3) {
    const auto given = Integers(In(inputs, 3));
    if (!given || given->size() != steps.size()) return {};
    steps = *given;
  }
  const std::vector<bool> open_begin = Mask(node, "begin_mask"), open_end = Mask(node, "end_mask");
  const std::vector<bool> shrink = Mask(node, "shrink_axis_mask");
  for (const char* key : {"new_axis_mask", "ellipsis_mask"}) {
    const std::vector<bool> mask = Mask(node, key);
    if (std::find(mask.begin(), mask.end(), true) != mask.end()) return {};
  }
  Region parts;
  for (size_t d = 0; d < x.shape->size(); ++d) {
    const int64_t extent = (*x.shape)[d];
    if (d >= begins->size()) {
      parts.emplace_back(0, extent);
      continue;
    }
    const bool from_start = d < open_begin.size() && open_begin[d];
    const bool to_end = d < open_end.size() && open_end[d];
    const auto part =
        Part(from_start ? 0 : (*begins)[d], to_end ? extent : (*ends)[d], steps[d], extent);
    if (!part) return {};
    parts.push_back(*part);
  }
  const Outputs outputs = TakeRegion(x, parts);
  Extents shape;
  for (size_t d = 0; d < parts.size(); ++d) {
    if (d >= shrink.size() || !shrink[d]) shape.push_back(parts[d].second);
  }
  return Only(shape, outputs.front().values);
}

Outputs Pad(const IrNode&, const Inputs& inputs) {
  const IrValue& x = In(inputs, 0);
  const auto begins = Integers(In(inputs, 1)), ends = Integers(In(inputs, 2));
  if (!x.shape || !begins || !ends || begins->size() != x.shape->size() ||
      ends->size() != x.shape->size()) {
    return {};
  }
  Extents shape = *x.shape;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (__builtin_add_overflow(shape[d], (*begins)[d], &shape[d]) ||
        __builtin_add_overflow(shape[d], (*ends)[d], &shape[d]) || shape[d] < 0) {
      return {};
    }
  }
  return Only(shape);
}

Outputs Reduce(const IrNode& node, const Inputs& inputs) {
  const IrValue& x = In(inputs, 0);
  const auto axes = Integers(In(inputs, 1));
  if (!x.shape || !axes) return {};
  std::vector<bool> reduced(x.shape->size());
  for (const int64_t raw : *axes) {
    const auto axis = Axis(raw, reduced.size());
    if (!axis) return {};
    reduced[*axis] = true;
  }
  Extents shape;
  for (size_t d = 0; d < reduced.size(); ++d) {
    if (!reduced[d] || Flag(node, "keep_dims")) shape.push_back(reduced[d] ? 1 : (*x.shape)[d]);
  }
  if (!x.values || x.shape->size() != 1 || !reduced[0]) return Only(shape);
  const bool product = node.type == "ReduceProd";
  if (!product && node.type != "ReduceSum") return Only(shape);
  double result = product ? 1 : 0;
  for (const double value : *x.values) result = product ? result * value : result + value;
  return Only(shape, Numbers{result});
}

Outputs MatMul(const IrNode& node, const Inputs& inputs) {
  const IrValue &a = In(inputs, 0), &b = In(inputs, 1);
  if (!a.shape || !b.shape || a.shape->size() < 2 || b.shape->size() < 2) return {};
  Extents left = *a.shape, right = *b.shape;
  if (Flag(node, "transpose_a")) std::swap(left[left.size() - 1], left[left.size() - 2]);
  if (Flag(node, "transpose_b")) std::swap(right[right.size() - 1], right[right.size() - 2]);
  if (left.back() != right[right.size() - 2]) return {};
  const auto shape = Broadcast({left.begin(), left.end() - 2}, {right.begin(), right.end() - 2});
  if (!shape) return {};
  Extents product = *shape;
  product.push_back(left[left.size() - 2]);
  product.push_back(right.back());
  return Only(product);
}

Outputs Attention(const IrNode&, const Inputs& inputs) {
  const IrValue &q = In(inputs, 0), &v = In(inputs, 2);
  if (!q.shape || !v.shape || q.shape->empty() || v.shape->empty()) return {};
  Extents shape = *q.shape;
  shape.back() = v.shape->back();
  return Only(shape);
}

// "4, 4" as numbers.
Extents List(const IrNode& node, const char* key) {
  Extents list;
  const std::string text = node.Attribute(key);
  const char *at = text.data(), *end = at + text.size();
  while (at != end) {
    int64_t value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc()) return {};
    list.push_back(value);
    at = std::find_if(next, end, [](char c) { return c != ',' && c != ' '; });
  }
  return list;
}

// Convolution [n, in, h, w] by [out, in, kh, kw]; grouped ones have [groups, out, in, kh, kw].
Outputs Convolution(const IrNode& node, const Inputs& inputs) {
  const IrValue &x = In(inputs, 0), &w = In(inputs, 1);
  const size_t extra = node.type == "GroupConvolution" ? 1 : 0;
  if (!x.shape || !w.shape || x.shape->size() != 4 || w.shape->size() != 4 + extra) return {};
  const Extents strides = List(node, "strides"), begins = List(node, "pads_begin");
  const Extents ends = List(node, "pads_end");
  if (strides.size() != 2 || begins.size() != 2 || ends.size() != 2) return {};
  Extents shape = {(*x.shape)[0], (*w.shape)[0] * (extra == 1 ? (*w.shape)[1] : 1)};
  constexpr int64_t kMost = 1 << 20;
  for (size_t d = 0; d < 2; ++d) {
    const int64_t size = (*x.shape)[2 + d], kernel = (*w.shape)[2 + extra + d];
    if (strides[d] < 1 || size > kMost || kernel > kMost || std::abs(begins[d]) > kMost ||
        std::abs(ends[d]) > kMost || size + begins[d] + ends[d] < kernel) {
      return {};
    }
    shape.push_back((size + begins[d] + ends[d] - kernel) / strides[d] + 1);
  }
  return Only(shape);
}

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
