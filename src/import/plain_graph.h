#ifndef UFFIZI_IMPORT_PLAIN_GRAPH_H_
#define UFFIZI_IMPORT_PLAIN_GRAPH_H_

#include <string>
#include <vector>

#include "import/ir_constants.h"
#include "import/ir_graph.h"
#include "import/ir_values.h"

namespace uffizi {

// A value of a plain graph: a factor times an op's output, possibly rearranged.
struct PlainValue {
  int op = -1;       // index into PlainGraph::ops(); -1 if it is not data: shapes, masks, indices
  int node = -1;     // the layer that outputs it, for its shape and for messages
  size_t port = 0;   // of that layer
  double scale = 1;  // the product of the constants by which it is multiplied
};

// A step that computes with data.
struct PlainOp {
  enum class Kind {
    kInput,        // a Parameter
    kConstant,     // with more than one element, where data is expected
    kLookup,       // rows of a table: inputs {} or {indices}, weight
    kLinear,       // weight, bias
    kConvolution,  // weight, bias
    kDepthwise,    // the same, grouped
    kNorm,         // MVN with weight and bias
    kGelu,
    kAdd,        // two values
    kConcat,     // values along an axis
    kMean,       // over an axis
    kProduct,    // of two values: scores, before a Softmax
    kSoftmax,    // of a kProduct
    kAttention,  // of queries, keys and values
    kCache,      // a decoder's cache of earlier tokens, initially empty
    kOther,
  };
  Kind kind = Kind::kOther;
  int node = -1;  // its layer
  std::vector<PlainValue> inputs;
  int weight = -1, bias = -1;  // layers of constants, or -1; of a norm, its factors and summands
  bool transposed = false;     // the weight is [in, out], not [out, in]
  // For attention, and for a product that is part of one:
  double bias_factor = 1;         // factor of the constant that gives the bias
  double scale = 1;               // of scores, all factors combined
  int64_t width = 0;              // length of the sum of a score
  int64_t queries = 0, keys = 0;  // rows and columns of the scores
};

const char* KindName(PlainOp::Kind kind);

// A simplified graph with few ops, in terms of the model. Conversions, empty paddings, layers that
// only move data (reshapes, transposes, slices, splits, repeats, caches), and masks are removed.
// Constants that multiply data are moved into attention's scale. Attention is one op, however the
// exporter decomposed it. Unknown layers become ops of the kind kOther, which are errors only if
// they are needed.
class PlainGraph {
 public:
  // sizes: see IrValues
  PlainGraph(const IrGraph& graph, const IrValues::Sizes& sizes);

  const IrGraph& graph() const { return graph_; }
  const std::vector<PlainOp>& ops() const { return ops_; }
  const PlainOp& op(int index) const { return ops_[static_cast<size_t>(index)]; }
  const PlainOp& op(const PlainValue& value) const { return op(value.op); }
  // The graph's results.
  const std::vector<PlainValue>& results() const { return results_; }

  ConstantFolder& constants() { return constants_; }
  // Shape and small values of a layer's output.
  const IrValue& known(const PlainValue& value) const { return values_.at(value.node, value.port); }
  const IrValue& known(int node) const { return values_.at(node); }
  // Extents of a layer's output. Throws Error(kInvalidModel) if they are not known.
  const std::vector<int64_t>& Shape(const PlainValue& value) const;

  // The outputs of data-moving layers from `value` back to its op, excluding the op's own output.
  std::vector<IrNode::Input> Moves(const PlainValue& value) const;

 private:
  PlainValue Read(const IrNode::Input& input) const;
  void Set(int node, PlainValue value);
  int AddOp(int node, PlainOp op);
  void ReadNode(int node);
  bool ReadMove(int node);
  void ReadMatMul(int node);
  void ReadProduct(int node, const PlainValue& left, const PlainValue& right);
  void ReadAttention(int node);
  void ReadSum(int node);
  void ReadFactor(int node);
  void ReadConvolution(int node);
  void ReadNorm(int node);
  void ReadConcat(int node);
  void ReadMean(int node);
  void ReadSoftmax(int node);
  void ReadTable(int node);
  bool IsTable(int node) const;
  void ReadSelf(int node, PlainOp::Kind kind);
  // Whether the constant may be the bias, or a norm's factors, of the op behind `value`.
  bool TakesConstant(const PlainValue& value, int constant) const;
  bool IsOnlyUse(const PlainValue& value) const;
  PlainValue Operand(const IrNode::Input& input);

  const IrGraph& graph_;
  ConstantFolder constants_;
  IrValues values_;
  std::vector<PlainOp> ops_;
  std::vector<std::vector<PlainValue>> of_node_;  // [nodes][ports]
  std::vector<PlainValue> results_;
};

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_PLAIN_GRAPH_H_
