// Reads BART's encoder and decoder, and the token embedding.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "import/layer_matcher.h"

namespace uffizi {
namespace {

using Kind = PlainOp::Kind;

constexpr int kPositionOffset = 2;  // rows before position 0 in BART's tables
constexpr size_t kMaxLayers = 1000;
constexpr const char* kPromptTable = "model.language_model.shared.weight";
constexpr const char* kDecoderTable = "model.language_model.decoder.embed_tokens.weight";

// Example sizes: one sequence of `tokens`, with a mask over `states`.
IrValues::Sizes SomeTokens(int64_t tokens, int64_t states, int64_t d_model) {
  return [=](const IrNode& parameter) -> std::vector<int64_t> {
    const size_t rank = parameter.outputs[0].shape.size();
    if (rank == 1) return {1};
    if (rank == 3) return {1, states, d_model};
    return {1, parameter.name.find("mask") == std::string::npos ? tokens : states};
  };
}

// Reads BART's encoder or decoder, whose layers are similar.
class BartReader {
 public:
  BartReader(ImportedGraph& graph, ImportedModel& model, bool decoder)
      : match_(graph, model, SomeTokens(decoder ? 1 : 2, 2, model.text.d_model)),
        text_(model.text),
        decoder_(decoder),
        prefix_(std::string("model.language_model.") + (decoder ? "decoder." : "encoder.")) {}

  void Read() {
    PlainValue states = match_.Result();
    if (decoder_) states = ReadOutput(states);
    // From the last layer to the first.
    std::vector<Layer> layers;
    while (!IsEmbedding(states)) {
      if (layers.size() == kMaxLayers) match_.source().graph.Fail("has too many layers");
      states = MatchLayer(states, layers.emplace_back());
    }
    std::reverse(layers.begin(), layers.end());
    (decoder_ ? text_.decoder_layers : text_.encoder_layers) = static_cast<int>(layers.size());
    if (layers.empty()) {
      if (decoder_) match_.source().graph.Fail("has no attention: is not Florence-2's decoder");
      text_.encoder_heads = text_.encoder_ffn_dim = 1;
    }
    ReadEmbedding(states);
    for (size_t i = 0; i < layers.size(); ++i) {
      TakeLayer(layers[i], prefix_ + "layers." + std::to_string(i) + ".");
    }
  }

 private:
  // An attention or feed-forward block, with the norm after it.
  struct AttentionBlock {
    LayerMatcher::Attention attention;
    const PlainOp *out, *norm;
  };
  struct Layer {
    AttentionBlock self, cross;
    const PlainOp *fc1, *fc2, *norm;
  };

  // The first norm's input is a sum with positions, that of others a sum with a layer's output.
  bool IsEmbedding(const PlainValue& states) const {
    const PlainOp& norm = match_.Expect(states, Kind::kNorm, "of a layer's states");
    const PlainOp& sum =
        match_.Expect(match_.Input(norm), Kind::kAdd, "before the layer norm of a layer");
    return !match_.Is(sum.inputs[0], Kind::kLinear) && !match_.Is(sum.inputs[1], Kind::kLinear);
  }

  PlainValue MatchLayer(const PlainValue& states, Layer& layer) const {
    layer.norm = &match_.Expect(states, Kind::kNorm, "final_layer_norm");
    const auto [past, fc2] = match_.ExpectResidual(match_.Input(*layer.norm), Kind::kLinear,
                                                   "a layer's feed-forward network");
    layer.fc2 = fc2;
    const PlainOp& gelu = match_.Expect(match_.Input(*fc2), Kind::kGelu, "before fc2");
    layer.fc1 = &match_.Expect(match_.Input(gelu), Kind::kLinear, "fc1");
    match_.ExpectSame(match_.Input(*layer.fc1), past, "fc1");
    PlainValue before = past;
    if (decoder_) before = MatchAttention(before, layer.cross, "encoder_attn");
    return MatchAttention(before, layer.self, "self_attn");
  }

