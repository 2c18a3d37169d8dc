#include "import/plain_graph.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <initializer_list>
#include <string_view>
#include <utility>

namespace uffizi {
namespace {

using Kind = PlainOp::Kind;

constexpr size_t kMaxMoves = 64;       // layers between two ops; typically 12
constexpr double kNormEpsilon = 1e-5;  // the engine's value

bool OneOf(std::string_view text, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

PlainOp OfKind(Kind kind) {
  PlainOp op;
  op.kind = kind;
  return op;
}

bool HasBias(Kind kind) {
  return kind == Kind::kLinear || kind == Kind::kConvolution || kind == Kind::kDepthwise ||
         kind == Kind::kNorm;
}

}  // namespace

const char* KindName(Kind kind) {
  static constexpr const char* kNames[] = {"input",
                                           "constant",
                                           "embedding lookup",
                                           "linear layer",
                                           "convolution",
                                           "depthwise convolution",
                                           "layer norm",
                                           "GELU",
                                           "sum",
                                           "concatenation",
                                           "mean",
                                           "product",
                                           "softmax",
                                           "attention",
                                           "cache",
                                           "layer that Florence-2 does not have"};
  return kNames[static_cast<size_t>(kind)];
}

PlainGraph::PlainGraph(const IrGraph& graph, const IrValues::Sizes& sizes)
    : graph_(graph), constants_(graph), values_(graph, sizes), of_node_(graph.nodes().size()) {
  for (size_t i = 0; i < of_node_.size(); ++i) {
    of_node_[i].resize(std::max<size_t>(graph.nodes()[i].outputs.size(), 1));
    for (size_t port = 0; port < of_node_[i].size(); ++port) {
      of_node_[i][port].node = static_cast<int>(i);
      of_node_[i][port].port = port;
    }
    ReadNode(static_cast<int>(i));
  }
}

const std::vector<int64_t>& PlainGraph::Shape(const PlainValue& value) const {
  const IrValue& known = this->known(value);
  if (!known.shape) graph_.Fail(value.node, "its shape does not follow from the graph");
  return *known.shape;
}

PlainValue PlainGraph::Read(const IrNode::Input& input) const {
  return of_node_[static_cast<size_t>(input.node)][input.port];
}

// The value of an input; a constant becomes an op.
PlainValue PlainGraph::Operand(const IrNode::Input& input) {
  const PlainValue value = Read(input);
  if (value.op >= 0 || !constants_.IsWeight(input.node)) return value;
  PlainOp op;
  op.kind = Kind::kConstant;
  op.weight = input.node;
  AddOp(input.node, std::move(op));
  return Read(input);
}

void PlainGraph::Set(int node, PlainValue value) {
  for (PlainValue& port : of_node_[static_cast<size_t>(node)]) {
    port.op = value.op;
    port.scale = value.scale;
  }
}

int PlainGraph::AddOp(int node, PlainOp op) {
  op.node = node;
  ops_.push_back(std::move(op));
  const int index = static_cast<int>(ops_.size()) - 1;
  Set(node, {index});
  return index;
}

std::vector<IrNode::Input> PlainGraph::Moves(const PlainValue& value) const {
  std::vector<IrNode::Input> moves;
  const int end = op(value).node;
  IrNode::Input at{value.node, value.port};
  while (at.node != end) {
    if (moves.size() == kMaxMoves) graph_.Fail(value.node, "is moved around without end");
    moves.push_back(at);
    // In a Concat, the cache comes before the new part; a bias may be on either side.
    const IrNode& node = graph_.node(at.node);
    const auto from =
        std::find_if(node.inputs.begin(), node.inputs.end(),
                     [&](const IrNode::Input& input) { return Read(input).op == value.op; });
    if (from == node.inputs.end()) graph_.Fail(at.node, "does not only move data");
    at = *from;
  }
  return moves;
}

// Whether nothing between the op and `value` has other uses.
bool PlainGraph::IsOnlyUse(const PlainValue& value) const {
  std::vector<IrNode::Input> way = Moves(value);
  way.push_back({op(value).node, 0});
  return std::all_of(way.begin(), way.end(), [&](const IrNode::Input& step) {
    const std::vector<int>& users = graph_.node(step.node).consumers;
    return std::count_if(users.begin(), users.end(),
                         [&](int user) { return graph_.node(user).type != "ShapeOf"; }) == 1;
  });
}

// Layers that permute, slice or repeat an op's data.
bool PlainGraph::ReadMove(int index) {
  const IrNode& node = graph_.node(index);
  if (node.inputs.empty()) return false;
  PlainValue value = Read(node.inputs[0]);
  const bool moves = OneOf(node.type, {"Convert", "ConvertLike", "Reshape", "Transpose", "Squeeze",
                                       "Unsqueeze", "Broadcast", "Tile", "Split", "VariadicSplit",
                                       "Slice", "StridedSlice", "Pad", "Identity"});
  if (node.type == "ReadValue") {
    if (value.op < 0) {
      AddOp(index, OfKind(Kind::kCache));
      return true;
    }
  } else if (node.type == "Gather") {
    // One of several, as queries of queries, keys and values; or the rows that beams go on with.
    if (value.op < 0 || node.inputs.size() != 3) return false;
    if (op(value).kind != Kind::kCache && !values_.at(node.inputs[1]).values) return false;
  } else if (!moves) {
    return false;
  }
  if (value.op < 0 && OneOf(node.type, {"Slice", "StridedSlice", "Tile", "Broadcast"}) &&
      constants_.IsWeight(node.inputs[0].node) && !values_.at(index).values) {
    value = Operand(node.inputs[0]);
  }
  if (value.op >= 0) Set(index, value);
  return true;
}

void PlainGraph::ReadSelf(int index, Kind kind) {
  PlainOp op;
  op.kind = kind;
  for (const IrNode::Input& input : graph_.node(index).inputs) op.inputs.push_back(Read(input));
  AddOp(index, std::move(op));
}

bool PlainGraph::TakesConstant(const PlainValue& value, int constant) const {
  const std::optional<std::vector<int64_t>>& shape = values_.at(constant).shape;
  const std::optional<std::vector<int64_t>>& data = values_.at(op(value).node).shape;
  if (!shape || !data || data->empty() || !constants_.IsWeight(constant)) return false;
  const Kind kind = op(value).kind;
  const bool channels_first = kind == Kind::kConvolution || kind == Kind::kDepthwise;
  if (channels_first && data->size() < 2) return false;
  const int64_t wanted = channels_first ? (*data)[1] : data->back();
  return CountElements(*shape) == static_cast<size_t>(wanted) && IsOnlyUse(value);
}

void PlainGraph::ReadSum(int index) {
  const IrNode& node = graph_.node(index);
  if (node.inputs.size() != 2) return;
  PlainValue sides[] = {Read(node.inputs[0]), Read(node.inputs[1])};
  if (sides[0].op < 0 && sides[1].op < 0) return;
  for (size_t i = 0; i < 2; ++i) {
    // A mask does not change the meaning of scores.
    if (sides[i].op >= 0 && op(sides[i]).kind == Kind::kProduct &&
        (sides[1 - i].op < 0 || op(sides[1 - i]).kind != Kind::kProduct)) {
      Set(index, sides[i]);
      return;
    }
    if (sides[i].op < 0 || sides[1 - i].op >= 0) continue;
    const int constant = node.inputs[1 - i].node;
    PlainOp& op = ops_[static_cast<size_t>(sides[i].op)];
    if (op.bias < 0 && HasBias(op.kind) && node.type == "Add" &&
        TakesConstant(sides[i], constant)) {
      op.bias = constant;
      op.bias_factor = 1 / sides[i].scale;
      Set(index, sides[i]);
      return;
    }
  }
  PlainOp op;
  op.kind = node.type == "Add" ? Kind::kAdd : Kind::kOther;
  op.inputs = {Operand(node.inputs[0]), Operand(node.inputs[1])};
  AddOp(index, std::move(op));
}

void PlainGraph::ReadFactor(int index) {
  const IrNode& node = graph_.node(index);
  if (node.inputs.size() != 2) return;
  for (size_t i = 0; i < 2; ++i) {
    PlainValue value = Read(node.inputs[i]);
    const IrNode::Input& other = node.inputs[1 - i];
    if (value.op < 0 || Read(other).op >= 0) continue;
    if (const auto factor = values_.at(other).scalar();
        factor && std::isfinite(*factor) && *factor != 0 && (i == 0 || node.type != "Divide")) {
      value.scale *= node.type == "Divide" ? 1 / *factor : *factor;
      if (op(value).kind == Kind::kProduct) {
        ops_[static_cast<size_t>(value.op)].scale *= value.scale;
        value.scale = 1;
      }
      Set(index, value);
      return;
    }
    PlainOp& op = ops_[static_cast<size_t>(value.op)];
    if (op.kind == Kind::kNorm && op.weight < 0 && op.bias < 0 && value.scale == 1 &&
        node.type == "Multiply" && TakesConstant(value, other.node)) {
      op.weight = other.node;
      Set(index, value);
      return;
    }
  }
  if (Read(node.inputs[0]).op >= 0 || Read(node.inputs[1]).op >= 0) ReadSelf(index, Kind::kOther);
}

void PlainGraph::ReadConvolution(int index) {
  const IrNode& node = graph_.node(index);
  if (node.inputs.size() != 2) graph_.Fail(index, "lacks an input");
  PlainOp op;
  op.kind = node.type == "Convolution" ? Kind::kConvolution : Kind::kDepthwise;
  op.inputs = {Read(node.inputs[0])};
  op.weight = node.inputs[1].node;
  if (!constants_.IsWeight(op.weight)) graph_.Fail(index, "its weight is not a constant");
  AddOp(index, std::move(op));
}

void PlainGraph::ReadNorm(int index) {
  const IrNode& node = graph_.node(index);
  if (node.inputs.empty() || Read(node.inputs[0]).op < 0) return;
  const double epsilon = std::atof(node.Attribute("eps").c_str());
  if (!(std::abs(epsilon - kNormEpsilon) < 0.1 * kNormEpsilon) ||
      node.Attribute("normalize_variance") != "true") {
    graph_.Fail(index, "is not a norm of Florence-2, which has epsilon 1e-5");
  }
  PlainOp op;
  op.kind = Kind::kNorm;
  op.inputs = {Read(node.inputs[0])};
  AddOp(index, std::move(op));
}

void PlainGraph::ReadConcat(int index) {
  PlainOp op;
  op.kind = Kind::kConcat;
  for (const IrNode::Input& input : graph_.node(index).inputs) {
    const PlainValue value = Read(input);
    if (value.op < 0) return;  // a list of sizes
    if (this->op(value).kind != Kind::kCache) op.inputs.push_back(value);
  }
  if (op.inputs.size() == 1 && graph_.node(index).inputs.size() == 2) {
    Set(index, op.inputs[0]);  // the new part, after the cache
  } else {
    AddOp(index, std::move(op));
  }
}

// Whether a Gather takes rows of a matrix of constants.
bool PlainGraph::IsTable(int index) const {
  const IrNode& node = graph_.node(index);
  if (node.type != "Gather" || node.inputs.size() != 3) return false;
  const auto& shape = values_.at(node.inputs[0]).shape;
  return constants_.IsWeight(node.inputs[0].node) && shape && shape->size() == 2 &&
         values_.at(node.inputs[2]).scalar() == 0;
}

void PlainGraph::ReadTable(int index) {
  const IrNode& node = graph_.node(index);
  PlainOp op;
  op.kind = Kind::kLookup;
  op.weight = node.inputs[0].node;
  op.inputs = {Read(node.inputs[1])};
  AddOp(index, std::move(op));
}

// A mean over one element, such as a single frame, is the identity.
void PlainGraph::ReadMean(int index) {
  const IrNode& node = graph_.node(index);
  const PlainValue value = node.inputs.empty() ? PlainValue() : Read(node.inputs[0]);
  if (value.op < 0) return;
  const auto &from = values_.at(node.inputs[0]).shape, &to = values_.at(index).shape;
  if (from && to && CountElements(*from) == CountElements(*to)) {
    Set(index, value);
  } else {
    ReadSelf(index, Kind::kMean);
  }
}

void PlainGraph::ReadNode(int index) {
  const IrNode& node = graph_.node(index);
  const std::string& type = node.type;
  if (type == "Parameter") {
    AddOp(index, OfKind(Kind::kInput));
  } else if (OneOf(type, {"Const", "ShapeOf", "Range", "Assign"})) {
    return;
  } else if (type == "Result") {
    if (!node.inputs.empty()) results_.push_back(Read(node.inputs[0]));
  } else if (IsTable(index)) {
    ReadTable(index);
  } else if (ReadMove(index)) {
    return;
  } else if (type == "MatMul") {
    ReadMatMul(index);
  } else if (type == "ScaledDotProductAttention") {
    ReadAttention(index);
  } else if (type == "Add" || type == "Subtract") {
    ReadSum(index);
  } else if (type == "Multiply" || type == "Divide") {
    ReadFactor(index);
  } else if (type == "Convolution" || type == "GroupConvolution") {
    ReadConvolution(index);
  } else if (type == "MVN") {
    ReadNorm(index);
  } else if (type == "Concat") {
    ReadConcat(index);
  } else if (type == "Gelu") {
    if (node.Attribute("approximation_mode", "ERF") != "ERF") {
      graph_.Fail(index, "is an approximate GELU; Florence-2's is exact");
    }
    ReadSelf(index, Kind::kGelu);
  } else if (type == "ReduceMean") {
    ReadMean(index);
  } else if (OneOf(type, {"SoftMax", "Softmax"})) {
    ReadSoftmax(index);
  } else if (std::any_of(node.inputs.begin(), node.inputs.end(),
                         [&](const IrNode::Input& input) { return Read(input).op >= 0; })) {
    ReadSelf(index, Kind::kOther);
  }
}

}  // namespace uffizi
