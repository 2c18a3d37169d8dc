#include "checkpoint/config.h"

#include <algorithm>
#include <string>

#include "core/json_reader.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

constexpr int kMaxDim = 1 << 16;  // far above any Florence-2; keeps products within an int
constexpr int kMaxVocab = 1 << 24;
constexpr int kMaxImageSide = 1 << 14;  // pixels
constexpr int kMaxPositions = 1 << 20;
constexpr int kUsualPositions = 1024;   // of BART
constexpr int kMaxAnswerTokens = 1025;  // if no file gives a limit: 1024 after the start token

VisionConfig ReadVision(const JsonReader& json) {
  VisionConfig vision;
  const std::string dim_key = json.Has("embed_dim") ? "embed_dim" : "dim_embed";
  const std::vector<int> dims = json.Ints(dim_key, 1);
  const std::vector<int> heads = json.Ints("num_heads", 1);
  const std::vector<int> groups = json.Ints("num_groups", 1);
  const std::vector<int> depths = json.Ints("depths", 0);
  const std::vector<int> sizes = json.Ints("patch_size", 1);
  const std::vector<int> strides = json.Ints("patch_stride", 1);
  const std::vector<int> paddings = json.Ints("patch_padding", 0);
  const std::vector<bool> prenorms = json.Bools("patch_prenorm");
  const size_t count = dims.size();
  if (count == 0) json.Fail(dim_key, "must not be empty");
  for (const size_t other : {heads.size(), groups.size(), depths.size(), sizes.size(),
                             strides.size(), paddings.size(), prenorms.size()}) {
    if (other != count) json.Fail(dim_key, "lists of the stages differ in length");
  }
  for (size_t i = 0; i < count; ++i) {
    if (dims[i] > kMaxDim) json.Fail(dim_key, "too large");
    if (dims[i] % heads[i] != 0) json.Fail("num_heads", "must divide " + dim_key);
    if (dims[i] % groups[i] != 0) json.Fail("num_groups", "must divide " + dim_key);
    if (sizes[i] > 64 || paddings[i] >= sizes[i]) json.Fail("patch_size", "out of range");
    vision.stages.push_back(
        {dims[i], heads[i], groups[i], depths[i], sizes[i], strides[i], paddings[i], prenorms[i]});
  }
  vision.in_channels = json.IntOr("in_channels", 3, 3, 3);
  vision.window_size = json.IntOr("window_size", 12, 1, 1024);
  vision.mlp_ratio = static_cast<float>(json.NumberOr("mlp_ratio", 4.0));
  if (!(vision.mlp_ratio > 0 && vision.mlp_ratio <= 64)) json.Fail("mlp_ratio", "out of range");
  vision.qkv_bias = json.BoolOr("qkv_bias", true);
  vision.projection_dim = json.Int("projection_dim", 1, kMaxDim);
  vision.max_position_embeddings = json.IntOr("max_position_embeddings", 50, 1, kMaxDim);
  if (const auto table = json.Object("image_pos_embed")) {
    vision.max_position_embeddings = table->IntOr("max_pos_embeddings", 50, 1, kMaxDim);
    if (table->StringOr("type", "learned_abs_2d") != "learned_abs_2d") {
      table->Fail("type", "only learned_abs_2d is known");
    }
  }
  return vision;
}

TextConfig ReadText(const JsonReader& json) {
  TextConfig text;
  text.vocab_size = json.Int("vocab_size", 1, kMaxVocab);
  text.d_model = json.Int("d_model", 1, kMaxDim);
  text.encoder_layers = json.Int("encoder_layers", 0, 1024);
  text.decoder_layers = json.Int("decoder_layers", 1, 1024);
  text.encoder_heads = json.Int("encoder_attention_heads", 1);
  text.decoder_heads = json.Int("decoder_attention_heads", 1);
  text.encoder_ffn_dim = json.Int("encoder_ffn_dim", 1, kMaxDim);
  text.decoder_ffn_dim = json.Int("decoder_ffn_dim", 1, kMaxDim);
  text.max_positions = json.IntOr("max_position_embeddings", kUsualPositions, 1, kMaxPositions);
  text.scale_embedding = json.BoolOr("scale_embedding", false);
  for (const int heads : {text.encoder_heads, text.decoder_heads}) {
    if (text.d_model % heads != 0) json.Fail("d_model", "must be a multiple of attention_heads");
  }
  const std::string activation = json.StringOr("activation_function", "gelu");
  if (activation != "gelu") json.Fail("activation_function", "only gelu is known");
  return text;
}

