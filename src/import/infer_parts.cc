#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "import/shape_inference.h"

namespace uffizi::shape_inference {

namespace {

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

// The pieces of a tensor that is split along an axis.
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

// A part of one axis: begin and length, or nothing if it runs backwards.
std::optional<std::pair<int64_t, int64_t>> Part(int64_t begin, int64_t end, int64_t step,
                                                int64_t extent) {
  if (step != 1) return std::nullopt;
  const auto clamp = [extent](int64_t at) {
    return std::clamp(at < 0 ? at + extent : at, int64_t{0}, extent);
  };
  begin = clamp(begin);
  return std::pair(begin, std::max<int64_t>(0, clamp(end) - begin));
}

// "1,0,1" as flags.
std::vector<bool> Mask(const IrNode& node, const char* key) {
  std::vector<bool> mask;
  for (const char c : node.Attribute(key)) {
    if (c == '0' || c == '1') mask.push_back(c == '1');
  }
  return mask;
}

}  // namespace

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

}  // namespace uffizi::shape_inference
