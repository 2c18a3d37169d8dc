// Valid and damaged model folders: every fault is an Error that names the file and the tensor.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <random>

#include "core/half.h"
#include "core/mapped_file.h"
#include "model/florence2.h"
#include "support/files.h"
#include "support/random_model.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

json TinyConfig() {
  return {{"model_type", "florence2"},
          {"vision_config",
           {{"embed_dim", {8, 16}},
            {"num_heads", {1, 2}},
            {"num_groups", {2, 2}},
            {"depths", {1, 1}},
            {"patch_size", {7, 3}},
            {"patch_stride", {4, 2}},
            {"patch_padding", {3, 1}},
            {"patch_prenorm", {false, true}},
            {"window_size", 4},
            {"projection_dim", 16}}},
          {"text_config",
           {{"vocab_size", 40},
            {"d_model", 16},
            {"encoder_layers", 1},
            {"decoder_layers", 1},
            {"encoder_attention_heads", 2},
            {"decoder_attention_heads", 2},
            {"encoder_ffn_dim", 32},
            {"decoder_ffn_dim", 32},
            {"max_position_embeddings", 64}}}};
}

const json kPreprocess = {{"size", {{"width", 32}, {"height", 32}}}};

class ModelFolder : public ::testing::Test {
 protected:
  ModelFolder() { Write(TinyConfig()); }

  void Write(const json& config, const testing::RandomModelOptions& options = {}) {
    testing::WriteText(path() / "config.json", config.dump());
    testing::WriteText(path() / "preprocessor_config.json", kPreprocess.dump());
    testing::WriteRandomWeights(path(), options);
  }

  const fs::path& path() const { return folder_.path(); }

  std::string LoadError() const {
    try {
      Florence2::Load(path());
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidModel) << error.what();
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      return error.what();
    }
    return "no error";
  }

  // Rewrites the header of model.safetensors, leaving its data in place.
  void EditHeader(const std::function<void(json&)>& edit) const {
    std::string file = ReadFile(path() / "model.safetensors");
    uint64_t length;
    std::memcpy(&length, file.data(), 8);
    json header = json::parse(file.substr(8, length));
    edit(header);
    const std::string text = header.dump();
    const uint64_t new_length = text.size();
    testing::WriteText(path() / "model.safetensors",
                       std::string(reinterpret_cast<const char*>(&new_length), 8) + text +
                           file.substr(8 + length));
  }

  testing::TemporaryFolder folder_;
};

TEST_F(ModelFolder, LoadsShardsAsOneFile) {
  const Checkpoint whole = Checkpoint::Open(path());
  json map = json::object();
  std::map<std::string, TensorView> halves[2];
  size_t i = 0;
  for (const auto& [name, tensor] : whole.tensors()) {
    const size_t half = i++ % 2;
    halves[half][name] = tensor;
    map[name] = half == 0 ? "model-1.safetensors" : "model-2.safetensors";
  }
  const testing::TemporaryFolder sharded;
  WriteSafetensors(sharded.path() / "model-1.safetensors", halves[0]);
  WriteSafetensors(sharded.path() / "model-2.safetensors", halves[1]);
  testing::WriteText(sharded.path() / "model.safetensors.index.json",
                     json{{"weight_map", map}}.dump());
  for (const char* name : {"config.json", "preprocessor_config.json"}) {
    fs::copy(path() / name, sharded.path() / name);
  }
  const auto model = Florence2::Load(sharded.path());
  ASSERT_EQ(model->checkpoint.tensors().size(), whole.tensors().size());
  for (const auto& [name, tensor] : whole.tensors()) {
    const TensorView* other = model->checkpoint.Find(name);
    ASSERT_NE(other, nullptr) << name;
    EXPECT_EQ(other->shape, tensor.shape);
    EXPECT_EQ(std::memcmp(other->data, tensor.data, tensor.bytes), 0) << name;
  }

  fs::remove(sharded.path() / "model-2.safetensors");
  EXPECT_THROW(
      {
        try {
          Florence2::Load(sharded.path());
        } catch (const Error& error) {
          EXPECT_THAT(error.what(), HasSubstr("model-2.safetensors"));
          throw;
        }
      },
      Error);
}

