#include <algorithm>
#include <cmath>

#include "import/shape_inference.h"

namespace uffizi::shape_inference {

Outputs Unary(const Inputs& inputs, const std::function<double(double)>& compute) {
  const IrValue& x = In(inputs, 0);
  if (!x.values) return Only(x.shape);
  Numbers values = *x.values;
  std::transform(values.begin(), values.end(), values.begin(), compute);
  return Only(x.shape, std::move(values));
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

Outputs SameShape(const IrNode&, const Inputs& inputs) { return Only(In(inputs, 0).shape); }

Outputs Convert(const IrNode& node, const Inputs& inputs) {
  const bool integral = !node.outputs.empty() && node.outputs[0].integral;
  return Unary(inputs, [integral](double x) { return integral ? std::trunc(x) : x; });
}

Outputs Divide(const IrNode& node, const Inputs& inputs) {
  const bool integral = !node.outputs.empty() && node.outputs[0].integral;
  return Binary(inputs,
                [integral](double a, double b) { return integral ? std::floor(a / b) : a / b; });
}

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

}  // namespace uffizi::shape_inference