  PlainValue MatchAttention(const PlainValue& states, AttentionBlock& block,
                            const std::string& name) const {
    block.norm = &match_.Expect(states, Kind::kNorm, name + "_layer_norm");
    const auto [past, out] = match_.ExpectResidual(match_.Input(*block.norm), Kind::kLinear, name);
    block.out = out;
    block.attention = match_.ExpectAttention(match_.Input(*out), name);
    const auto& [op, query, key, value] = block.attention;
    if (query == key || key == value || query == value) {
      match_.Fail(*op, "takes queries, keys and values from one linear layer");
    }
    match_.ExpectSame(match_.Input(*query), past, name + ".q_proj");
    for (const PlainOp* projection : {key, value}) {
      if (name == "self_attn") {
        match_.ExpectSame(match_.Input(*projection), past, name);
      } else {
        match_.Expect(match_.Input(*projection), Kind::kInput, "of encoder states");
      }
    }
    return past;
  }

  void TakeAttention(const AttentionBlock& block, const std::string& name) {
    const int dim = text_.d_model;
    const auto& [op, query, key, value] = block.attention;
    const double factor = match_.QueryFactor(*op);
    match_.TakeLinear(*query, name + ".q_proj", dim, dim, true, factor);
    match_.TakeLinear(*key, name + ".k_proj", dim, dim);
    match_.TakeLinear(*value, name + ".v_proj", dim, dim);
    match_.TakeLinear(*block.out, name + ".out_proj", dim, dim);
    match_.TakeNorm(*block.norm, name + "_layer_norm", dim);
    if (op->width < 1 || dim % op->width != 0) {
      match_.Fail(*op, "has heads of " + std::to_string(op->width) + ", which do not divide " +
                           std::to_string(dim));
    }
    const int heads = static_cast<int>(dim / op->width);
    match_.ExpectHeads(*op, heads, op->width);
    match_.Agree(*op, heads, decoder_ ? text_.decoder_heads : text_.encoder_heads);
  }

  void TakeLayer(const Layer& layer, const std::string& name) {
    TakeAttention(layer.self, name + "self_attn");
    if (decoder_) TakeAttention(layer.cross, name + "encoder_attn");
    const int hidden = match_.TakeLinear(*layer.fc1, name + "fc1", 0, text_.d_model).out;
    match_.Agree(*layer.fc1, hidden, decoder_ ? text_.decoder_ffn_dim : text_.encoder_ffn_dim);
    match_.TakeLinear(*layer.fc2, name + "fc2", text_.d_model, hidden);
    match_.TakeNorm(*layer.norm, name + "final_layer_norm", text_.d_model);
  }

  void ReadEmbedding(const PlainValue& states) {
    const PlainOp& norm = match_.Expect(states, Kind::kNorm, "layernorm_embedding");
    const PlainOp& sum = match_.Expect(match_.Input(norm), Kind::kAdd, "of tokens and positions");
    // Positions depend only on sizes, tokens do not.
    const bool first = IsPositions(sum.inputs[0]);
    const PlainValue &tokens = sum.inputs[first ? 1 : 0], &rows = sum.inputs[first ? 0 : 1];
    const PlainOp& positions = match_.Expect(rows, Kind::kLookup, "of positions");
    ReadPositions(positions);
    if (decoder_) {
      const PlainOp& lookup = match_.ExpectScaled(tokens, Kind::kLookup, "of tokens");
      match_.Expect(match_.Input(lookup), Kind::kInput, "of token ids");
      ReadTokens(lookup, tokens.scale);
    } else {
      match_.Expect(tokens, Kind::kInput, "of vectors");
    }
    match_.TakeNorm(norm, prefix_ + "layernorm_embedding", text_.d_model);
  }

  bool IsPositions(const PlainValue& value) const {
    return match_.Is(value, Kind::kLookup) && match_.Input(match_.plain().op(value)).op < 0;
  }