TEST_F(ModelFolder, AnyOfTheTiedKeysWillDo) {
  const auto shared = Florence2::Load(path());
  testing::RandomModelOptions options;
  options.shared_key = false;
  Write(TinyConfig(), options);
  EXPECT_EQ(Florence2::Load(path())->embedding.prompt.rows.size(),
            shared->embedding.prompt.rows.size());
  EditHeader([](json& header) {
    header["lm_head.weight"] = header["model.language_model.encoder.embed_tokens.weight"];
    header.erase("model.language_model.encoder.embed_tokens.weight");
  });
  EXPECT_EQ(LoadError(), "no error");
  EditHeader([](json& header) { header.erase("lm_head.weight"); });
  EXPECT_THAT(LoadError(), AllOf(HasSubstr("shared.weight"), HasSubstr("missing")));
}

TEST_F(ModelFolder, MicrosoftNamesAreTheReleasedOnes) {
  EXPECT_EQ(MicrosoftName("model.vision_tower.blocks.2.0.spatial_block.norm1.weight"),
            "vision_tower.blocks.2.0.spatial_block.window_attn.norm.weight");
  EXPECT_EQ(MicrosoftName("model.vision_tower.blocks.2.0.channel_block.ffn.fc2.bias"),
            "vision_tower.blocks.2.0.channel_block.ffn.fn.net.fc2.bias");
  EXPECT_EQ(MicrosoftName("model.multi_modal_projector.image_projection.weight"),
            "image_projection");
  EXPECT_EQ(MicrosoftName("model.language_model.decoder.layers.0.encoder_attn.k_proj.weight"),
            "language_model.model.decoder.layers.0.encoder_attn.k_proj.weight");
}

TEST_F(ModelFolder, MissingFiles) {
  for (const char* name : {"config.json", "preprocessor_config.json", "model.safetensors"}) {
    Write(TinyConfig());
    fs::remove(path() / name);
    EXPECT_THAT(LoadError(), HasSubstr(name));
  }
}

TEST_F(ModelFolder, PicklesAreRefusedWithTheWayToConvert) {
  fs::rename(path() / "model.safetensors", path() / "pytorch_model.bin");
  EXPECT_THAT(LoadError(), AllOf(HasSubstr("pytorch_model.bin"), HasSubstr("convert once with"),
                                 HasSubstr("weights_only=True")));
}

TEST_F(ModelFolder, AnotherKindOfModel) {
  json config = TinyConfig();
  config["model_type"] = "llama";
  testing::WriteText(path() / "config.json", config.dump());
  EXPECT_THAT(LoadError(), AllOf(HasSubstr("config.json"), HasSubstr("llama")));
}

TEST_F(ModelFolder, MissingAndMisshapedTensors) {
  const std::string name = "model.language_model.encoder.layers.0.fc1.weight";
  EditHeader([&](json& header) { header[name]["shape"] = {16, 32}; });
  EXPECT_THAT(LoadError(), AllOf(HasSubstr("model.safetensors"), HasSubstr(name),
                                 HasSubstr("[16, 32]"), HasSubstr("[32, 16]")));
  EditHeader([&](json& header) { header.erase(name); });
  EXPECT_THAT(LoadError(), AllOf(HasSubstr(name), HasSubstr("missing")));
}

TEST_F(ModelFolder, HeadersThatLie) {
  const std::string name = "model.vision_tower.convs.0.norm.bias";
  EditHeader([&](json& header) { header[name]["shape"] = {9}; });
  EXPECT_THAT(LoadError(), AllOf(HasSubstr(name), HasSubstr("bytes")));
  Write(TinyConfig());
  EditHeader([&](json& header) { header[name]["data_offsets"] = {0, 1ull << 62}; });
  EXPECT_THAT(LoadError(), AllOf(HasSubstr(name), HasSubstr("outside the file")));
  Write(TinyConfig());
  EditHeader([&](json& header) { header[name]["shape"] = {1ull << 39, 1ull << 39, 1ull << 39}; });
  EXPECT_THAT(LoadError(), AllOf(HasSubstr(name), HasSubstr("impossible")));
  Write(TinyConfig());
  EditHeader([&](json& header) { header[name]["dtype"] = "F13"; });
  EXPECT_THAT(LoadError(), AllOf(HasSubstr(name), HasSubstr("F13")));
  std::string file = ReadFile(path() / "model.safetensors");
  std::memset(file.data(), 0xff, 7);
  testing::WriteText(path() / "model.safetensors", file);
  EXPECT_THAT(LoadError(), HasSubstr("header"));
}

