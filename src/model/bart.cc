#include "model/bart.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/parallel.h"

namespace uffizi {
namespace {

constexpr int kPositionOffset = 2;  // rows before position 0 in BART's tables

float HeadScale(size_t dim, size_t heads) {
  return 1.0f / std::sqrt(static_cast<float>(dim / heads));
}

// Subtracts the mean of all rows and returns it. values: [rows, columns]
FloatTensor TakeMean(LargeVector<float>& values, size_t columns) {
  const size_t rows = values.size() / columns;
  std::vector<float> mean(columns);
  ParallelFor(columns, 64, [&](size_t begin, size_t end) {
    std::vector<double> sums(end - begin);
    for (size_t r = 0; r < rows; ++r) {
      const float* row = values.data() + r * columns;
      for (size_t c = begin; c < end; ++c) sums[c - begin] += double{row[c]};
    }
    for (size_t c = begin; c < end; ++c) {
      mean[c] = static_cast<float>(sums[c - begin] / static_cast<double>(rows));
    }
  });
  ParallelFor(rows, 64, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) {
      for (size_t c = 0; c < columns; ++c) values[r * columns + c] -= mean[c];
    }
  });
  return FloatTensor(std::move(mean));
}

TokenTable ReadTable(const WeightReader& reader, const std::string& name, int vocab, int dim) {
  if (reader.smoothing() == nullptr || reader.StaysQuantized(name)) {
    return {reader.Matrix(name, vocab, dim, WeightBits::kWide), {}, {}};
  }
  LargeVector<float> values = reader.Floats(name, {vocab, dim}).Take();
  FloatTensor mean = TakeMean(values, static_cast<size_t>(dim));
  return {reader.Matrix(FloatTensor(std::move(values)), vocab, dim, WeightBits::kWide), {}, mean};
}

// The output layer, and its rows as vectors of tokens.
struct Head {
  LinearWeights layer;
  TokenTable table;
};

Head ReadHead(const WeightReader& reader, const std::string& name, int vocab, int dim,
              FloatTensor bias) {
  Smoothing* smoothing = reader.smoothing();
  if (smoothing == nullptr) {
    const WeightMatrix rows = reader.Matrix(name, vocab, dim, WeightBits::kWide);
    return {{rows, std::move(bias), {}, {}}, {rows, {}, {}}};
  }
  if (auto stored = reader.Quantized(name, vocab, dim)) {
    LinearWeights layer = SmoothLinear(reader, std::move(*stored), std::move(bias),
                                       smoothing->Input("lm_head.weight"));
    return {layer, {layer.weight, {}, {}}};
  }
  LargeVector<float> values = reader.Floats(name, {vocab, dim}).Take();
  FloatTensor mean = TakeMean(values, static_cast<size_t>(dim));
  const InputSmoothing input =
      smoothing->InputOf("lm_head.weight", values.data(), static_cast<size_t>(vocab),
                         static_cast<size_t>(dim), {8, 64});
  LinearWeights layer = SmoothLinear(reader, FloatTensor(std::move(values)), vocab, dim,
                                     std::move(bias), WeightBits::kWide, input);
  return {layer, {layer.weight, input.factor, mean}};
}

}  // namespace

void TokenTable::Row(int token, float* out) const {
  rows.Row(static_cast<size_t>(token), out);
  for (size_t c = 0; c < factor.size(); ++c) out[c] *= factor.data()[c];
  for (size_t c = 0; c < mean.size(); ++c) out[c] += mean.data()[c];
  const size_t dim = rows.columns();
  for (const LowRank& product : products) {
    for (size_t r = 0; r < product.rank; ++r) {
      const float weight = product.b.data()[r * rows.rows() + static_cast<size_t>(token)];
      for (size_t c = 0; c < dim; ++c) out[c] += weight * product.a.data()[r * dim + c];
    }
  }
}

