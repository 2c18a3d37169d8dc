#include "model/florence2.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/pack_quantized.h"
#include "checkpoint/smoothing.h"
#include "kernels/kernels.h"
#include "model/florence2_run.h"

namespace uffizi {

std::shared_ptr<const Florence2> Florence2::Load(const std::filesystem::path& folder,
                                                 Arithmetic arithmetic,
                                                 const LoraAdapters* adapters,
                                                 InputStatistics* statistics) {
  // Before the weights: it tells what is there instead of a model.
  ModelConfig config = LoadModelConfig(folder);
  return Build(std::move(config), Checkpoint::Open(folder), arithmetic, adapters, statistics);
}

std::shared_ptr<const Florence2> Florence2::Load(Checkpoint checkpoint, Arithmetic arithmetic,
                                                 const LoraAdapters* adapters,
                                                 InputStatistics* statistics) {
  ModelConfig config = LoadModelConfig(checkpoint.folder());
  return Build(std::move(config), std::move(checkpoint), arithmetic, adapters, statistics);
}

std::shared_ptr<const Florence2> Florence2::Build(ModelConfig config, Checkpoint checkpoint,
                                                  Arithmetic arithmetic,
                                                  const LoraAdapters* adapters,
                                                  InputStatistics* statistics) {
  auto model = std::make_shared<Florence2>();
  model->config = std::move(config);
  model->arithmetic = arithmetic;
  model->checkpoint = std::move(checkpoint);
  WeightReader reader(model->checkpoint, arithmetic, adapters);
  reader.Observe(statistics);
  model->statistics = statistics;
  Smoothing smoothing(reader, model->config, {});
  if (arithmetic == Arithmetic::kInt4) reader.Smooth(&smoothing);
  model->vision = Davit::Read(reader, model->config);
  model->embedding = TokenEmbedding::Read(reader, model->config);
  model->encoder = BartEncoder::Read(reader, model->config);
  model->decoder = BartDecoder::Read(reader, model->config);
  model->matrix_parameters = reader.matrix_parameters();
  model->matrix_bytes = reader.matrix_bytes();
  return model;
}

std::shared_ptr<const Network> Florence2::WithAdapters(const LoraAdapters& adapters) const {
  auto model = std::make_shared<Florence2>(*this);
  const WeightReader reader(checkpoint, arithmetic, &adapters);
  size_t taken = 0;
  // Calls add(change), which returns the bytes that it takes, for each change of a matrix.
  const auto take = [&](const std::string& name, const Linear& shape, const auto& add) {
    if (!reader.Changed(name)) return;
    const auto changes = reader.Products(name, shape.out(), shape.in());
    for (const LoraChange* change : changes) model->product_bytes += add(*change);
    taken += changes.empty() ? 0 : 1;
  };
  const auto visit = [&](Linear& layer) {
    take(layer.name(), layer, [&](const LoraChange& change) {
      LowRank product = SmoothProduct(layer.weights(), change);
      const size_t bytes = product.bytes();
      layer.Add(std::move(product));
      return bytes;
    });
  };
  model->vision.ForEachLinear(visit);
  model->encoder.ForEachLinear(visit);
  model->decoder.ForEachLinear(visit);
  TokenEmbedding& tokens = model->embedding;
  for (const std::string& name :
       std::set{tokens.prompt_name, tokens.decoder_name, tokens.output.name()}) {
    take(name, tokens.output, [&](const LoraChange& change) { return tokens.Add(name, change); });
  }
  if (taken < reader.changed_tensors()) return nullptr;
  model->shares_weights = true;
  return model;
}

void Florence2::EncodeImage(const float* pixels, float* tokens, Arena& arena) const {
  vision.Forward(pixels, tokens, arena);
}

void Florence2::EncodeText(const float* image_tokens, std::span<const int> ids, float* states,
                           Arena& arena) const {
  const size_t image_size =
      static_cast<size_t>(config.image_tokens()) * static_cast<size_t>(config.text.d_model);
  if (statistics != nullptr) {
    statistics->Begin({static_cast<size_t>(config.image_tokens()), ids.size()});
  }
  std::copy_n(image_tokens, image_size, states);
  embedding.Forward(embedding.prompt, ids, states + image_size);
  encoder.Forward(states, static_cast<size_t>(config.image_tokens()) + ids.size(), arena);
}

void Florence2::Decode(std::span<const BartDecoder::Row> rows, float* logits, Arena& arena) const {
  const Arena::Scope scope(arena);
  const auto dim = static_cast<size_t>(config.text.d_model);
  float* hidden = arena.Take<float>(rows.size() * dim);
  int* tokens = arena.Take<int>(rows.size());
  for (size_t r = 0; r < rows.size(); ++r) tokens[r] = rows[r].token;
  embedding.Forward(embedding.decoder, {tokens, rows.size()}, hidden);
  decoder.Step(rows, hidden, arena);
  embedding.Logits(hidden, rows.size(), logits, arena);
}

std::unique_ptr<DecoderRun> Florence2::StartDecoder(Arena& arena) const {
  return std::make_unique<Florence2Run>(*this, arena);
}

void Florence2::Describe(EngineInfo& info) const {
  DescribeCheckpoint(checkpoint, info);
  info.compute = arithmetic == Arithmetic::kInt4 ? "int4" : "f32";
  info.kernels = KernelTarget();
  const size_t others = info.parameters - std::min(info.parameters, matrix_parameters);
  info.resident_bytes = matrix_bytes + others * sizeof(float) + product_bytes;
  info.shared_bytes = shares_weights ? info.resident_bytes - product_bytes : 0;
}

void DescribeCheckpoint(const Checkpoint& checkpoint, EngineInfo& info) {
  std::set<std::string> precisions;
  for (const auto& [name, tensor] : checkpoint.tensors()) {
    info.weight_bytes += tensor.bytes;
    const std::string weight = name.substr(0, name.rfind('_'));
    if (!IsPacked(checkpoint, weight)) {
      info.parameters += tensor.elements();
      precisions.insert(DTypeName(tensor.dtype));
    } else if (name == weight + "_packed") {
      const PackedSize size = ReadPackedSize(checkpoint, weight);
      info.parameters += size.elements();
      precisions.insert(size.bits == 4 ? "I4" : "I8");
    }
  }
  for (const std::string& precision : precisions) {
    info.precision += (info.precision.empty() ? "" : ", ") + precision;
  }
}

}  // namespace uffizi
