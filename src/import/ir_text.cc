#include <algorithm>
#include <cmath>
#include <string>

#include "import/ir_roles.h"

namespace uffizi {
namespace {

using Kind = IrOp::Kind;

constexpr int kPositionOffset = 2;  // rows before position 0 in BART's tables
constexpr const char* kPromptTable = "model.language_model.shared.weight";
constexpr const char* kDecoderTable = "model.language_model.decoder.embed_tokens.weight";

// Whether embeddings are multiplied by sqrt(d_model) after a lookup; no other factor is known.
bool IsScaled(const IrGraph& graph, IrFolder& folder, const IrOp& lookup, int dim) {
  for (const int next : graph.node(lookup.node).consumers) {
    const IrNode& node = graph.node(next);
    if (node.type != "Multiply" || node.inputs.size() != 2) continue;
    const int other = node.inputs[node.inputs[0].node == lookup.node ? 1 : 0].node;
    if (!graph.node(other).constant) continue;
    const std::vector<float> factor = folder.Fold(other).Floats();
    if (factor.size() == 1 && factor[0] == 1.0f) return false;
    if (factor.size() == 1 && std::abs(factor[0] - std::sqrt(dim)) < 1e-2) return true;
    graph.Fail(next, "scales embeddings in a way that Florence-2 does not");
  }
  return false;
}

// Reads BART's encoder or decoder, whose layers are alike.
class BartReader {
 public:
  BartReader(const IrGraph& graph, ImportedModel& model, bool decoder)
      : graph_(graph),
        network_(graph),
        roles_(network_, model),
        text_(model.text),
        decoder_(decoder),
        prefix_(std::string("model.language_model.") + (decoder ? "decoder." : "encoder.")) {}

  void Read() {
    ReadEmbeddings();
    int& layers = decoder_ ? text_.decoder_layers : text_.encoder_layers;
    layers = 0;
    while (AtLayer()) ReadLayer(prefix_ + "layers." + std::to_string(layers++) + ".");
    if (decoder_ && layers == 0) graph_.Fail("has no attention: is not Florence-2's decoder");
    if (layers == 0) text_.encoder_heads = text_.encoder_ffn_dim = 1;
    if (decoder_) ReadOutput();
    roles_.CheckAllTaken(decoder_ ? "decoder" : "text encoder");
    if (!network_.loose_sums().empty()) {
      graph_.Fail(network_.loose_sums()[0], "combines data with a constant that has no place here");
    }
  }

 private:
  // A layer begins with linear layers that attention takes; the output layer is a lone one.
  bool AtLayer() const { return roles_.Sees(Kind::kLinear) && roles_.Sees(Kind::kLinear, 1); }

  void ReadEmbeddings() {
    const std::vector<int> positions = roles_.Lookups(/*from_input=*/false);
    const std::vector<int> tokens = roles_.Lookups(/*from_input=*/true);
    if (positions.size() != 1) graph_.Fail("does not look up positions in one table");
    if (tokens.size() != (decoder_ ? 1 : 0))
      graph_.Fail("does not take the inputs that are expected");
    const int rows = roles_.TakeTable(network_.op(positions[0]), prefix_ + "embed_positions.weight",
                                      text_.d_model);
    if (rows <= kPositionOffset ||
        (text_.max_positions > 0 && text_.max_positions != rows - kPositionOffset)) {
      graph_.Fail(network_.op(positions[0]).node, "has another number of positions than expected");
    }
    text_.max_positions = rows - kPositionOffset;
    if (decoder_) {
      token_lookup_ = &network_.op(tokens[0]);
      text_.vocab_size = roles_.TakeTable(*token_lookup_, kDecoderTable, text_.d_model);
      if (IsScaled(graph_, roles_.folder(), *token_lookup_, text_.d_model) !=
          text_.scale_embedding) {
        graph_.Fail(token_lookup_->node, "scales embeddings otherwise than the text embedding");
      }
    }
    roles_.TakeNorm(roles_.Next(Kind::kNorm, prefix_ + "layernorm_embedding"),
                    prefix_ + "layernorm_embedding", text_.d_model);
  }

