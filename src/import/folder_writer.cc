#include "import/folder_writer.h"

#include <utility>

#include "checkpoint/folder_writer.h"
#include "kernels/quantize.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json VisionJson(const VisionConfig& vision) {
  json config = {{"model_type", "florence_vision"},
                 {"activation_function", "gelu"},
                 {"in_channels", vision.in_channels},
                 {"window_size", vision.window_size},
                 {"mlp_ratio", vision.mlp_ratio},
                 {"qkv_bias", vision.qkv_bias},
                 {"projection_dim", vision.projection_dim},
                 {"max_position_embeddings", vision.max_position_embeddings}};
  for (const VisionConfig::Stage& stage : vision.stages) {
    config["embed_dim"].push_back(stage.dim);
    config["num_heads"].push_back(stage.heads);
    config["num_groups"].push_back(stage.groups);
    config["depths"].push_back(stage.depth);
    config["patch_size"].push_back(stage.patch_size);
    config["patch_stride"].push_back(stage.patch_stride);
    config["patch_padding"].push_back(stage.patch_padding);
    config["patch_prenorm"].push_back(stage.patch_prenorm);
  }
  return config;
}

json TextJson(const TextConfig& text) {
  return {{"model_type", "bart"},
          {"activation_function", "gelu"},
          {"vocab_size", text.vocab_size},
          {"d_model", text.d_model},
          {"encoder_layers", text.encoder_layers},
          {"decoder_layers", text.decoder_layers},
          {"encoder_attention_heads", text.encoder_heads},
          {"decoder_attention_heads", text.decoder_heads},
          {"encoder_ffn_dim", text.encoder_ffn_dim},
          {"decoder_ffn_dim", text.decoder_ffn_dim},
          {"max_position_embeddings", text.max_positions},
          {"scale_embedding", text.scale_embedding}};
}

// A config of the transformers-native kind: the graphs' sizes, and what else the artifact's own
// config says of the text model (token ids, mostly).
json ConfigJson(const ImportedModel& model, const json& own) {
  json config = {{"architectures", {"Florence2ForConditionalGeneration"}},
                 {"model_type", "florence2"},
                 {"is_encoder_decoder", true},
                 {"bos_token_id", 0},
                 {"pad_token_id", 1},
                 {"eos_token_id", 2},
                 {"image_token_id", model.text.vocab_size}};
  json text = own.is_object() ? own.value("text_config", json::object()) : json::object();
  if (!text.is_object()) text = json::object();
  text.update(TextJson(model.text));
  config["text_config"] = std::move(text);
  config["vision_config"] = VisionJson(model.vision);
  const bool tied = !model.tensors.contains("lm_head.weight");
  config["tie_word_embeddings"] = tied;
  config["text_config"]["tie_word_embeddings"] = tied;
  return config;
}

json PreprocessJson(const ImportedModel& model, const json& own) {
  if (own.is_object()) return own;
  return {{"do_resize", true},
          {"do_rescale", true},
          {"do_normalize", true},
          {"do_center_crop", false},
          {"image_mean", {0.485, 0.456, 0.406}},
          {"image_std", {0.229, 0.224, 0.225}},
          {"resample", 3},
          {"rescale_factor", 1 / 255.0},
          {"size", {{"height", model.image_height}, {"width", model.image_width}}}};
}

// How to search is not in the artifacts of Spark NLP, which has only greedy search. So it is as in
// the released models' own files.
json DefaultGeneration() {
  return {{"num_beams", 3},
          {"early_stopping", true},
          {"no_repeat_ngram_size", 3},
          {"decoder_start_token_id", 2},
          {"forced_bos_token_id", 0},
          {"forced_eos_token_id", 2},
          {"bos_token_id", 0},
          {"pad_token_id", 1},
          {"eos_token_id", 2}};
}

}  // namespace

void WriteModelFolder(const ImportedModel& model, const FolderFiles& files, int /*bits*/,
                      const fs::path& folder) {
  WriteJson(folder / "preprocessor_config.json", PreprocessJson(model, files.preprocess));
  json generation = DefaultGeneration();
  if (files.generation.is_object()) generation.update(files.generation);
  WriteJson(folder / "generation_config.json", generation);
  FolderWriter writer(folder);
  for (const auto& [name, tensor] : model.tensors) {
    if (const auto* matrix = std::get_if<QuantizedMatrix>(&tensor.value)) {
      std::vector<float> values(matrix->rows * matrix->columns);
      Dequantize(*matrix, values.data());
      writer.PutExact(name, tensor.shape, FloatTensor(std::move(values)));
    } else {
      const auto& values = std::get<std::vector<float>>(tensor.value);
      writer.PutExact(name, tensor.shape, FloatTensor(values.data(), values.size()));
    }
  }
  writer.Finish(ConfigJson(model, files.config));
}

}  // namespace uffizi