TokenEmbedding TokenEmbedding::Read(const WeightReader& reader, const ModelConfig& config) {
  const int vocab = config.text.vocab_size, dim = config.text.d_model;
  const std::string language = "model.language_model.";
  TokenEmbedding embedding;
  const std::string prompt = embedding.prompt_name = reader.Holder(language + "shared.weight");
  const std::string decoder = embedding.decoder_name =
      reader.Holder(language + "decoder.embed_tokens.weight");
  const std::string head_name = reader.Holder("lm_head.weight");
  if (config.text.scale_embedding) embedding.scale = std::sqrt(static_cast<float>(dim));
  FloatTensor bias;
  // Only Microsoft's files have one.
  const std::string bias_name = language + "final_logits_bias";
  if (reader.Has(bias_name)) bias = reader.Floats(bias_name, {1, vocab});
  if (!reader.Has(prompt)) reader.Fail(prompt, "missing");
  Head head = ReadHead(reader, head_name, vocab, dim, std::move(bias));
  const auto table = [&](const std::string& name) {
    return name == head_name ? head.table : ReadTable(reader, name, vocab, dim);
  };
  embedding.prompt = table(prompt);
  embedding.decoder = decoder == prompt ? embedding.prompt : table(decoder);
  embedding.mean = head.table.mean;
  embedding.output = Linear(std::move(head.layer), head_name);
  return embedding;
}

size_t TokenEmbedding::Add(const std::string& name, const LoraChange& change) {
  // Nothing is folded into these matrices' products, so one serves all uses.
  const LowRank product = SmoothProduct({}, change);
  if (prompt_name == name) prompt.products.push_back(product);
  if (decoder_name == name) decoder.products.push_back(product);
  if (output.name() == name) output.Add(product);
  return product.bytes();
}

void TokenEmbedding::Forward(const TokenTable& table, std::span<const int> ids, float* out) const {
  const size_t dim = table.rows.columns();
  for (size_t i = 0; i < ids.size(); ++i, out += dim) {
    table.Row(ids[i], out);
    for (size_t c = 0; c < dim; ++c) out[c] *= scale;
  }
}

void TokenEmbedding::Logits(const float* hidden, size_t rows, float* logits, Arena& arena) const {
  output.Forward(hidden, rows, logits, arena);
  if (mean.empty()) return;
  const size_t dim = mean.size(), vocab = output.out();
  ParallelFor(rows, 1, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) {
      double common = 0;  // added to all logits
      for (size_t c = 0; c < dim; ++c) {
        common += double{mean.data()[c]} * double{hidden[r * dim + c]};
      }
      for (size_t v = 0; v < vocab; ++v) logits[r * vocab + v] += static_cast<float>(common);
    }
  });
}

PositionEmbedding PositionEmbedding::Read(const WeightReader& reader, const std::string& name,
                                          const TextConfig& config) {
  return {reader.Floats(name, {config.max_positions + kPositionOffset, config.d_model}),
          static_cast<size_t>(config.d_model)};
}

void PositionEmbedding::Add(size_t position, float* x) const {
  const float* row = table.data() + (position + kPositionOffset) * dim;
  for (size_t c = 0; c < dim; ++c) x[c] += row[c];
}

AttentionWeights AttentionWeights::Read(const WeightReader& reader, const std::string& prefix,
                                        int dim) {
  return {Linear::Read(reader, prefix + ".q_proj", dim, dim),
          Linear::Read(reader, prefix + ".k_proj", dim, dim),
          Linear::Read(reader, prefix + ".v_proj", dim, dim),
          Linear::Read(reader, prefix + ".out_proj", dim, dim)};
}

void AttentionWeights::ForEachLinear(const std::function<void(Linear&)>& visit) {
  for (Linear* layer : {&q, &k, &v, &out}) visit(*layer);
}

BartEncoder BartEncoder::Read(const WeightReader& reader, const ModelConfig& config) {
  const TextConfig& text = config.text;
  const std::string prefix = "model.language_model.encoder.";
  BartEncoder encoder;
  encoder.heads_ = static_cast<size_t>(text.encoder_heads);
  encoder.bf16_attention_ = reader.arithmetic() != Arithmetic::kF32;
  encoder.positions_ = PositionEmbedding::Read(reader, prefix + "embed_positions.weight", text);
  encoder.embedding_norm_ = Norm::Read(reader, prefix + "layernorm_embedding", text.d_model);
  for (int i = 0; i < text.encoder_layers; ++i) {
    const std::string layer = prefix + "layers." + std::to_string(i) + ".";
    encoder.layers_.push_back({AttentionWeights::Read(reader, layer + "self_attn", text.d_model),
                               Norm::Read(reader, layer + "self_attn_layer_norm", text.d_model),
                               Mlp::Read(reader, layer, text.d_model, text.encoder_ffn_dim),
                               Norm::Read(reader, layer + "final_layer_norm", text.d_model)});
  }
  return encoder;
}

