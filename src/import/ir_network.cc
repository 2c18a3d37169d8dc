#include "import/ir_network.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <string_view>
#include <utility>

namespace uffizi {
namespace {

constexpr size_t kMaxSources = 1 << 14;  // ops that one value may come from
constexpr size_t kMaxWalk = 1 << 16;     // nodes between two ops
constexpr double kNormEpsilon = 1e-5;    // what the engine computes with

bool OneOf(std::string_view text, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool Contains(const std::vector<int>& list, int value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

}  // namespace

const char* KindName(IrOp::Kind kind) {
  switch (kind) {
    case IrOp::Kind::kInput:
      return "input";
    case IrOp::Kind::kLookup:
      return "embedding lookup";
    case IrOp::Kind::kLinear:
      return "linear layer";
    case IrOp::Kind::kConvolution:
      return "convolution";
    case IrOp::Kind::kDepthwise:
      return "depthwise convolution";
    case IrOp::Kind::kNorm:
      return "layer norm";
    case IrOp::Kind::kAttention:
      return "attention";
  }
  return "";
}

IrNetwork::IrNetwork(const IrGraph& graph)
    : graph_(graph),
      sources_(graph.nodes().size()),
      gelu_(graph.nodes().size()),
      taken_(graph.nodes().size()) {
  for (size_t i = 0; i < graph.nodes().size(); ++i) ReadNode(static_cast<int>(i));
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const IrNode& node = graph.nodes()[i];
    if (taken_[i] || sources_[i].empty() || !OneOf(node.type, {"Add", "Subtract", "Multiply"})) {
      continue;
    }
    for (const IrNode::Input& input : node.inputs) {
      if (sources_[static_cast<size_t>(input.node)].empty() && Elements(input.node) > 1) {
        loose_sums_.push_back(static_cast<int>(i));
        break;
      }
    }
  }
}

// The inputs that carry data, not shapes, indices or axes.
std::vector<int> IrNetwork::DataInputs(int index) const {
  const IrNode& node = graph_.node(index);
  if (OneOf(node.type, {"Const", "Parameter", "ShapeOf", "Range"})) return {};
  std::vector<int> inputs;
  const bool first_only =
      !OneOf(node.type, {"Add", "Subtract", "Multiply", "Divide", "Concat", "MatMul", "Select",
                         "Maximum", "Minimum", "Power", "SquaredDifference", "Einsum"});
  for (const IrNode::Input& input : node.inputs) {
    inputs.push_back(input.node);
    if (first_only) break;
  }
  return inputs;
}

std::vector<int> IrNetwork::Union(const std::vector<int>& nodes, int at) const {
  std::vector<int> all;
  for (const int node : nodes) {
    const std::vector<int>& more = Sources(node);
    std::vector<int> merged;
    std::set_union(all.begin(), all.end(), more.begin(), more.end(), std::back_inserter(merged));
    all = std::move(merged);
  }
  if (all.size() > kMaxSources) graph_.Fail(at, "depends on too many layers");
  return all;
}

// Elements of a node's first output; 0 where its shape is not fixed.
size_t IrNetwork::Elements(int node) const {
  const IrNode& layer = graph_.node(node);
  if (layer.outputs.empty()) return 0;
  size_t count = 1;
  for (const int64_t extent : layer.outputs[0]) {
    if (extent < 0 || __builtin_mul_overflow(count, static_cast<size_t>(extent), &count)) return 0;
  }
  return count;
}

int IrNetwork::TakeConstant(int& node, const char* type, size_t elements) {
  const std::vector<int>& consumers = graph_.node(node).consumers;
  if (consumers.size() != 1) return -1;
  const IrNode& next = graph_.node(consumers[0]);
  if (next.type != type || next.inputs.size() != 2) return -1;
  const int other = next.inputs[0].node == node ? next.inputs[1].node : next.inputs[0].node;
  if (!graph_.node(other).constant || Elements(other) != elements) return -1;
  node = consumers[0];
  taken_[static_cast<size_t>(node)] = 1;
  return other;
}

void IrNetwork::AddOp(int node, IrOp op) {
  op.node = node;
  taken_[static_cast<size_t>(node)] = 1;
  sources_[static_cast<size_t>(node)] = {static_cast<int>(ops_.size())};
  ops_.push_back(std::move(op));
}

// Attention is where a Softmax's probabilities meet the values, or one ScaledDotProductAttention.
IrOp IrNetwork::ReadAttention(int index) {
  IrOp op{};
  op.kind = IrOp::Kind::kAttention;
  const IrNode& node = graph_.node(index);
  if (node.type == "ScaledDotProductAttention") {
    if (node.inputs.size() < 3) graph_.Fail(index, "lacks an input");
    op.queries = Sources(node.inputs[0].node);
    op.keys = Sources(node.inputs[1].node);
    op.values = Sources(node.inputs[2].node);
  } else {
    const auto product = std::find(softmax_products_.begin(), softmax_products_.end(), index);
    int at = softmax_of_[static_cast<size_t>(product - softmax_products_.begin())];
    const bool first = Contains(Sources(node.inputs[0].node), -1);
    op.values = Sources(node.inputs[first ? 1 : 0].node);
    // Up from the Softmax, past the mask, to the product of queries and keys.
    for (size_t steps = 0; graph_.node(at).type != "MatMul"; ++steps) {
      int next = -1;
      for (const int input : DataInputs(at)) {
        const std::vector<int>& from = Sources(input);
        if (std::any_of(from.begin(), from.end(), [&](int source) {
              return source >= 0 && this->op(source).kind == IrOp::Kind::kLinear;
            })) {
          if (next >= 0) graph_.Fail(at, "attention scores come from two places");
          next = input;
        }
      }
      if (next < 0 || steps > kMaxWalk)
        graph_.Fail(at, "attention scores without queries and keys");
      at = next;
    }
    op.queries = Sources(graph_.node(at).inputs[0].node);
    op.keys = Sources(graph_.node(at).inputs[1].node);
  }
  op.sources = op.queries;
  for (const std::vector<int>* more : {&op.keys, &op.values}) {
    for (const int source : *more) {
      if (!Contains(op.sources, source)) op.sources.push_back(source);
    }
  }
  return op;
}

void IrNetwork::ReadNode(int index) {
  const IrNode& node = graph_.node(index);
  const auto at = static_cast<size_t>(index);
  if (node.constant) return;
  const std::vector<int> inputs = DataInputs(index);
  IrOp op{};
  op.sources = Union(inputs, index);
  op.after_gelu = std::any_of(inputs.begin(), inputs.end(),
                              [&](int input) { return gelu_[static_cast<size_t>(input)] != 0; });
  // What comes out of a Softmax is marked by -1, until it meets the values.
  const bool probabilities = Contains(op.sources, -1);

  if (node.type == "Parameter") {
    op.kind = IrOp::Kind::kInput;
    return AddOp(index, std::move(op));
  }
  if (node.type == "ScaledDotProductAttention") return AddOp(index, ReadAttention(index));
  if (node.type == "Softmax") {
    sources_[at] = {-1};
    softmax_of_.push_back(index);
    return;
  }
  if (node.type == "MatMul" && node.inputs.size() == 2) {
    if (probabilities) {
      softmax_products_.push_back(index);
      if (softmax_products_.size() != softmax_of_.size()) {
        graph_.Fail(index, "attention probabilities are used twice");
      }
      return AddOp(index, ReadAttention(index));
    }
    if (graph_.node(node.inputs[0].node).constant) graph_.Fail(index, "multiplies from the left");
    op.weight = node.inputs[1].node;
    if (graph_.node(op.weight).constant) {
      op.kind = IrOp::Kind::kLinear;
      const std::vector<int64_t>& shape = graph_.node(op.weight).outputs.at(0);
      if (shape.size() != 2) graph_.Fail(index, "its weight is no matrix");
      const bool transposed = node.Attribute("transpose_b") == "true";
      int last = index;
      op.bias = TakeConstant(last, "Add", static_cast<size_t>(shape[transposed ? 0 : 1]));
      return AddOp(index, std::move(op));
    }
  }
  if ((node.type == "Convolution" || node.type == "GroupConvolution") && node.inputs.size() == 2) {
    op.kind = node.type == "Convolution" ? IrOp::Kind::kConvolution : IrOp::Kind::kDepthwise;
    op.weight = node.inputs[1].node;
    if (!graph_.node(op.weight).constant || graph_.node(op.weight).outputs.empty() ||
        graph_.node(op.weight).outputs[0].size() < 4) {
      graph_.Fail(index, "its weight is no constant of four or five dimensions");
    }
    int last = index;
    op.bias = TakeConstant(last, "Add", static_cast<size_t>(graph_.node(op.weight).outputs[0][0]));
    return AddOp(index, std::move(op));
  }
  if (node.type == "MVN") {
    op.kind = IrOp::Kind::kNorm;
    const double epsilon = std::atof(node.Attribute("eps").c_str());
    if (!(std::abs(epsilon - kNormEpsilon) < 0.1 * kNormEpsilon) ||
        node.Attribute("normalize_variance") != "true") {
      graph_.Fail(index, "is another norm than Florence-2's, of epsilon 1e-5");
    }
    if (node.outputs.empty() || node.outputs[0].empty() || node.outputs[0].back() < 1) {
      graph_.Fail(index, "normalizes a dimension of unknown size");
    }
    const auto dim = static_cast<size_t>(node.outputs[0].back());
    int last = index;
    op.weight = TakeConstant(last, "Multiply", dim);
    op.bias = TakeConstant(last, "Add", dim);
    return AddOp(index, std::move(op));
  }
  if (node.type == "Gather" && node.inputs.size() == 3 &&
      graph_.node(node.inputs[0].node).constant) {
    const IrNode& table = graph_.node(node.inputs[0].node);
    if (table.outputs.size() == 1 && table.outputs[0].size() == 2) {
      op.kind = IrOp::Kind::kLookup;
      op.weight = node.inputs[0].node;
      op.sources = Sources(node.inputs[1].node);  // where the indices come from
      return AddOp(index, std::move(op));
    }
  }
  if (node.type == "Gelu" && node.Attribute("approximation_mode", "ERF") != "ERF") {
    graph_.Fail(index, "is an approximate GELU; Florence-2's is exact");
  }
  gelu_[at] = op.after_gelu || OneOf(node.type, {"Gelu", "Erf"});
  sources_[at] = std::move(op.sources);
}

std::vector<int64_t> IrNetwork::ReshapeBetween(int from_op, int to_node, size_t rank) const {
  // Breadth first from the op forward, through nodes that carry nothing but its data.
  std::vector<int> front = {op(from_op).node};
  std::vector<char> seen(graph_.nodes().size());
  for (size_t i = 0; i < front.size() && i < kMaxWalk; ++i) {
    for (const int next : graph_.node(front[i]).consumers) {
      if (seen[static_cast<size_t>(next)] || next > to_node) continue;
      seen[static_cast<size_t>(next)] = 1;
      const IrNode& node = graph_.node(next);
      if (node.type == "ShapeOf" || !Contains(Sources(next), from_op)) continue;
      if (node.type == "Reshape" && node.inputs.size() == 2 && node.outputs.size() == 1 &&
          node.outputs[0].size() == rank) {
        std::vector<int64_t> shape = node.outputs[0];
        const std::vector<int64_t> target = graph_.Integers(node.inputs[1].node);
        for (size_t d = 0; d < shape.size() && target.size() == rank; ++d) {
          if (shape[d] < 0 && target[d] > 0) shape[d] = target[d];
        }
        return shape;
      }
      front.push_back(next);
    }
  }
  return {};
}

}  // namespace uffizi
