#ifndef UFFIZI_IMPORT_IR_ROLES_H_
#define UFFIZI_IMPORT_IR_ROLES_H_

#include <string>
#include <vector>

#include "import/imported_model.h"
#include "import/ir_network.h"

namespace uffizi {

// Walks a network's ops in the order of Florence-2's layers and takes their weights under the
// layers' names. Whatever does not fit is an error that names the graph's layer.
class IrRoles {
 public:
  // Ops with weights are walked in the graph's order, without lookups and without the linear layers
  // that stand directly on the graph's inputs: those are taken where they are used.
  IrRoles(const IrNetwork& network, ImportedModel& model);

  // The next op, which must be of this kind and depend on the one before; `what` is for messages.
  const IrOp& Next(IrOp::Kind kind, const std::string& what);
  // Whether there is a next op, of this kind.
  bool Sees(IrOp::Kind kind, size_t ahead = 0) const;
  int index_of(const IrOp& op) const { return static_cast<int>(&op - network_.ops().data()); }
  // The linear layer among ops, which must be the only one.
  const IrOp& OnlyLinear(const std::vector<int>& ops, const IrOp& attention,
                         const char* what) const;
  // The lookups whose indices come from an input of the graph, or from none.
  std::vector<int> Lookups(bool from_input) const;

  // Each takes an op's weights into the model, under NAME.weight and NAME.bias. A shape that is
  // known is checked; a missing bias is zeros.
  struct MatrixShape {
    int out, in;
  };
  MatrixShape TakeLinear(const IrOp& op, const std::string& name, int out, int in,
                         bool with_bias = true);
  void TakeNorm(const IrOp& op, const std::string& name, int dim);
  // [rows, dim]; returns rows
  int TakeTable(const IrOp& lookup, const std::string& name, int dim);
  // Square convolutions; `shape` is what the folder keeps.
  void TakeConvolution(const IrOp& op, const std::string& name, const std::vector<int64_t>& shape);

  // The heads that a linear layer's output is cut into before attention.
  int Heads(const IrOp& linear, const IrOp& attention, int dim, bool fused) const;
  // Throws if any op or constant of the graph was not taken.
  void CheckAllTaken(const char* part) const;

  IrFolder& folder() { return folder_; }
  void Put(const std::string& name, std::vector<int64_t> shape, std::vector<float> values);
  void MarkTaken(const IrOp& op) { taken_[static_cast<size_t>(index_of(op))] = true; }

 private:
  void PutWeight(const IrOp& op, const std::string& name, IrWeight weight);
  void PutVector(int node, const IrOp& op, const std::string& name, int size, float fallback);

  const IrNetwork& network_;
  IrFolder folder_;
  ImportedModel& model_;
  std::vector<int> chain_;  // ops in walking order
  size_t next_ = 0;
  std::vector<bool> taken_;  // [ops]
};

// image_embedding: pixels to image tokens.
void ReadVisionGraph(const IrGraph& graph, ImportedModel& model);
// text_embedding: ids to vectors.
void ReadTextEmbeddingGraph(const IrGraph& graph, ImportedModel& model);
// encoder: vectors to states.
void ReadEncoderGraph(const IrGraph& graph, ImportedModel& model);
// decoder: ids and states to logits.
void ReadDecoderGraph(const IrGraph& graph, ImportedModel& model);

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_IR_ROLES_H_
