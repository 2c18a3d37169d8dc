#include "checkpoint/native_config.h"

#include <utility>

namespace uffizi {
namespace {

using nlohmann::json;

// One list of the stages' values.
template <typename T>
json List(const VisionConfig& vision, T VisionConfig::Stage::*member) {
  json list = json::array();
  for (const VisionConfig::Stage& stage : vision.stages) list.push_back(stage.*member);
  return list;
}

}  // namespace

json NativeConfig(json config, const ModelConfig& model) {
  const json& stored = config.at("vision_config");
  if (!stored.contains("dim_embed")) return config;  // Microsoft's name for embed_dim
  const VisionConfig& vision = model.vision;
  using Stage = VisionConfig::Stage;
  json native = {{"model_type", "florence_vision"},
                 {"embed_dim", List(vision, &Stage::dim)},
                 {"num_heads", List(vision, &Stage::heads)},
                 {"num_groups", List(vision, &Stage::groups)},
                 {"depths", List(vision, &Stage::depth)},
                 {"patch_size", List(vision, &Stage::patch_size)},
                 {"patch_stride", List(vision, &Stage::patch_stride)},
                 {"patch_padding", List(vision, &Stage::patch_padding)},
                 {"patch_prenorm", List(vision, &Stage::patch_prenorm)},
                 {"in_channels", vision.in_channels},
                 {"window_size", vision.window_size},
                 {"mlp_ratio", vision.mlp_ratio},
                 {"qkv_bias", vision.qkv_bias},
                 {"projection_dim", vision.projection_dim},
                 {"max_position_embeddings", vision.max_position_embeddings},
                 {"max_temporal_embeddings", 100}};
  if (stored.contains("visual_temporal_embedding")) {
    native["max_temporal_embeddings"] =
        stored["visual_temporal_embedding"].value("max_temporal_embeddings", 100);
  }
  config["vision_config"] = std::move(native);
  config["text_config"]["model_type"] = "bart";
  config["model_type"] = "florence2";
  config["architectures"] = {"Florence2ForConditionalGeneration"};
  // <image> is the placeholder for a picture's tokens; its id is beyond the last row of the
  // embedding.
  if (!config.contains("image_token_id")) config["image_token_id"] = model.text.vocab_size;
  for (const char* key : {"auto_map", "projection_dim", "vocab_size"}) config.erase(key);
  config["text_config"].erase("auto_map");
  return config;
}

}  // namespace uffizi