  void ReadPositions(const PlainOp& lookup) {
    const int rows = match_.TakeTable(lookup, prefix_ + "embed_positions.weight", text_.d_model);
    const auto& ids = match_.plain().known(match_.Input(lookup)).values;
    if (ids && !ids->empty() && ids->front() != kPositionOffset) {
      match_.Fail(lookup, "begins with row " + std::to_string(static_cast<int>(ids->front())) +
                              " of the positions, not with row " + std::to_string(kPositionOffset));
    }
    if (rows <= kPositionOffset) match_.Fail(lookup, "has too few positions");
    match_.Agree(lookup, rows - kPositionOffset, text_.max_positions);
  }

  void ReadTokens(const PlainOp& lookup, double scale) {
    text_.vocab_size = match_.TakeTable(lookup, kDecoderTable, text_.d_model);
    if (IsScaled(match_, lookup, scale, text_.d_model) != text_.scale_embedding) {
      match_.Fail(lookup, "scales embeddings differently from the text embedding");
    }
    const ImportedTensor& table = match_.model().tensors.at(kDecoderTable);
    const auto head = match_.model().tensors.find("lm_head.weight");
    // Exporters may write one table twice.
    const bool tied = head->second.node == table.node && !head->second.transposed;
    if (head->second.shape != table.shape) {
      match_.Fail(lookup, "has " + std::to_string(text_.vocab_size) +
                              " tokens, and the output layer " +
                              std::to_string(head->second.shape[0]));
    }
    if (tied || head->second.Weight() == table.Weight()) match_.model().tensors.erase(head);
  }

  // The output layer, and final_logits_bias.
  PlainValue ReadOutput(const PlainValue& logits) {
    const PlainOp& head = match_.Expect(logits, Kind::kLinear, "lm_head");
    PlainOp bare = head;
    bare.bias = -1;
    const int vocabulary =
        match_.TakeLinear(bare, "lm_head", 0, text_.d_model, /*with_bias=*/false).out;
    if (head.bias >= 0) {
      match_.TakeVector(head, head.bias, "model.language_model.final_logits_bias", {1, vocabulary},
                        0.0f, head.bias_factor);
    }
    return match_.Input(head);
  }

 public:
  // Whether embeddings are multiplied by sqrt(d_model) after a lookup; no other factor is known.
  static bool IsScaled(const LayerMatcher& match, const PlainOp& lookup, double scale, int dim) {
    if (scale == 1) return false;
    if (std::abs(scale - std::sqrt(dim)) < 1e-2) return true;
    match.Fail(lookup, "scales embeddings in a way that Florence-2 does not");
  }

 private:
  LayerMatcher match_;
  TextConfig& text_;
  bool decoder_;
  std::string prefix_;
};

// Whether two tables have the same content, possibly with different rounding.
bool IsSameTable(const ImportedTensor& a, const ImportedTensor& b) {
  return a.Weight() == b.Weight();
}

}  // namespace

void ReadTextEmbeddingGraph(ImportedGraph& graph, ImportedModel& model) {
  LayerMatcher match(graph, model, SomeTokens(2, 2, 0));
  const PlainValue& result = match.Result();
  const PlainOp& lookup = match.ExpectScaled(result, Kind::kLookup, "of tokens");
  match.Expect(match.Input(lookup), Kind::kInput, "of token ids");
  match.TakeTable(lookup, kPromptTable, 0);
  model.text.d_model = static_cast<int>(model.tensors[kPromptTable].shape[1]);
  model.text.scale_embedding =
      BartReader::IsScaled(match, lookup, result.scale, model.text.d_model);
}

void ReadEncoderGraph(ImportedGraph& graph, ImportedModel& model) {
  BartReader(graph, model, /*decoder=*/false).Read();
}

void ReadDecoderGraph(ImportedGraph& graph, ImportedModel& model) {
  BartReader(graph, model, /*decoder=*/true).Read();
  // The artifact has a separate table for the prompt, almost always with the same content.
  const ImportedTensor& prompt = model.tensors.at(kPromptTable);
  const ImportedTensor& decoder = model.tensors.at(kDecoderTable);
  if (prompt.shape != decoder.shape) {
    graph.graph.Fail("looks up tokens in a table whose shape differs from the text embedding");
  }
  if (IsSameTable(prompt, decoder)) model.tensors.erase(kDecoderTable);
}

}  // namespace uffizi
