#ifndef UFFIZI_IMPORT_LAYER_MATCHER_H_
#define UFFIZI_IMPORT_LAYER_MATCHER_H_

#include <string>
#include <utility>
#include <vector>

#include "import/imported_model.h"
#include "import/plain_graph.h"

namespace uffizi {

// Matches Florence-2's layers in a plain graph, from its result back to its inputs, and stores
// their weights under the layers' names. A mismatch is an error that names the graph's layer and
// what was expected.
class LayerMatcher {
 public:
  using Kind = PlainOp::Kind;

  // sizes: see IrValues
  LayerMatcher(ImportedGraph& source, ImportedModel& model, const IrValues::Sizes& sizes)
      : source_(source), plain_(source.graph, sizes), model_(model) {}

  const PlainGraph& plain() const { return plain_; }
  ImportedModel& model() { return model_; }
  // The graph's result; it must have exactly one.
  const PlainValue& Result() const;

  // Whether a value is the output of such an op.
  bool Is(const PlainValue& value, Kind kind) const {
    return value.op >= 0 && plain_.op(value).kind == kind;
  }
  // The op of a value, which must be of this kind and not scaled; `what` is used in the message.
  const PlainOp& Expect(const PlainValue& value, Kind kind, const std::string& what) const;
  // Like Expect(), but the value may be scaled.
  const PlainOp& ExpectScaled(const PlainValue& value, Kind kind, const std::string& what) const;
  // The only input of an op.
  const PlainValue& Input(const PlainOp& op) const { return op.inputs[0]; }

  // A residual sum: a branch, whose last op is of this kind, plus its input.
  struct Residual {
    PlainValue past;
    const PlainOp* branch;
  };
  Residual ExpectResidual(const PlainValue& value, Kind kind, const std::string& what) const;
  // Throws unless `value` is `expected`.
  void ExpectSame(const PlainValue& value, const PlainValue& expected,
                  const std::string& what) const;

  // Queries, keys and values of an attention, which come from linear layers.
  struct Attention {
    const PlainOp* op;
    const PlainOp *query, *key, *value;
  };
  Attention ExpectAttention(const PlainValue& value, const std::string& what) const;
  // The factor by which the queries must be multiplied so that the model's own scale, width^-0.5,
  // is right; 1 if it already is, up to half precision.
  double QueryFactor(const PlainOp& attention) const;
  // Throws unless a linear layer's output is split into `heads` before attention.
  void ExpectHeads(const PlainOp& attention, int64_t heads, int64_t width) const;

  // Each adds weights to the model, under NAME.weight and NAME.bias. A known shape (> 0) is
  // checked; a missing bias is zeros.
  struct MatrixShape {
    int out, in;
  };
  MatrixShape TakeLinear(const PlainOp& op, const std::string& name, int out, int in,
                         bool with_bias = true, double factor = 1);
  void TakeNorm(const PlainOp& op, const std::string& name, int dim);
  // [rows, dim]; returns rows
  int TakeTable(const PlainOp& lookup, const std::string& name, int dim);
  // `shape` is that in the folder.
  void TakeConvolution(const PlainOp& op, const std::string& name,
                       const std::vector<int64_t>& shape);
  // NAME itself: `size` values of a constant, or `fill` if there is none.
  void TakeVector(const PlainOp& op, int constant, const std::string& name,
                  std::vector<int64_t> shape, float fill, double factor = 1);
  void Put(const std::string& name, ImportedTensor tensor) {
    model_.tensors[name] = std::move(tensor);
  }

  // Records a size, which must be the same everywhere it occurs.
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
// text_embedding: ids to vectors. The other graphs need its sizes.
void ReadTextEmbeddingGraph(ImportedGraph& graph, ImportedModel& model);
// encoder: vectors to states.
void ReadEncoderGraph(ImportedGraph& graph, ImportedModel& model);
// decoder: ids and states to logits.
void ReadDecoderGraph(ImportedGraph& graph, ImportedModel& model);

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_LAYER_MATCHER_H_