TEST_F(ModelFolder, NotANumber) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    testing::RandomModelOptions options;
    options.dtype = dtype;
    Write(TinyConfig(), options);
    std::string file = ReadFile(path() / "model.safetensors");
    uint64_t length;
    std::memcpy(&length, file.data(), 8);
    const std::string name = "model.language_model.decoder.layers.0.fc2.weight";
    const json header = json::parse(file.substr(8, length));
    const size_t at = header[name]["data_offsets"][0];
    std::memset(file.data() + 8 + length + at, 0xff, DTypeSize(dtype));
    testing::WriteText(path() / "model.safetensors", file);
    EXPECT_THAT(LoadError(), AllOf(HasSubstr(name), HasSubstr("NaN")));
  }
}

TEST_F(ModelFolder, CutOffAnywhere) {
  const std::string whole = ReadFile(path() / "model.safetensors");
  for (size_t size = 0; size < whole.size(); size += 1 + whole.size() / 97) {
    testing::WriteText(path() / "model.safetensors", whole.substr(0, size));
    EXPECT_THAT(LoadError(), HasSubstr("model.safetensors")) << size;
  }
}

TEST_F(ModelFolder, RandomDamageNeverCrashes) {
  std::mt19937 random(1);
  const std::string whole = ReadFile(path() / "model.safetensors");
  uint64_t length;
  std::memcpy(&length, whole.data(), 8);
  for (int i = 0; i < 300; ++i) {
    std::string damaged = whole;
    for (int k = 0; k < 3; ++k) {
      damaged[random() % (8 + length)] = static_cast<char>(random());
    }
    testing::WriteText(path() / "model.safetensors", damaged);
    LoadError();
  }
}

TEST_F(ModelFolder, ConfigsThatCannotBe) {
  const auto with = [](const char* part, const char* key, const json& value) {
    json config = TinyConfig();
    config[part][key] = value;
    return config;
  };
  const std::vector<std::pair<json, std::string>> cases = {
      {with("vision_config", "num_heads", {3, 2}), "num_heads"},
      {with("vision_config", "depths", {1}), "differ in length"},
      {with("vision_config", "embed_dim", {0, 16}), "embed_dim"},
      {with("vision_config", "projection_dim", 8), "projection_dim"},
      {with("vision_config", "patch_stride", {0, 2}), "patch_stride"},
      {with("text_config", "d_model", "sixteen"), "d_model"},
      {with("text_config", "d_model", 1e300), "d_model"},
      {with("text_config", "decoder_attention_heads", 3), "attention_heads"},
      {with("text_config", "max_position_embeddings", 10), "positions"},
      {with("text_config", "activation_function", "relu"), "activation_function"},
      {with("text_config", "eos_token_id", 4000), "special token"},
      {with("text_config", "forced_eos_token_id", json::array()), "must not be empty"},
      {with("vision_config", "image_pos_embed", {{"max_pos_embeddings", 2}}), "position table"},
  };
  for (const auto& [config, expected] : cases) {
    testing::WriteText(path() / "config.json", config.dump());
    EXPECT_THAT(LoadError(), AllOf(HasSubstr(".json"), HasSubstr(expected)));
  }
  testing::WriteText(path() / "config.json", "{\"model_type\": ");
  EXPECT_THAT(LoadError(), AllOf(HasSubstr("config.json"), HasSubstr("JSON")));
}

