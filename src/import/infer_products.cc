#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string>

#include "import/shape_inference.h"

namespace uffizi::shape_inference {

namespace {

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

}  // namespace

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

}  // namespace uffizi::shape_inference
