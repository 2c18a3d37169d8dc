#include "import/ir_roles.h"

#include <algorithm>
#include <utility>

namespace uffizi {
namespace {

constexpr int64_t kMaxExtent = 1 << 24;  // of a weight; keeps products within 64 bits, and int

}  // namespace

IrRoles::IrRoles(const IrNetwork& network, ImportedModel& model)
    : network_(network), folder_(network.graph()), model_(model), taken_(network.ops().size()) {
  for (size_t i = 0; i < network.ops().size(); ++i) {
    const IrOp& op = network.ops()[i];
    const bool on_input = op.kind == IrOp::Kind::kLinear && op.sources.size() == 1 &&
                          network.op(op.sources[0]).kind == IrOp::Kind::kInput;
    if (op.kind == IrOp::Kind::kInput) {
      taken_[i] = true;
    } else if (op.kind != IrOp::Kind::kLookup && !on_input) {
      chain_.push_back(static_cast<int>(i));
    }
  }
}

bool IrRoles::Sees(IrOp::Kind kind, size_t ahead) const {
  return next_ + ahead < chain_.size() && network_.op(chain_[next_ + ahead]).kind == kind;
}

const IrOp& IrRoles::Next(IrOp::Kind kind, const std::string& what) {
  if (next_ == chain_.size()) {
    network_.graph().Fail("ends where the " + std::string(KindName(kind)) + " " + what +
                          " is expected");
  }
  const IrOp& op = network_.op(chain_[next_]);
  if (op.kind != kind) {
    network_.graph().Fail(op.node, "is a " + std::string(KindName(op.kind)) + " where the " +
                                       KindName(kind) + " " + what + " is expected");
  }
  // Queries, keys and values stand side by side: only what follows attention depends on them.
  if (next_ > 0 && kind != IrOp::Kind::kLinear &&
      std::find(op.sources.begin(), op.sources.end(), chain_[next_ - 1]) == op.sources.end()) {
    network_.graph().Fail(op.node, "does not follow the layer before " + what);
  }
  ++next_;
  taken_[static_cast<size_t>(index_of(op))] = true;
  return op;
}

const IrOp& IrRoles::OnlyLinear(const std::vector<int>& ops, const IrOp& attention,
                                const char* what) const {
  const IrOp* found = nullptr;
  for (const int index : ops) {
    const IrOp& op = network_.op(index);
    if (op.kind != IrOp::Kind::kLinear) continue;
    if (found != nullptr) {
      network_.graph().Fail(attention.node, std::string(what) + " come from two linear layers");
    }
    found = &op;
  }
  if (found == nullptr) {
    network_.graph().Fail(attention.node, std::string(what) + " come from no linear layer");
  }
  return *found;
}

std::vector<int> IrRoles::Lookups(bool from_input) const {
  std::vector<int> lookups;
  for (size_t i = 0; i < network_.ops().size(); ++i) {
    const IrOp& op = network_.ops()[i];
    if (op.kind == IrOp::Kind::kLookup && op.sources.empty() != from_input) {
      lookups.push_back(static_cast<int>(i));
    }
  }
  return lookups;
}

void IrRoles::Put(const std::string& name, std::vector<int64_t> shape, std::vector<float> values) {
  model_.tensors[name] = {std::move(shape), std::move(values)};
}

void IrRoles::PutWeight(const IrOp& op, const std::string& name, IrWeight weight) {
  if (weight.shape.size() != 2 || weight.elements() == 0 || weight.shape[0] > kMaxExtent ||
      weight.shape[1] > kMaxExtent) {
    network_.graph().Fail(op.node, "the weight of " + name + " is no matrix");
  }
  if (auto matrix = weight.Quantized()) {
    model_.tensors[name] = {weight.shape, std::move(*matrix)};
  } else {
    model_.tensors[name] = {weight.shape, weight.Floats()};
  }
}

void IrRoles::PutVector(int node, const IrOp& op, const std::string& name, int size,
                        float fallback) {
  std::vector<float> values(static_cast<size_t>(size), fallback);
  if (node >= 0) values = folder_.Fold(node).Floats();
  if (values.size() != static_cast<size_t>(size)) {
    network_.graph().Fail(op.node, name + " has " + std::to_string(values.size()) +
                                       " values, not " + std::to_string(size));
  }
  Put(name, {size}, std::move(values));
}

IrRoles::MatrixShape IrRoles::TakeLinear(const IrOp& op, const std::string& name, int out, int in,
                                         bool with_bias) {
  IrWeight weight = folder_.Fold(op.weight);
  if (weight.shape.size() == 2 &&
      network_.graph().node(op.node).Attribute("transpose_b") != "true") {
    weight = weight.Transposed({1, 0});
  }
  PutWeight(op, name + ".weight", std::move(weight));
  const std::vector<int64_t>& shape = model_.tensors[name + ".weight"].shape;
  const MatrixShape found{static_cast<int>(shape[0]), static_cast<int>(shape[1])};
  if ((out > 0 && found.out != out) || (in > 0 && found.in != in)) {
    network_.graph().Fail(op.node, name + " is " + std::to_string(found.out) + " x " +
                                       std::to_string(found.in) + ", which does not fit the rest");
  }
  if (with_bias) PutVector(op.bias, op, name + ".bias", found.out, 0.0f);
  MarkTaken(op);
  return found;
}

void IrRoles::TakeNorm(const IrOp& op, const std::string& name, int dim) {
  PutVector(op.weight, op, name + ".weight", dim, 1.0f);
  PutVector(op.bias, op, name + ".bias", dim, 0.0f);
}

int IrRoles::TakeTable(const IrOp& lookup, const std::string& name, int dim) {
  PutWeight(lookup, name, folder_.Fold(lookup.weight));
  const std::vector<int64_t>& shape = model_.tensors[name].shape;
  if (dim > 0 && shape[1] != dim) {
    network_.graph().Fail(lookup.node, name + " has rows of " + std::to_string(shape[1]) +
                                           ", not of " + std::to_string(dim));
  }
  MarkTaken(lookup);
  return static_cast<int>(shape[0]);
}

void IrRoles::TakeConvolution(const IrOp& op, const std::string& name,
                              const std::vector<int64_t>& shape) {
  std::vector<float> values = folder_.Fold(op.weight).Floats();
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  if (static_cast<int64_t>(values.size()) != count) {
    network_.graph().Fail(op.node, name + " has a weight of the wrong size");
  }
  Put(name + ".weight", shape, std::move(values));
  PutVector(op.bias, op, name + ".bias", static_cast<int>(shape[0]), 0.0f);
}

int IrRoles::Heads(const IrOp& linear, const IrOp& attention, int dim, bool fused) const {
  // [batch, tokens, heads, head_dim], or with 3 before the heads if queries, keys and values are
  // cut from one.
  const std::vector<int64_t> shape =
      network_.ReshapeBetween(index_of(linear), attention.node, fused ? 5 : 4);
  if (!shape.empty()) {
    int64_t heads = shape[shape.size() - 2], head_dim = shape.back();
    if (heads < 1 && head_dim > 0) heads = dim / head_dim;
    if (head_dim < 1 && heads > 0) head_dim = dim / heads;
    if (heads > 0 && heads <= dim && heads * head_dim == dim && (!fused || shape[2] == 3)) {
      return static_cast<int>(heads);
    }
  }
  network_.graph().Fail(linear.node, "its output is not cut into heads as Florence-2's is");
}

void IrRoles::CheckAllTaken(const char* part) const {
  for (size_t i = 0; i < taken_.size(); ++i) {
    if (!taken_[i]) {
      const IrOp& op = network_.ops()[i];
      network_.graph().Fail(op.node, "is a " + std::string(KindName(op.kind)) +
                                         " that has no place in Florence-2's " + part);
    }
  }
}

}  // namespace uffizi
