#ifndef UFFIZI_IMPORT_PLAIN_GRAPH_H_
#define UFFIZI_IMPORT_PLAIN_GRAPH_H_

#include <string>
#include <vector>

#include "import/ir_constants.h"
#include "import/ir_graph.h"
#include "import/ir_values.h"

namespace uffizi {

// Data of a plain graph: a factor times what an op gives, moved around as the graph likes.
struct PlainValue {
  int op = -1;       // index into PlainGraph::ops(); -1 if it is no data: shapes, masks, indices
  int node = -1;     // the layer that gives it, for its shape and for messages
  size_t port = 0;   // of that layer
  double scale = 1;  // the product of the constants that it was multiplied with
};

// A step that computes with data.
struct PlainOp {
  enum class Kind {
    kInput,        // a Parameter
    kConstant,     // of more than one element, where data is expected
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
    kCache,      // what a decoder remembers of earlier tokens, at first nothing
    kOther,
  };
  Kind kind = Kind::kOther;
  int node = -1;  // its layer
  std::vector<PlainValue> inputs;
  int weight = -1, bias = -1;  // layers of constants, or -1; of a norm, its factors and summands
  bool transposed = false;     // the weight is [in, out], not [out, in]
  // Of attention, and of a product on its way there:
  double bias_factor = 1;         // the bias that counts is so many times the constant
  double scale = 1;               // of scores, all factors taken together
  int64_t width = 0;              // numbers that a score sums over
  int64_t queries = 0, keys = 0;  // rows and columns of the scores
};

const char* KindName(PlainOp::Kind kind);

// A graph as few steps in a model's own terms. Taken off are conversions, paddings by nothing,
// layers that only move data (reshapes, transposes, slices, splits, repeats, caches), and masks.
// Constants that multiply data are moved to where they belong: into attention's scale. Attention is
// one step, however the exporter took it apart. What the plain graph does not understand is an op
// of its own, kOther: an error only for who needs it.
class PlainGraph {
 public:
  // sizes: see IrValues
  PlainGraph(const IrGraph& graph, const IrValues::Sizes& sizes);

  const IrGraph& graph() const { return graph_; }
  const std::vector<PlainOp>& ops() const { return ops_; }
  const PlainOp& op(int index) const { return ops_[static_cast<size_t>(index)]; }
  const PlainOp& op(const PlainValue& value) const { return op(value.op); }
  // What goes out of the graph.
  const std::vector<PlainValue>& results() const { return results_; }

  ConstantFolder& constants() { return constants_; }
  // Shape and small values of a layer's output.
  const IrValue& known(const PlainValue& value) const { return values_.at(value.node, value.port); }
  const IrValue& known(int node) const { return values_.at(node); }
  // Extents of a layer's output. Throws Error(kInvalidModel) if they are not known.
  const std::vector<int64_t>& Shape(const PlainValue& value) const;

  // The outputs of layers from `value` back to its op, which only move data; the op's own is not
  // among them.
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
  // Whether the constant may be the bias, or a norm's factors, of what gives `value`.
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
