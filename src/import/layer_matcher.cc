#include "import/layer_matcher.h"

#include <algorithm>
#include <cmath>

namespace uffizi {
namespace {

constexpr int64_t kMaxExtent = 1 << 24;   // of a weight; keeps products within 64 bits, and int
constexpr double kScaleTolerance = 2e-3;  // for factors that the exporter rounded to half precision

}  // namespace

const PlainValue& LayerMatcher::Result() const {
  if (plain_.results().size() != 1) source_.graph.Fail("does not give one result");
  return plain_.results()[0];
}

const PlainOp& LayerMatcher::ExpectScaled(const PlainValue& value, Kind kind,
                                          const std::string& what) const {
  if (value.op < 0) {
    source_.graph.Fail(value.node, "gives no data where the " + std::string(KindName(kind)) + " " +
                                       what + " is expected");
  }
  const PlainOp& op = plain_.op(value);
  if (op.kind != kind) {
    Fail(op, "is a " + std::string(KindName(op.kind)) + " where the " + KindName(kind) + " " +
                 what + " is expected");
  }
  return op;
}

const PlainOp& LayerMatcher::Expect(const PlainValue& value, Kind kind,
                                    const std::string& what) const {
  const PlainOp& op = ExpectScaled(value, kind, what);
  if (value.scale != 1) {
    source_.graph.Fail(value.node, "is scaled where the " + std::string(KindName(kind)) + " " +
                                       what + " is expected as it is");
  }
  return op;
}

LayerMatcher::Residual LayerMatcher::ExpectResidual(const PlainValue& value, Kind kind,
                                                    const std::string& what) const {
  const PlainOp& sum = Expect(value, Kind::kAdd, "of " + what + " and its input");
  for (size_t i = 0; i < 2; ++i) {
    if (Is(sum.inputs[i], kind) && sum.inputs[i].scale == 1) {
      return {sum.inputs[1 - i], &plain_.op(sum.inputs[i])};
    }
  }
  Fail(sum, "adds no " + std::string(KindName(kind)) + " where " + what + " is expected");
}

void LayerMatcher::ExpectSame(const PlainValue& value, const PlainValue& expected,
                              const std::string& what) const {
  if (value.op < 0 || value.op != expected.op || value.scale != expected.scale) {
    source_.graph.Fail(value.node, "is not what " + what + " starts from");
  }
}

LayerMatcher::Attention LayerMatcher::ExpectAttention(const PlainValue& value,
                                                      const std::string& what) const {
  Attention attention{&Expect(value, Kind::kAttention, what), nullptr, nullptr, nullptr};
  const std::vector<PlainValue>& inputs = attention.op->inputs;
  attention.query = &Expect(inputs[0], Kind::kLinear, "of " + what + "'s queries");
  attention.key = &Expect(inputs[1], Kind::kLinear, "of " + what + "'s keys");
  attention.value = &Expect(inputs[2], Kind::kLinear, "of " + what + "'s values");
  return attention;
}

double LayerMatcher::QueryFactor(const PlainOp& attention) const {
  const double factor = attention.scale * std::sqrt(static_cast<double>(attention.width));
  if (std::abs(factor - 1) <= kScaleTolerance) return 1;
  // An exporter may have folded the scale into the queries' weights, so it is missing here.
  if (!(std::isfinite(factor) && factor != 0)) Fail(attention, "has an impossible scale");
  return factor;
}

void LayerMatcher::ExpectHeads(const PlainOp& attention, int64_t heads, int64_t width) const {
  for (size_t i = 0; i < 3; ++i) {
    const std::vector<IrNode::Input> moves = plain_.Moves(attention.inputs[i]);
    const bool cut = std::any_of(moves.begin(), moves.end(), [&](const IrNode::Input& move) {
      const auto& shape = plain_.known(move.node).shape;
      return source_.graph.node(move.node).type == "Reshape" && shape && shape->size() >= 4 &&
             shape->back() == width && (*shape)[shape->size() - 2] == heads;
    });
    if (!cut) {
      source_.graph.Fail(attention.inputs[i].node, "is not cut into " + std::to_string(heads) +
                                                       " heads of " + std::to_string(width) +
                                                       " before attention");
    }
  }
}

LayerMatcher::MatrixShape LayerMatcher::ShapeOfMatrix(const PlainOp& op,
                                                      const std::string& name) const {
  const auto& shape = plain_.known(op.weight).shape;
  if (!shape || shape->size() != 2 || (*shape)[0] < 1 || (*shape)[1] < 1 ||
      (*shape)[0] > kMaxExtent || (*shape)[1] > kMaxExtent) {
    Fail(op, "the weight of " + name + " is not a matrix");
  }
  const int first = static_cast<int>((*shape)[0]), second = static_cast<int>((*shape)[1]);
  return op.transposed ? MatrixShape{second, first} : MatrixShape{first, second};
}

LayerMatcher::MatrixShape LayerMatcher::TakeLinear(const PlainOp& op, const std::string& name,
                                                   int out, int in, bool with_bias, double factor) {
  const MatrixShape found = ShapeOfMatrix(op, name);
  if ((out > 0 && found.out != out) || (in > 0 && found.in != in)) {
    Fail(op, name + " is " + std::to_string(found.out) + " x " + std::to_string(found.in) +
                 ", which does not fit the rest");
  }
  ImportedTensor tensor;
  tensor.shape = {found.out, found.in};
  tensor.graph = &source_;
  tensor.node = op.weight;
  tensor.transposed = op.transposed;
  tensor.factor = factor;
  Put(name + ".weight", std::move(tensor));
  if (with_bias) {
    TakeVector(op, op.bias, name + ".bias", {found.out}, 0.0f, factor * op.bias_factor);
  } else if (op.bias >= 0) {
    Fail(op, name + " has no bias in Florence-2");
  }
  return found;
}

void LayerMatcher::TakeVector(const PlainOp& op, int constant, const std::string& name,
                              std::vector<int64_t> shape, float fill, double factor) {
  ImportedTensor tensor;
  if (constant >= 0) {
    const auto& found = plain_.known(constant).shape;
    if (!found || CountElements(*found) != CountElements(shape)) {
      Fail(op, name + " does not have " + std::to_string(shape.back()) + " values");
    }
    tensor.graph = &source_;
    tensor.node = constant;
    tensor.factor = factor;
  }
  tensor.shape = std::move(shape);
  tensor.fill = fill;
  Put(name, std::move(tensor));
}

void LayerMatcher::TakeNorm(const PlainOp& op, const std::string& name, int dim) {
  TakeVector(op, op.weight, name + ".weight", {dim}, 1.0f);
  TakeVector(op, op.bias, name + ".bias", {dim}, 0.0f, op.bias_factor);
}

int LayerMatcher::TakeTable(const PlainOp& lookup, const std::string& name, int dim) {
  const MatrixShape found = ShapeOfMatrix(lookup, name);
  if (dim > 0 && found.in != dim) {
    Fail(lookup,
         name + " has rows of " + std::to_string(found.in) + ", not of " + std::to_string(dim));
  }
  ImportedTensor tensor;
  tensor.shape = {found.out, found.in};
  tensor.graph = &source_;
  tensor.node = lookup.weight;
  Put(name, std::move(tensor));
  return found.out;
}

void LayerMatcher::TakeConvolution(const PlainOp& op, const std::string& name,
                                   const std::vector<int64_t>& shape) {
  const auto& found = plain_.known(op.weight).shape;
  if (!found || CountElements(*found) != CountElements(shape)) {
    Fail(op, name + " has a weight of an unexpected size");
  }
  ImportedTensor tensor;
  tensor.shape = shape;
  tensor.graph = &source_;
  tensor.node = op.weight;
  Put(name + ".weight", std::move(tensor));
  TakeVector(op, op.bias, name + ".bias", {shape[0]}, 0.0f, op.bias_factor);
}

void LayerMatcher::Agree(const PlainOp& op, int found, int& known) const {
  if (known != 0 && known != found) {
    Fail(op, "has " + std::to_string(found) + " where others have " + std::to_string(known));
  }
  known = found;
}

}  // namespace uffizi