// transformers 4 writes the image processor's settings into preprocessor_config.json, transformers
// 5 into processor_config.json, below "image_processor".
JsonReader OpenPreprocess(const std::filesystem::path& folder) {
  if (const auto own = JsonReader::OpenIfThere(folder / "preprocessor_config.json")) {
    return own->Object("image_processor").value_or(*own);
  }
  if (const auto whole = JsonReader::OpenIfThere(folder / "processor_config.json")) {
    return whole->Object("image_processor").value_or(*whole);
  }
  throw Error(ErrorCode::kInvalidModel,
              folder.string() + ": has neither preprocessor_config.json nor processor_config.json");
}

PreprocessConfig ReadPreprocess(const JsonReader& json) {
  PreprocessConfig preprocess;
  const auto size = json.Object("size");
  if (!size) json.Fail("size", "missing");
  preprocess.width = size->Int("width", 1, kMaxImageSide);
  preprocess.height = size->Int("height", 1, kMaxImageSide);
  preprocess.resample = json.IntOr("resample", 3, 0, 5);
  preprocess.rescale = static_cast<float>(json.NumberOr("rescale_factor", 1.0 / 255));
  const auto triple = [&json](const std::string& key, std::array<float, 3>& out) {
    if (!json.Has(key)) return;
    const std::vector<double> values = json.Numbers(key);
    if (values.size() != 3) json.Fail(key, "must have three numbers");
    std::copy(values.begin(), values.end(), out.begin());
  };
  triple("image_mean", preprocess.mean);
  triple("image_std", preprocess.std);
  for (const float std : preprocess.std) {
    if (!(std > 0)) json.Fail("image_std", "must be positive");
  }
  if (!json.BoolOr("do_rescale", true)) preprocess.rescale = 1;
  if (!json.BoolOr("do_normalize", true)) {
    preprocess.mean = {0, 0, 0};
    preprocess.std = {1, 1, 1};
  }
  if (json.BoolOr("do_center_crop", false)) {
    json.Fail("do_center_crop", "Florence-2 was not trained with cropping");
  }
  if (!json.BoolOr("do_resize", true)) {
    json.Fail("do_resize", "false is not supported: pictures are resized to the model's size");
  }
  return preprocess;
}

// Token ids may be one number or a list of them.
std::vector<int> ReadIds(const JsonReader& json, const std::string& key) {
  if (!json.value().at(key).is_array()) return {json.Int(key)};
  std::vector<int> ids = json.Ints(key);
  if (ids.empty() && key != "suppress_tokens") json.Fail(key, "must not be empty");
  return ids;
}

// Reads every generation option that `json` has. Called for the least specific file first.
void ReadGeneration(const JsonReader& json, GenerationConfig& config) {
  config.num_beams = json.IntOr("num_beams", config.num_beams, 1);
  if (json.Has("early_stopping")) {
    if (json.value().at("early_stopping") == "never") {
      config.early_stopping = EarlyStopping::kNever;
    } else {
      config.early_stopping =
          json.BoolOr("early_stopping", false) ? EarlyStopping::kOn : EarlyStopping::kOff;
    }
  }
  config.length_penalty = json.NumberOr("length_penalty", config.length_penalty);
  config.no_repeat_ngram_size = json.IntOr("no_repeat_ngram_size", config.no_repeat_ngram_size);
  config.repetition_penalty = json.NumberOr("repetition_penalty", config.repetition_penalty);
  config.min_length = json.IntOr("min_length", config.min_length);
  if (json.Has("max_length")) config.max_length = json.Int("max_length", 1);
  if (json.Has("max_new_tokens")) config.max_length = json.Int("max_new_tokens", 1, 1 << 30) + 1;
  config.do_sample = json.BoolOr("do_sample", config.do_sample);
  config.temperature = json.NumberOr("temperature", config.temperature);
  config.top_k = json.IntOr("top_k", config.top_k);
  config.top_p = json.NumberOr("top_p", config.top_p);
  config.decoder_start_token_id =
      json.IntOr("decoder_start_token_id", config.decoder_start_token_id);
  config.pad_token_id = json.IntOr("pad_token_id", config.pad_token_id);
  if (json.Has("eos_token_id")) config.eos_token_ids = ReadIds(json, "eos_token_id");
  if (json.Has("forced_bos_token_id")) config.forced_bos_token_id = json.Int("forced_bos_token_id");
  if (json.Has("forced_eos_token_id")) {
    config.forced_eos_token_id = ReadIds(json, "forced_eos_token_id").at(0);
  }
  if (json.Has("suppress_tokens")) config.suppress_tokens = ReadIds(json, "suppress_tokens");
}

void CheckIds(const JsonReader& json, const GenerationConfig& config, int vocab_size) {
  std::vector<int> ids = config.eos_token_ids;
  ids.push_back(config.decoder_start_token_id);
  ids.push_back(config.pad_token_id);
  if (config.forced_bos_token_id) ids.push_back(*config.forced_bos_token_id);
  if (config.forced_eos_token_id) ids.push_back(*config.forced_eos_token_id);
  if (config.eos_token_ids.empty()) json.Fail("eos_token_id", "must not be empty");
  for (const int id : ids) {
    if (id >= vocab_size) json.Fail("vocab_size", "smaller than a special token's id");
  }
}