  void ReadAttention(const std::string& name, bool cross) {
    const int dim = text_.d_model;
    while (roles_.Sees(Kind::kLinear)) roles_.Next(Kind::kLinear, name);
    const IrOp& attention = roles_.Next(Kind::kAttention, name);
    const IrOp& query = roles_.OnlyLinear(attention.queries, attention, "queries");
    const IrOp& key = roles_.OnlyLinear(attention.keys, attention, "keys");
    const IrOp& value = roles_.OnlyLinear(attention.values, attention, "values");
    if (&query == &key || &key == &value || &query == &value) {
      graph_.Fail(attention.node, "queries, keys and values come from one linear layer");
    }
    for (const IrOp* op : {&key, &value}) {
      const bool on_input =
          op->sources.size() == 1 && network_.op(op->sources[0]).kind == Kind::kInput;
      if (on_input != cross) {
        graph_.Fail(op->node, std::string("projects ") +
                                  (cross ? "no encoder states" : "an input") + " for " + name);
      }
    }
    const IrOp& out = roles_.Next(Kind::kLinear, name + ".out_proj");
    roles_.TakeLinear(query, name + ".q_proj", dim, dim);
    roles_.TakeLinear(key, name + ".k_proj", dim, dim);
    roles_.TakeLinear(value, name + ".v_proj", dim, dim);
    roles_.TakeLinear(out, name + ".out_proj", dim, dim);
    Agree(attention, roles_.Heads(query, attention, dim, /*fused=*/false),
          decoder_ ? text_.decoder_heads : text_.encoder_heads);
    roles_.TakeNorm(roles_.Next(Kind::kNorm, name + "_layer_norm"), name + "_layer_norm", dim);
  }

  void ReadLayer(const std::string& name) {
    ReadAttention(name + "self_attn", /*cross=*/false);
    if (decoder_) ReadAttention(name + "encoder_attn", /*cross=*/true);
    const IrOp& fc1 = roles_.Next(Kind::kLinear, name + "fc1");
    const IrOp& fc2 = roles_.Next(Kind::kLinear, name + "fc2");
    if (!fc2.after_gelu) graph_.Fail(fc2.node, "has no GELU before it");
    const int hidden = roles_.TakeLinear(fc1, name + "fc1", 0, text_.d_model).out;
    Agree(fc1, hidden, decoder_ ? text_.decoder_ffn_dim : text_.encoder_ffn_dim);
    roles_.TakeLinear(fc2, name + "fc2", text_.d_model, hidden);
    roles_.TakeNorm(roles_.Next(Kind::kNorm, name + "final_layer_norm"), name + "final_layer_norm",
                    text_.d_model);
  }

  void Agree(const IrOp& op, int found, int& known) const {
    if (known != 0 && known != found) graph_.Fail(op.node, "differs in size from the other layers");
    known = found;
  }

  void ReadOutput() {
    const IrOp& head = roles_.Next(Kind::kLinear, "lm_head");
    const bool tied = head.weight == token_lookup_->weight &&
                      graph_.node(head.node).Attribute("transpose_b") == "true";
    if (!tied) roles_.TakeLinear(head, "lm_head", text_.vocab_size, text_.d_model, false);
    if (head.bias >= 0) {
      roles_.Put("model.language_model.final_logits_bias", {1, text_.vocab_size},
                 roles_.folder().Fold(head.bias).Floats());
    }
  }

  const IrGraph& graph_;
  IrNetwork network_;
  IrRoles roles_;
  TextConfig& text_;
  bool decoder_;
  std::string prefix_;
  const IrOp* token_lookup_ = nullptr;
};

}  // namespace

void ReadTextEmbeddingGraph(const IrGraph& graph, ImportedModel& model) {
  const IrNetwork network(graph);
  IrRoles roles(network, model);
  const std::vector<int> lookups = roles.Lookups(/*from_input=*/true);
  if (lookups.size() != 1) graph.Fail("does not look up token ids in one table");
  const IrOp& lookup = network.op(lookups[0]);
  roles.TakeTable(lookup, kPromptTable, 0);
  model.text.d_model = static_cast<int>(model.tensors[kPromptTable].shape[1]);
  model.text.scale_embedding = IsScaled(graph, roles.folder(), lookup, model.text.d_model);
  roles.CheckAllTaken("text embedding");
}

void ReadEncoderGraph(const IrGraph& graph, ImportedModel& model) {
  BartReader(graph, model, /*decoder=*/false).Read();
}

void ReadDecoderGraph(const IrGraph& graph, ImportedModel& model) {
  BartReader(graph, model, /*decoder=*/true).Read();
  // The artifact has a table of its own for the prompt; nearly always it holds the same.
  const ImportedTensor& prompt = model.tensors.at(kPromptTable);
  const ImportedTensor& decoder = model.tensors.at(kDecoderTable);
  if (prompt.shape != decoder.shape) {
    graph.Fail("looks up tokens in a table of another shape than the text embedding");
  }
  if (prompt.value == decoder.value) model.tensors.erase(kDecoderTable);
}

}  // namespace uffizi
