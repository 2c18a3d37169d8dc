#include "support/random_model.h"

#include <cmath>
#include <cstring>
#include <map>
#include <memory>

#include "checkpoint/weight_reader.h"
#include "core/half.h"
#include "core/parallel.h"

namespace uffizi::testing {
namespace {

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;  // of splitmix64

uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

uint64_t HashName(const std::string& name) {  // FNV-1a
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

// offset + range * (uniform in [-1, 1))
struct Distribution {
  float offset, range;
};

Distribution DistributionOf(const NamedShape& weight) {
  const std::string& name = weight.name;
  const auto has = [&name](const char* part) { return name.find(part) != std::string::npos; };
  if (has("norm") && name.ends_with(".weight")) return {1.0f, 0.2f};
  if (name.ends_with("bias")) return {0.0f, 0.1f};
  if (has("embed_positions") || has("position_embed")) return {0.0f, 1.0f};
  if (has("embed_tokens") || has("shared") || has("lm_head")) return {0.0f, 0.3f};
  double fan_in = 1;
  for (size_t i = 1; i < weight.shape.size(); ++i) fan_in *= static_cast<double>(weight.shape[i]);
  return {0.0f, static_cast<float>(std::sqrt(3.0 / fan_in))};
}

void FillSinusoid(const NamedShape& weight, float* out) {
  const auto dim = static_cast<size_t>(weight.shape[1]), half = dim / 2;
  for (size_t position = 0; position < static_cast<size_t>(weight.shape[0]); ++position) {
    for (size_t i = 0; i < half; ++i) {
      const double step = std::log(10000.0) / static_cast<double>(half);
      const double angle = static_cast<double>(position) * std::exp(-step * static_cast<double>(i));
      out[position * dim + 2 * i] = static_cast<float>(std::sin(angle));
      out[position * dim + 2 * i + 1] = static_cast<float>(std::cos(angle));
    }
  }
}

void AddAttention(std::vector<NamedShape>& list, const std::string& prefix, int64_t dim) {
  for (const char* part : {".k_proj", ".v_proj", ".q_proj", ".out_proj"}) {
    list.push_back({prefix + part + ".weight", {dim, dim}});
    list.push_back({prefix + part + ".bias", {dim}});
  }
}

void AddPair(std::vector<NamedShape>& list, const std::string& prefix,
             std::vector<int64_t> weight_shape, int64_t bias) {
  list.push_back({prefix + ".weight", std::move(weight_shape)});
  list.push_back({prefix + ".bias", {bias}});
}

void AddVision(std::vector<NamedShape>& list, const VisionConfig& vision) {
  int64_t channels = vision.in_channels;
  for (size_t s = 0; s < vision.stages.size(); ++s) {
    const VisionConfig::Stage& stage = vision.stages[s];
    const int64_t dim = stage.dim;
    const auto hidden = static_cast<int64_t>(static_cast<float>(stage.dim) * vision.mlp_ratio);
    const std::string conv = "model.vision_tower.convs." + std::to_string(s);
    AddPair(list, conv + ".conv", {dim, channels, stage.patch_size, stage.patch_size}, dim);
    AddPair(list, conv + ".norm", {stage.patch_prenorm ? channels : dim},
            stage.patch_prenorm ? channels : dim);
    for (int b = 0; b < stage.depth; ++b) {
      for (const std::string kind : {"spatial_block", "channel_block"}) {
        const std::string block =
            "model.vision_tower.blocks." + std::to_string(s) + "." + std::to_string(b) + "." + kind;
        const std::string attention =
            block + (kind == "spatial_block" ? ".window_attn" : ".channel_attn");
        AddPair(list, block + ".conv1", {dim, 1, 3, 3}, dim);
        AddPair(list, block + ".norm1", {dim}, dim);
        list.push_back({attention + ".qkv.weight", {3 * dim, dim}});
        if (vision.qkv_bias) list.push_back({attention + ".qkv.bias", {3 * dim}});
        AddPair(list, attention + ".proj", {dim, dim}, dim);
        AddPair(list, block + ".conv2", {dim, 1, 3, 3}, dim);
        AddPair(list, block + ".norm2", {dim}, dim);
        AddPair(list, block + ".ffn.fc1", {hidden, dim}, hidden);
        AddPair(list, block + ".ffn.fc2", {dim, hidden}, dim);
      }
    }
    channels = dim;
  }
  const std::string projector = "model.multi_modal_projector.";
  const int64_t positions = vision.max_position_embeddings;
  list.push_back({projector + "image_projection.weight", {vision.projection_dim, channels}});
  AddPair(list, projector + "image_proj_norm", {vision.projection_dim}, vision.projection_dim);
  list.push_back(
      {projector + "image_position_embed.row_embeddings.weight", {positions, channels / 2}});
  list.push_back({projector + "image_position_embed.column_embeddings.weight",
                  {positions, channels - channels / 2}});
  list.push_back({projector + "visual_temporal_embed.pos_idx_to_embed", {100, channels}});
}

void AddText(std::vector<NamedShape>& list, const TextConfig& text) {
  const int64_t dim = text.d_model;
  for (const bool is_decoder : {false, true}) {
    const std::string half =
        std::string("model.language_model.") + (is_decoder ? "decoder." : "encoder.");
    const int64_t ffn = is_decoder ? text.decoder_ffn_dim : text.encoder_ffn_dim;
    list.push_back({half + "embed_positions.weight", {text.max_positions + 2, dim}});
    AddPair(list, half + "layernorm_embedding", {dim}, dim);
    const int layers = is_decoder ? text.decoder_layers : text.encoder_layers;
    for (int i = 0; i < layers; ++i) {
      const std::string layer = half + "layers." + std::to_string(i) + ".";
      AddAttention(list, layer + "self_attn", dim);
      AddPair(list, layer + "self_attn_layer_norm", {dim}, dim);
      if (is_decoder) {
        AddAttention(list, layer + "encoder_attn", dim);
        AddPair(list, layer + "encoder_attn_layer_norm", {dim}, dim);
      }
      AddPair(list, layer + "fc1", {ffn, dim}, ffn);
      AddPair(list, layer + "fc2", {dim, ffn}, dim);
      AddPair(list, layer + "final_layer_norm", {dim}, dim);
    }
  }
}

// A weight as it is stored: converted, renamed, for Microsoft's projector transposed.
std::vector<uint8_t> Store(const NamedShape& weight, const RandomModelOptions& options,
                           std::vector<int64_t>& shape) {
  size_t count = 1;
  for (const int64_t extent : weight.shape) count *= static_cast<size_t>(extent);
  std::vector<float> values(count);
  FillRandomWeight(weight, options.seed, values.data());
  shape = weight.shape;
  if (options.layout == KeyLayout::kMicrosoft && weight.name.ends_with("image_projection.weight")) {
    const auto rows = static_cast<size_t>(shape[0]), columns = static_cast<size_t>(shape[1]);
    std::vector<float> transposed(count);
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = 0; c < columns; ++c) transposed[c * rows + r] = values[r * columns + c];
    }
    values.swap(transposed);
    std::swap(shape[0], shape[1]);
  }
  std::vector<uint8_t> bytes(count * DTypeSize(options.dtype));
  for (size_t i = 0; i < count; ++i) {
    uint16_t half = 0;
    if (options.dtype == DType::kF16) {
      half = FloatToHalf(values[i]);
    } else if (options.dtype == DType::kBF16) {
      half = FloatToBfloat16(values[i]);
    }
    if (options.dtype == DType::kF32) {
      std::memcpy(bytes.data() + i * 4, &values[i], 4);
    } else {
      std::memcpy(bytes.data() + i * 2, &half, 2);
    }
  }
  return bytes;
}

}  // namespace

