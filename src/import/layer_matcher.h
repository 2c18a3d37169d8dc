#ifndef UFFIZI_IMPORT_LAYER_MATCHER_H_
#define UFFIZI_IMPORT_LAYER_MATCHER_H_

#include <string>
#include <utility>
#include <vector>

#include "import/imported_model.h"
#include "import/plain_graph.h"

namespace uffizi {

// Florence-2's layers, found in a plain graph from its result back to its inputs, and their weights
// taken under the layers' names. Whatever does not fit is an error that names the graph's layer and
// what was expected.
class LayerMatcher {
 public:
  using Kind = PlainOp::Kind;

  // sizes: see IrValues
  LayerMatcher(ImportedGraph& source, ImportedModel& model, const IrValues::Sizes& sizes)
      : source_(source), plain_(source.graph, sizes), model_(model) {}

  const PlainGraph& plain() const { return plain_; }
  ImportedModel& model() { return model_; }
  // What the graph gives; it must give one thing only.
  const PlainValue& Result() const;

  // Whether a value is what such an op gives.
  bool Is(const PlainValue& value, Kind kind) const {
    return value.op >= 0 && plain_.op(value).kind == kind;
  }
  // The op of a value, which must be of this kind and not scaled; `what` is for the message.
  const PlainOp& Expect(const PlainValue& value, Kind kind, const std::string& what) const;
  // The same, scaled or not.
  const PlainOp& ExpectScaled(const PlainValue& value, Kind kind, const std::string& what) const;
  // The one value that an op computes from.
  const PlainValue& Input(const PlainOp& op) const { return op.inputs[0]; }

  // A sum of what a branch gives, whose last op is of this kind, and of what goes past it.
  struct Residual {
    PlainValue past;
    const PlainOp* branch;
  };
  Residual ExpectResidual(const PlainValue& value, Kind kind, const std::string& what) const;
  // Throws unless `value` is `expected`.
  void ExpectSame(const PlainValue& value, const PlainValue& expected,
                  const std::string& what) const;

  // Queries, keys and values that attention takes from linear layers.
  struct Attention {
    const PlainOp* op;
    const PlainOp *query, *key, *value;
  };
  Attention ExpectAttention(const PlainValue& value, const std::string& what) const;
  // What the queries must be multiplied with so that the model's own scale, width^-0.5, is right;
  // 1 if it is, up to half precision.
  double QueryFactor(const PlainOp& attention) const;
  // Throws unless a linear layer's output is cut into `heads` before it reaches attention.
  void ExpectHeads(const PlainOp& attention, int64_t heads, int64_t width) const;

  // Each takes weights into the model, under NAME.weight and NAME.bias. A shape that is known (> 0)
  // is checked; a missing bias is zeros.
  struct MatrixShape {
    int out, in;
  };
  MatrixShape TakeLinear(const PlainOp& op, const std::string& name, int out, int in,
                         bool with_bias = true, double factor = 1);
  void TakeNorm(const PlainOp& op, const std::string& name, int dim);
  // [rows, dim]; returns rows
  int TakeTable(const PlainOp& lookup, const std::string& name, int dim);
  // `shape` is what the folder keeps.
  void TakeConvolution(const PlainOp& op, const std::string& name,
                       const std::vector<int64_t>& shape);
  // NAME itself: `size` values of a constant, or `fill` if there is none.
  void TakeVector(const PlainOp& op, int constant, const std::string& name,
                  std::vector<int64_t> shape, float fill, double factor = 1);
  void Put(const std::string& name, ImportedTensor tensor) {
    model_.tensors[name] = std::move(tensor);
  }

  // Notes a size that must be the same wherever it is found.
  void Agree(const PlainOp& op, int found, int& known) const;
  [[noreturn]] void Fail(const PlainOp& op, const std::string& reason) const {
    source_.graph.Fail(op.node, reason);
  }
  ImportedGraph& source() { return source_; }

 private:
  MatrixShape ShapeOfMatrix(const PlainOp& op, const std::string& name) const;

  ImportedGraph& source_;
  PlainGraph plain_;
  ImportedModel& model_;
};

// image_embedding: pixels to image tokens.
void ReadVisionGraph(ImportedGraph& graph, ImportedModel& model);
// text_embedding: ids to vectors. The others need its sizes.
void ReadTextEmbeddingGraph(ImportedGraph& graph, ImportedModel& model);
// encoder: vectors to states.
void ReadEncoderGraph(ImportedGraph& graph, ImportedModel& model);
// decoder: ids and states to logits.
void ReadDecoderGraph(ImportedGraph& graph, ImportedModel& model);

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_LAYER_MATCHER_H_