TEST_F(ModelFolder, GenerationDefaultsComeFromTheFiles) {
  json config = TinyConfig();
  config["text_config"]["num_beams"] = 2;
  config["text_config"]["no_repeat_ngram_size"] = 3;
  config["text_config"]["forced_eos_token_id"] = 2;
  config["num_beams"] = 4;
  testing::WriteText(path() / "config.json", config.dump());
  GenerationConfig generation = LoadModelConfig(path()).generation;
  EXPECT_EQ(generation.num_beams, 4);
  EXPECT_EQ(generation.no_repeat_ngram_size, 3);
  EXPECT_EQ(generation.forced_eos_token_id, 2);
  EXPECT_EQ(generation.max_length,
            65);  // the positions and the last token, which is never fed back

  testing::WriteText(path() / "generation_config.json",
                     R"({"num_beams": 3, "early_stopping": "never", "max_new_tokens": 20})");
  generation = LoadModelConfig(path()).generation;
  EXPECT_EQ(generation.num_beams, 3);
  EXPECT_EQ(generation.early_stopping, EarlyStopping::kNever);
  EXPECT_EQ(generation.max_length, 21);
}

TEST(HalfPrecision, RoundTripsEveryValue) {
  for (int bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = HalfToFloat(half);
    if (std::isnan(value)) continue;
    EXPECT_EQ(FloatToHalf(value), half);
  }
  EXPECT_EQ(HalfToFloat(0x3c00), 1.0f);
  EXPECT_EQ(HalfToFloat(0x0001), 0x1p-24f);
  EXPECT_EQ(FloatToHalf(65519.0f), 0x7bff);
  EXPECT_EQ(FloatToHalf(65520.0f), 0x7c00);
}

TEST_F(ModelFolder, TakesThePictureFromTransformersFivesProcessorConfig) {
  fs::remove(path() / "preprocessor_config.json");
  EXPECT_THAT(LoadError(), HasSubstr("processor_config.json"));
  for (const json& processor : {json{{"image_processor", kPreprocess}}, kPreprocess}) {
    testing::WriteText(path() / "processor_config.json", processor.dump());
    EXPECT_EQ(LoadModelConfig(path()).preprocess.width, 32);
  }
}

TEST_F(ModelFolder, HonoursOrRefusesStepsThatAreSwitchedOff) {
  json off = kPreprocess;
  off["do_rescale"] = off["do_normalize"] = false;
  testing::WriteText(path() / "preprocessor_config.json", off.dump());
  const PreprocessConfig preprocess = LoadModelConfig(path()).preprocess;
  EXPECT_EQ(preprocess.rescale, 1);
  EXPECT_EQ(preprocess.mean, (std::array<float, 3>{0, 0, 0}));
  EXPECT_EQ(preprocess.std, (std::array<float, 3>{1, 1, 1}));
  json whole = kPreprocess;
  whole["do_resize"] = false;
  testing::WriteText(path() / "preprocessor_config.json", whole.dump());
  EXPECT_THAT(LoadError(), HasSubstr("do_resize"));
}

TEST_F(ModelFolder, TakesOffWhatWrappersPutBeforeNames) {
  const auto plain = Florence2::Load(path());
  for (const std::string wrapper : {"module.", "_orig_mod.", "module._orig_mod."}) {
    EditHeader([&](json& header) {
      json wrapped;
      for (const auto& [name, entry] : header.items()) {
        wrapped[name == "__metadata__" ? name : wrapper + name] = entry;
      }
      header = wrapped;
    });
    const auto model = Florence2::Load(path());
    EXPECT_EQ(model->checkpoint.tensors().size(), plain->checkpoint.tensors().size());
    Write(TinyConfig());
  }
}

TEST_F(ModelFolder, SaysWhatIsThereInsteadOfAModel) {
  const std::string pointer =
      "version https://git-lfs.github.com/spec/v1\noid sha256:" + std::string(64, '0') +
      "\nsize 464000000\n";
  testing::WriteText(path() / "model.safetensors", pointer);
  EXPECT_THAT(LoadError(), AllOf(HasSubstr("model.safetensors"), HasSubstr("git lfs pull")));
  testing::WriteText(path() / "config.json", pointer);
  EXPECT_THAT(LoadError(), AllOf(HasSubstr("config.json"), HasSubstr("git lfs pull")));
  fs::remove(path() / "config.json");
  testing::WriteText(path() / "adapter_config.json",
                     json{{"base_model_name_or_path", "microsoft/Florence-2-base"}}.dump());
  EXPECT_THAT(LoadError(), AllOf(HasSubstr("--lora"), HasSubstr("microsoft/Florence-2-base")));
}

}  // namespace
}  // namespace uffizi