std::vector<NamedShape> WeightShapes(const ModelConfig& config, bool tied) {
  std::vector<NamedShape> list;
  AddVision(list, config.vision);
  const std::vector<int64_t> embedding = {config.text.vocab_size, config.text.d_model};
  list.push_back({"model.language_model.shared.weight", embedding});
  AddText(list, config.text);
  if (!tied) {
    list.push_back({"model.language_model.decoder.embed_tokens.weight", embedding});
    list.push_back({"lm_head.weight", embedding});
  }
  return list;
}

void FillRandomWeight(const NamedShape& weight, uint64_t seed, float* out) {
  if (weight.name.ends_with("pos_idx_to_embed")) {
    FillSinusoid(weight, out);
    return;
  }
  size_t count = 1;
  for (const int64_t extent : weight.shape) count *= static_cast<size_t>(extent);
  const uint64_t start = Mix(HashName(weight.name) + seed * kGolden);
  const Distribution distribution = DistributionOf(weight);
  ParallelFor(count, size_t{1} << 16, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const uint64_t bits = Mix(start + (i + 1) * kGolden) >> 40;
      const float uniform = static_cast<float>(bits) * 0x1p-23f - 1.0f;
      out[i] = distribution.offset + distribution.range * uniform;
    }
  });
}

void WriteRandomWeights(const std::filesystem::path& folder, const RandomModelOptions& options) {
  const ModelConfig config = LoadModelConfig(folder);
  std::map<std::string, TensorView> tensors;
  std::vector<std::vector<uint8_t>> storage;
  for (const NamedShape& weight : WeightShapes(config, options.tied)) {
    std::string name = weight.name;
    if (!options.shared_key && name == "model.language_model.shared.weight") {
      name = "model.language_model.encoder.embed_tokens.weight";
    }
    if (options.layout == KeyLayout::kMicrosoft) name = MicrosoftName(name);
    std::vector<int64_t> shape;
    storage.push_back(Store(weight, options, shape));
    tensors[name] = {options.dtype, shape, storage.back().data(), storage.back().size(), ""};
  }
  std::filesystem::remove(folder / "model.safetensors");
  WriteSafetensors(folder / "model.safetensors", tensors);
}

Image PatternPicture(int width, int height, int kind) {
  Image image{width, height, {}};
  image.pixels.reserve(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        const int value = (x * (7 + kind) / 4 + y * (13 - kind) / 8 + c * 50) ^ (x * y >> (4 + c));
        image.pixels.push_back(static_cast<uint8_t>(value & 255));
      }
    }
  }
  return image;
}

}  // namespace uffizi::testing