void BartEncoder::ForEachLinear(const std::function<void(Linear&)>& visit) {
  for (Layer& layer : layers_) {
    layer.attention.ForEachLinear(visit);
    visit(layer.mlp.fc1);
    visit(layer.mlp.fc2);
  }
}

void BartEncoder::Forward(float* states, size_t tokens, Arena& arena) const {
  const Arena::Scope scope(arena);
  const size_t dim = embedding_norm_.weight.size();
  for (size_t t = 0; t < tokens; ++t) positions_.Add(t, states + t * dim);
  embedding_norm_.Forward(states, tokens, states);
  float* q = arena.Take<float>(tokens * dim);
  float* k = arena.Take<float>(tokens * dim);
  float* v = arena.Take<float>(tokens * dim);
  float* attended = arena.Take<float>(tokens * dim);
  const AttentionShape shape{heads_,         dim / heads_, dim, dim, dim, HeadScale(dim, heads_),
                             bf16_attention_};
  for (const Layer& layer : layers_) {
    const Linear::Output projections[] = {
        {&layer.attention.q, q}, {&layer.attention.k, k}, {&layer.attention.v, v}};
    Linear::ForwardAll(states, tokens, projections, arena);
    const AttentionJob job{q, k, v, attended, tokens, tokens};
    Attention({&job, 1}, shape);
    layer.attention.out.Forward(attended, tokens, states, arena, Activation::kNone, states);
    layer.attention_norm.Forward(states, tokens, states);
    layer.mlp.PostNormResidual(layer.mlp_norm, states, tokens, arena);
  }
}

BartDecoder BartDecoder::Read(const WeightReader& reader, const ModelConfig& config) {
  const TextConfig& text = config.text;
  const std::string prefix = "model.language_model.decoder.";
  BartDecoder decoder;
  decoder.heads_ = static_cast<size_t>(text.decoder_heads);
  decoder.i8_cross_cache_ = reader.arithmetic() != Arithmetic::kF32;
  decoder.positions_ = PositionEmbedding::Read(reader, prefix + "embed_positions.weight", text);
  decoder.embedding_norm_ = Norm::Read(reader, prefix + "layernorm_embedding", text.d_model);
  for (int i = 0; i < text.decoder_layers; ++i) {
    const std::string layer = prefix + "layers." + std::to_string(i) + ".";
    decoder.layers_.push_back({AttentionWeights::Read(reader, layer + "self_attn", text.d_model),
                               Norm::Read(reader, layer + "self_attn_layer_norm", text.d_model),
                               AttentionWeights::Read(reader, layer + "encoder_attn", text.d_model),
                               Norm::Read(reader, layer + "encoder_attn_layer_norm", text.d_model),
                               Mlp::Read(reader, layer, text.d_model, text.decoder_ffn_dim),
                               Norm::Read(reader, layer + "final_layer_norm", text.d_model)});
  }
  return decoder;
}

void BartDecoder::ForEachLinear(const std::function<void(Linear&)>& visit) {
  for (Layer& layer : layers_) {
    layer.self_attention.ForEachLinear(visit);
    layer.cross_attention.ForEachLinear(visit);
    visit(layer.mlp.fc1);
    visit(layer.mlp.fc2);
  }
}

CrossCache BartDecoder::MakeCrossCache(const float* states, size_t tokens, Arena& memory_arena,
                                       Arena& arena) const {
  const size_t dim = embedding_norm_.weight.size();
  CrossKeysValues layout;
  layout.tokens = tokens;
  const size_t element = i8_cross_cache_ ? sizeof(int8_t) : sizeof(float);
  const size_t key_bytes = layout.padded_tokens() * dim * element;
  const size_t layer_bytes = key_bytes + tokens * dim * element;
  auto* memory = memory_arena.Take<std::byte>(layers_.size() * layer_bytes);
  float* scales =
      i8_cross_cache_ ? memory_arena.Take<float>(layers_.size() * 2 * heads_ * tokens) : nullptr;
  const Arena::Scope scope(arena);
  float* k = arena.Take<float>(tokens * dim);
  float* v = arena.Take<float>(tokens * dim);
  CrossCache cache;
  for (size_t i = 0; i < layers_.size(); ++i) {
    const AttentionWeights& weights = layers_[i].cross_attention;
    const Linear::Output projections[] = {{&weights.k, k}, {&weights.v, v}};
    Linear::ForwardAll(states, tokens, projections, arena);
    layout.keys = memory + i * layer_bytes;
    layout.values = memory + i * layer_bytes + key_bytes;
    if (i8_cross_cache_) {
      layout.key_scales = scales + 2 * i * heads_ * tokens;
      layout.value_scales = layout.key_scales + heads_ * tokens;
    }
    PackCrossKeysValues(k, v, heads_, dim / heads_, layout);
    cache.layers.push_back(layout);
  }
  return cache;
}

