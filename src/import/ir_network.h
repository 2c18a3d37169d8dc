#ifndef UFFIZI_IMPORT_IR_NETWORK_H_
#define UFFIZI_IMPORT_IR_NETWORK_H_

#include <string>
#include <vector>

#include "import/ir_constants.h"
#include "import/ir_graph.h"

namespace uffizi {

// A step of a network that has weights, or mixes tokens. Found by what the graph computes: names
// are the exporter's business.
struct IrOp {
  enum class Kind { kInput, kLookup, kLinear, kConvolution, kDepthwise, kNorm, kAttention };
  Kind kind;
  int node = -1;    // Parameter, Gather, MatMul, Convolution, MVN, or where attention is done
  int weight = -1;  // the constant node; of a norm, its scale; -1 if there is none
  int bias = -1;    // the constant node, or -1
  std::vector<int> sources;  // indices of the ops that the data comes from, through all else
  bool after_gelu = false;   // a GELU lies between them and this
  std::vector<int> queries, keys, values;  // of attention: the ops that each comes from
};

const char* KindName(IrOp::Kind kind);

// A graph as the ops that matter. Shape juggling, residual sums, masks and caches lie between them.
class IrNetwork {
 public:
  explicit IrNetwork(const IrGraph& graph);

  const IrGraph& graph() const { return graph_; }
  const std::vector<IrOp>& ops() const { return ops_; }  // each after its sources
  const IrOp& op(int index) const { return ops_[static_cast<size_t>(index)]; }
  // The ops that the data at a node comes from.
  const std::vector<int>& Sources(int node) const { return sources_[static_cast<size_t>(node)]; }
  // Constants of more than one element that are added to or multiplied with data and are part of
  // no op.
  const std::vector<int>& loose_sums() const { return loose_sums_; }

  // The shape that data takes on its way from one op to another: the first Reshape after the op
  // whose target has `rank` extents, where what is not fixed is -1. Empty if there is none.
  std::vector<int64_t> ReshapeBetween(int from_op, int to_node, size_t rank) const;

 private:
  void AddOp(int node, IrOp op);
  void ReadNode(int node);
  IrOp ReadAttention(int node);
  // The constant that the only consumer of `node`, of type `type`, combines with it; -1 if none.
  int TakeConstant(int& node, const char* type, size_t elements);
  std::vector<int> Union(const std::vector<int>& nodes, int at) const;
  size_t Elements(int node) const;
  std::vector<int> DataInputs(int node) const;

  const IrGraph& graph_;
  std::vector<IrOp> ops_;
  std::vector<std::vector<int>> sources_;  // [nodes]
  std::vector<char> gelu_;                 // [nodes] since the last op
  std::vector<char> taken_;                // [nodes] is part of an op
  std::vector<int> loose_sums_;
  std::vector<int> softmax_products_;  // MatMuls of attention probabilities, with
  std::vector<int> softmax_of_;        // the Softmax of each
};

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_IR_NETWORK_H_
