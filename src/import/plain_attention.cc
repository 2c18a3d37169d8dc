// Recognizes attention in products of two values, however the exporter decomposed it.

#include <cmath>
#include <string>
#include <utility>

#include "import/plain_graph.h"

namespace uffizi {

void PlainGraph::ReadMatMul(int index) {
  const IrNode& node = graph_.node(index);
  if (node.inputs.size() != 2) return;
  const PlainValue left = Read(node.inputs[0]), right = Read(node.inputs[1]);
  const int weight = node.inputs[1].node;
  if (left.op >= 0 && constants_.IsWeight(weight)) {
    PlainOp op;
    op.kind = PlainOp::Kind::kLinear;
    op.inputs = {left};
    op.weight = weight;
    op.transposed = node.Attribute("transpose_b") != "true";
    if (node.Attribute("transpose_a") == "true") op.kind = PlainOp::Kind::kOther;
    AddOp(index, std::move(op));
    return;
  }
  if (left.op >= 0 && right.op >= 0) return ReadProduct(index, left, right);
  if (left.op >= 0 || right.op >= 0) ReadSelf(index, PlainOp::Kind::kOther);
}

// Reads queries times keys, or the Softmax of that times values.
void PlainGraph::ReadProduct(int index, const PlainValue& left, const PlainValue& right) {
  const IrNode& node = graph_.node(index);
  const std::vector<int64_t>&a = Shape(left), &b = Shape(right);
  if (a.size() < 2 || b.size() < 2) graph_.Fail(index, "multiplies vectors");
  const bool flip_a = node.Attribute("transpose_a") == "true";
  const bool flip_b = node.Attribute("transpose_b") == "true";
  PlainOp product;
  product.inputs = {left, right};
  product.queries = a[a.size() - (flip_a ? 1 : 2)];
  product.width = a[a.size() - (flip_a ? 2 : 1)];
  product.keys = b[b.size() - (flip_b ? 2 : 1)];
  if (op(left).kind == PlainOp::Kind::kSoftmax) {
    const PlainOp& scores = op(op(left).inputs[0]);
    if (left.scale != 1 || right.scale != 1 || flip_a || product.width != scores.keys) {
      graph_.Fail(index, "does not weight values by attention");
    }
    PlainOp attention = scores;
    attention.kind = PlainOp::Kind::kAttention;
    attention.inputs.push_back(right);
    AddOp(index, std::move(attention));
    return;
  }
  product.kind = PlainOp::Kind::kProduct;
  product.scale = left.scale * right.scale;
  for (PlainValue& input : product.inputs) input.scale = 1;
  AddOp(index, std::move(product));
}

void PlainGraph::ReadAttention(int index) {
  const IrNode& node = graph_.node(index);
  if (node.inputs.size() < 3) graph_.Fail(index, "lacks an input");
  PlainOp op;
  op.kind = PlainOp::Kind::kAttention;
  for (size_t i = 0; i < 3; ++i) op.inputs.push_back(Read(node.inputs[i]));
  for (const PlainValue& input : op.inputs) {
    if (input.op < 0) graph_.Fail(index, "is attention without queries, keys and values");
  }
  const std::vector<int64_t>&q = Shape(op.inputs[0]), &k = Shape(op.inputs[1]);
  if (q.size() < 2 || k.size() < 2) graph_.Fail(index, "is attention of vectors");
  op.queries = q[q.size() - 2];
  op.keys = k[k.size() - 2];
  op.width = q.back();
  op.scale = op.width > 0 ? 1 / std::sqrt(static_cast<double>(op.width)) : 1;
  if (node.inputs.size() > 4) {
    const auto scale = values_.at(node.inputs[4]).scalar();
    if (!scale) graph_.Fail(index, "its scale does not follow from the graph");
    op.scale = *scale;
  }
  if (op.inputs[2].scale != 1) graph_.Fail(index, "scales its values");
  if (node.Attribute("causal") == "true" && op.queries > 1) {
    graph_.Fail(index, "hides later tokens, which Florence-2 does not");
  }
  op.scale *= op.inputs[0].scale * op.inputs[1].scale;
  for (PlainValue& input : op.inputs) input.scale = 1;
  AddOp(index, std::move(op));
}

void PlainGraph::ReadSoftmax(int index) {
  const IrNode& node = graph_.node(index);
  const PlainValue scores = node.inputs.empty() ? PlainValue() : Read(node.inputs[0]);
  if (scores.op < 0) return;
  const bool attention = op(scores).kind == PlainOp::Kind::kProduct;
  const auto& shape = values_.at(node.inputs[0]).shape;
  const std::string axis = node.Attribute("axis", "1");
  if (attention && axis != "-1" && !(shape && axis == std::to_string(shape->size() - 1))) {
    graph_.Fail(index, "is not over the last axis");
  }
  ReadSelf(index, attention ? PlainOp::Kind::kSoftmax : PlainOp::Kind::kOther);
}

}  // namespace uffizi
