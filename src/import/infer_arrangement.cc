#include <algorithm>
#include <cmath>
#include <numeric>

#include "import/shape_inference.h"

namespace uffizi::shape_inference {

Outputs ShapeOf(const IrNode&, const Inputs& inputs) {
  const IrValue& x = In(inputs, 0);
  if (!x.shape) return {};
  return Only(Extents{static_cast<int64_t>(x.shape->size())},
              Numbers(x.shape->begin(), x.shape->end()));
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

}  // namespace uffizi::shape_inference