// Reads the generation options in config.json, if it exists, and generation_config.json.
void ReadAllGeneration(const std::filesystem::path& folder, const JsonReader* json,
                       ModelConfig& config) {
  GenerationConfig& generation = config.generation;
  const int limit = config.text.max_positions + 1;  // the last token is never fed back
  generation.max_length = std::min(kMaxAnswerTokens, limit);
  if (json != nullptr) {
    if (const auto text = json->Object("text_config")) ReadGeneration(*text, generation);
    ReadGeneration(*json, generation);
  }
  const auto file = JsonReader::OpenIfThere(folder / "generation_config.json");
  if (file) ReadGeneration(*file, generation);
  generation.max_length = std::min(generation.max_length, limit);
  if (json != nullptr || file) {
    CheckIds(json != nullptr ? *json : *file, generation, config.text.vocab_size);
  }
}

void CheckPositions(const JsonReader& preprocess, const ModelConfig& config) {
  if (config.image_tokens() + 2 > config.text.max_positions) {
    preprocess.Fail("size", "gives more image tokens than the text encoder's positions");
  }
}

// A folder without config.json may be a peft adapter.
void CheckForAdapter(const std::filesystem::path& folder) {
  const auto adapter = JsonReader::OpenIfThere(folder / "adapter_config.json");
  if (!adapter) return;
  const std::string base = adapter->StringOr("base_model_name_or_path", "its base model");
  throw Error(ErrorCode::kInvalidModel,
              folder.string() + ": is a LoRA adapter, not a model: give it as --lora (lora= in " +
                  "Python), and as the model the one that it was trained on, " + base);
}

}  // namespace

int VisionConfig::Stage::Extent(int size) const {
  return (size + 2 * patch_padding - patch_size) / patch_stride + 1;
}

int ModelConfig::image_tokens() const {
  if (traced_image_tokens > 0) return traced_image_tokens;
  int width = preprocess.width, height = preprocess.height;
  for (const VisionConfig::Stage& stage : vision.stages) {
    width = stage.Extent(width);
    height = stage.Extent(height);
  }
  return width * height + 1;
}

ModelConfig LoadModelConfig(const std::filesystem::path& folder) {
  if (!std::filesystem::exists(folder / "config.json")) CheckForAdapter(folder);
  const JsonReader json = JsonReader::Open(folder / "config.json");
  if (json.StringOr("model_type", "") != "florence2") {
    json.Fail("model_type", "\"" + json.StringOr("model_type", "") +
                                "\" is another kind of model; only \"florence2\" is known");
  }
  ModelConfig config;
  const auto vision = json.Object("vision_config");
  const auto text = json.Object("text_config");
  if (!vision) json.Fail("vision_config", "missing");
  if (!text) json.Fail("text_config", "missing");
  config.vision = ReadVision(*vision);
  config.text = ReadText(*text);
  if (config.vision.projection_dim != config.text.d_model) {
    vision->Fail("projection_dim", "must equal text_config's d_model");
  }
  const JsonReader preprocess = OpenPreprocess(folder);
  config.preprocess = ReadPreprocess(preprocess);

  ReadAllGeneration(folder, &json, config);
  int width = config.preprocess.width, height = config.preprocess.height;
  for (const VisionConfig::Stage& stage : config.vision.stages) {
    width = stage.Extent(width);
    height = stage.Extent(height);
    if (width < 1 || height < 1) preprocess.Fail("size", "too small for the model's strides");
  }
  if (std::max(width, height) > config.vision.max_position_embeddings) {
    preprocess.Fail("size", "gives more image tokens a side than the model's position table");
  }
  CheckPositions(preprocess, config);
  return config;
}

ModelConfig LoadGraphConfig(const std::filesystem::path& folder, const GraphSizes& sizes) {
  ModelConfig config;
  config.text.vocab_size = sizes.vocab_size;
  config.text.d_model = sizes.d_model;
  config.text.max_positions = kUsualPositions;
  config.traced_image_tokens = sizes.image_tokens;
  const auto json = JsonReader::OpenIfThere(folder / "config.json");
  const auto text = json ? json->Object("text_config") : std::nullopt;
  if (text) {
    config.text.max_positions =
        text->IntOr("max_position_embeddings", kUsualPositions, 1, kMaxPositions);
  }
  const JsonReader preprocess = OpenPreprocess(folder);
  config.preprocess = ReadPreprocess(preprocess);
  ReadAllGeneration(folder, json ? &*json : nullptr, config);
  CheckPositions(preprocess, config);
  return config;
}

PreprocessConfig LoadPreprocess(const std::filesystem::path& folder) {
  return ReadPreprocess(OpenPreprocess(folder));
}

}  // namespace uffizi