void BartDecoder::Step(std::span<const Row> rows, float* hidden, Arena& arena) const {
  const size_t dim = embedding_norm_.weight.size();
  for (size_t r = 0; r < rows.size(); ++r) positions_.Add(rows[r].position, hidden + r * dim);
  embedding_norm_.Forward(hidden, rows.size(), hidden);
  for (size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    SelfAttention(layer, i, rows, hidden, arena);
    layer.self_norm.Forward(hidden, rows.size(), hidden);
    AttendToEncoder(layer, i, rows, hidden, arena);
    layer.cross_norm.Forward(hidden, rows.size(), hidden);
    layer.mlp.PostNormResidual(layer.mlp_norm, hidden, rows.size(), arena);
  }
}

void BartDecoder::SelfAttention(const Layer& layer, size_t index, std::span<const Row> rows,
                                float* hidden, Arena& arena) const {
  const Arena::Scope scope(arena);
  const size_t count = rows.size(), dim = embedding_norm_.weight.size();
  float* q = arena.Take<float>(count * dim);
  float* k = arena.Take<float>(count * dim);
  float* v = arena.Take<float>(count * dim);
  const AttentionWeights& weights = layer.self_attention;
  const Linear::Output projections[] = {{&weights.q, q}, {&weights.k, k}, {&weights.v, v}};
  Linear::ForwardAll(hidden, count, projections, arena);
  auto* jobs = arena.Take<CachedAttentionJob>(count);
  for (size_t r = 0; r < count; ++r) {
    rows[r].self->Store(index, heads_, static_cast<size_t>(rows[r].slot), rows[r].position,
                        k + r * dim, v + r * dim);
    // The result overwrites k, which is already in the cache.
    jobs[r] = {q + r * dim, k + r * dim, rows[r].history, rows[r].position + 1};
  }
  auto* begins = arena.Take<size_t>(count + 1);
  size_t sequences = 0;
  for (size_t r = 0; r < count; ++r) {
    if (r == 0 || rows[r].self != rows[r - 1].self) begins[sequences++] = r;
  }
  begins[sequences] = count;
  ParallelFor(sequences, 1, [&](size_t first, size_t last) {
    for (size_t s = first; s < last; ++s) {
      SelfCache& cache = *rows[begins[s]].self;
      CachedAttention({jobs + begins[s], begins[s + 1] - begins[s]}, heads_, dim / heads_,
                      HeadScale(dim, heads_), cache.keys(index), cache.values(index),
                      cache.max_positions());
    }
  });
  weights.out.Forward(k, count, hidden, arena, Activation::kNone, hidden);
}

void BartDecoder::AttendToEncoder(const Layer& layer, size_t index, std::span<const Row> rows,
                                  float* hidden, Arena& arena) const {
  const Arena::Scope scope(arena);
  const size_t count = rows.size(), dim = embedding_norm_.weight.size();
  float* q = arena.Take<float>(count * dim);
  float* attended = arena.Take<float>(count * dim);
  layer.cross_attention.q.Forward(hidden, count, q, arena);
  auto* jobs = arena.Take<CrossAttentionJob>(count);
  size_t job_count = 0;
  for (size_t begin = 0, end = 0; begin < count; begin = end) {
    const CrossCache* cross = rows[begin].cross;
    while (end < count && rows[end].cross == cross) ++end;
    jobs[job_count++] = {q + begin * dim, attended + begin * dim, end - begin,
                         cross->layers[index]};
  }
  CrossAttention({jobs, job_count}, heads_, dim / heads_, HeadScale(dim, heads_));
  layer.cross_attention.out.Forward(attended, count, hidden, arena, Activation::kNone, hidden);
}

}  // namespace uffizi
