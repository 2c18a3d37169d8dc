#ifndef UFFIZI_MODEL_BART_H_
#define UFFIZI_MODEL_BART_H_

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/config.h"
#include "checkpoint/weight_reader.h"
#include "core/arena.h"
#include "model/kv_cache.h"
#include "model/linear.h"

namespace uffizi {

// A token embedding table. In quantized arithmetic the mean of all rows is subtracted and the
// columns are scaled, so that eight bits represent them well.
struct TokenTable {
  WeightMatrix rows;                   // [vocab, d_model]
  FloatTensor factor;                  // [d_model] f32, multiplies the columns; or empty
  FloatTensor mean;                    // [d_model] f32, of all rows, added after that; or empty
  std::vector<LowRank> products = {};  // of adapters, added last

  // out: [d_model] f32
  void Row(int token, float* out) const;
};

// Maps token ids to vectors, and vectors to logits, whether or not both use the same matrix.
struct TokenEmbedding {
  TokenTable prompt;                      // of the prompt's tokens
  TokenTable decoder;                     // of the decoder's tokens; almost always the same matrix
  Linear output;                          // d_model to vocab
  std::string prompt_name, decoder_name;  // of their matrices, in files
  FloatTensor mean;    // [d_model] f32, of the rows of `output`, subtracted from it; or empty
  float scale = 1.0f;  // of the embeddings

  static TokenEmbedding Read(const WeightReader& reader, const ModelConfig& config);
  // Adds an adapter's product to every use of the matrix of this name. Returns its size in bytes.
  size_t Add(const std::string& name, const LoraChange& change);
  // table: `prompt` or `decoder`; out: [ids.size(), d_model] f32
  void Forward(const TokenTable& table, std::span<const int> ids, float* out) const;
  // hidden: [rows, d_model] f32; logits: [rows, vocab] f32
  void Logits(const float* hidden, size_t rows, float* logits, Arena& arena) const;
};

// Learned absolute positions; BART stores position p in row p + 2.
struct PositionEmbedding {
  FloatTensor table;  // [positions + 2, dim] f32
  size_t dim;

  static PositionEmbedding Read(const WeightReader& reader, const std::string& name,
                                const TextConfig& config);
  // x += embedding of `position`. x: [dim] f32
  void Add(size_t position, float* x) const;
};

// The projections around multi-head attention.
struct AttentionWeights {
  Linear q, k, v, out;

  void ForEachLinear(const std::function<void(Linear&)>& visit);

  static AttentionWeights Read(const WeightReader& reader, const std::string& prefix, int dim);
};

// The text encoder: prompt and image tokens in, states for the decoder out. Layers normalize after
// each residual sum ("post-norm"), as BART's do.
class BartEncoder {
 public:
  static BartEncoder Read(const WeightReader& reader, const ModelConfig& config);
  void ForEachLinear(const std::function<void(Linear&)>& visit);

  // states: [tokens, d_model] f32; image tokens and token embeddings on entry
  void Forward(float* states, size_t tokens, Arena& arena) const;

 private:
  struct Layer {
    AttentionWeights attention;
    Norm attention_norm;
    Mlp mlp;
    Norm mlp_norm;
  };
  size_t heads_ = 0;
  bool bf16_attention_ = false;
  PositionEmbedding positions_{};
  Norm embedding_norm_;
  std::vector<Layer> layers_;
};

// The text decoder, which processes one token per row and step.
class BartDecoder {
 public:
  // A row of a step. The rows of one step may belong to different sequences and be at different
  // positions.
  struct Row {
    int token;
    SelfCache* self;     // the sequence's past
    int slot;            // of that cache, for the row's new key and value
    size_t position;     // of the token in its sequence
    const int* history;  // [position + 1] the slot that holds each position; the last is `slot`
    const CrossCache* cross;  // the sequence's encoder states, projected
  };

  static BartDecoder Read(const WeightReader& reader, const ModelConfig& config);
  void ForEachLinear(const std::function<void(Linear&)>& visit);

  // Projects encoder states to every layer's cross-attention keys and values, once per sequence.
  // The result is in `memory` until its innermost scope ends. `memory` may be `scratch` itself.
  // states: [tokens, d_model] f32
  CrossCache MakeCrossCache(const float* states, size_t tokens, Arena& memory,
                            Arena& scratch) const;

  // hidden: [rows.size(), d_model] f32; token embeddings on entry, the output layer's input on
  // return. Rows of one sequence should be adjacent, since they share its caches.
  void Step(std::span<const Row> rows, float* hidden, Arena& arena) const;

  size_t layers() const { return layers_.size(); }

 private:
  struct Layer {
    AttentionWeights self_attention;
    Norm self_norm;
    AttentionWeights cross_attention;
    Norm cross_norm;
    Mlp mlp;
    Norm mlp_norm;
  };
  void SelfAttention(const Layer& layer, size_t index, std::span<const Row> rows, float* hidden,
                     Arena& arena) const;
  void AttendToEncoder(const Layer& layer, size_t index, std::span<const Row> rows, float* hidden,
                       Arena& arena) const;

  size_t heads_ = 0;
  bool i8_cross_cache_ = false;
  PositionEmbedding positions_{};
  Norm embedding_norm_;
  std::vector<Layer> layers_;
};

}  // namespace uffizi

#endif  // UFFIZI_MODEL_BART_H_
