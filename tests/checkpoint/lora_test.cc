// Adapters that are damaged, for another model, or of a kind that cannot be merged: each is refused
// with the file, and the tensor or key. Valid adapters are tested in tests/engine/adapters_test.cc.

#include "checkpoint/lora.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <functional>
#include <nlohmann/json.hpp>

#include "checkpoint/weight_reader.h"
#include "support/files.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

constexpr const char* kWeights = "adapter_model.safetensors";
constexpr const char* kModule = "base_model.model.model.language_model.decoder.layers.0.fc1";
const std::string kA = std::string(kModule) + ".lora_A.weight";
const std::string kB = std::string(kModule) + ".lora_B.weight";

// A small adapter for one layer [6, 4], to be damaged.
class LoraFolder : public ::testing::Test {
 protected:
  LoraFolder() { Add(kA, {2, 4}), Add(kB, {6, 2}); }

  void Add(const std::string& name, std::vector<int64_t> shape, float value = 0.5f) {
    size_t count = 1;
    for (const int64_t extent : shape) count *= static_cast<size_t>(extent);
    const std::vector<float>& values = values_.emplace_back(count, value);
    tensors_[name] = {DType::kF32, std::move(shape),
                      reinterpret_cast<const uint8_t*>(values.data()), count * sizeof(float), ""};
  }

  fs::path Write() {
    testing::WriteText(path() / "adapter_config.json", config_.dump());
    fs::remove(path() / kWeights);
    WriteSafetensors(path() / kWeights, tensors_);
    return path();
  }

  // The error code and message of reading.
  std::string Read(double weight = 1) {
    Write();
    return Caught([&] { ReadLoraAdapter(path(), weight); });
  }

  static std::string Caught(const std::function<void()>& body) {
    try {
      body();
    } catch (const Error& error) {
      return std::string(Name(error.code())) + " " + error.what();
    }
    return "nothing thrown";
  }

  const fs::path& path() const { return folder_.path(); }

  testing::TemporaryFolder folder_;
  std::deque<std::vector<float>> values_;  // of all tensors there ever were
  std::map<std::string, TensorView> tensors_;
  json config_ = {{"peft_type", "LORA"}, {"r", 2}, {"lora_alpha", 8}};
};

TEST_F(LoraFolder, IsRead) {
  Write();
  const std::vector<LoraChange> changes = ReadLoraAdapter(path(), 0.5);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].name, "model.language_model.decoder.layers.0.fc1.weight");
  EXPECT_EQ(changes[0].shape, (std::vector<int64_t>{6, 4}));
  EXPECT_EQ(changes[0].scale, 0.5f * 8 / 2);
  LoraAdapters adapters;
  adapters.Add(path(), 0.5);
  const FloatTensor merged =
      adapters.Merge(adapters.names(), {6, 4}, FloatTensor(std::vector<float>(24, 1.0f)));
  EXPECT_EQ(merged.data()[23], 1 + 2 * (0.25f + 0.25f));
}

TEST_F(LoraFolder, PatternsAreTheEndOfAPath) {
  const auto scale = [&](const json& patterns) {
    config_["alpha_pattern"] = patterns;
    Write();
    return ReadLoraAdapter(path(), 1)[0].scale;
  };
  EXPECT_EQ(scale({{"fc1", 4}}), 2);
  EXPECT_EQ(scale({{"c1", 4}}), 4);
  EXPECT_EQ(scale({{"fc", 4}}), 4);
  EXPECT_EQ(scale({{"layers.0.fc1", 4}}), 2);
  EXPECT_EQ(scale({{R"(layers\.\d+\.fc\d)", 4}}), 2);
  EXPECT_EQ(scale({{"^layers.0.fc1", 4}}), 4);
  EXPECT_EQ(scale({{"^model.language_model.decoder.layers.0.fc1", 4}}), 2);
  EXPECT_EQ(scale({{"(?:fc2|fc1)", 4}}), 2);
  EXPECT_EQ(scale({{"(.*.*)*x", 4}}), 4);  // takes no time
}

TEST_F(LoraFolder, OtherKindsAreRefused) {
  const json kinds[] = {{{"peft_type", "LOHA"}},
                        {{"peft_type", nullptr}},
                        {{"use_qalora", true}},
                        {{"use_bdlora", {{"nblocks", 2}}}},
                        {{"alora_invocation_tokens", {1, 2}}},
                        {{"layer_replication", {{0, 2}}}},
                        {{"target_parameters", {"a.weight"}}},
                        {{"trainable_token_indices", {3}}},
                        {{"init_lora_weights", "pissa"}},
                        {{"init_lora_weights", "loftq"}}};
  const json plain = config_;
  for (const json& kind : kinds) {
    config_ = plain;
    config_.update(kind);
    const std::string said = Read();
    EXPECT_THAT(said, HasSubstr("unsupported "));
    EXPECT_THAT(said, HasSubstr("adapter_config.json: " + kind.begin().key()));
  }
  const json accepted[] = {{{"init_lora_weights", "gaussian"}},
                           {{"init_lora_weights", true}},
                           {{"use_qalora", false}},
                           {{"target_parameters", nullptr}},
                           {{"trainable_token_indices", json::array()}}};
  for (const json& kind : accepted) {
    config_ = plain;
    config_.update(kind);
    EXPECT_EQ(Read(), "nothing thrown") << kind;
  }
}

TEST_F(LoraFolder, ConfigsThatAreWrong) {
  const std::pair<json, const char*> wrong[] = {
      {{{"r", "many"}}, "r: "},
      {{{"rank_pattern", {{"fc1", "x"}}}}, "rank_pattern: fc1"},
      {{{"alpha_pattern", {{"(", 1}}}}, "alpha_pattern: ("},
      {{{"alpha_pattern", {{"(a{900}){900}", 1}}}}, "alpha_pattern: (a{900}){900}"},
      {{{"alpha_pattern", {{std::string(5000, 'a'), 1}}}}, "too long"},
      {{{"modules_to_save", "lm_head"}}, "modules_to_save"}};
  const json plain = config_;
  for (const auto& [change, word] : wrong) {
    config_ = plain;
    config_.update(change);
    const std::string said = Read();
    EXPECT_THAT(said, HasSubstr("invalid_model "));
    EXPECT_THAT(said, HasSubstr(word));
  }
  for (const json& change :
       {json{{"r", 0}}, json{{"r", 3}}, json{{"rank_pattern", {{"fc1", 4}}}}}) {
    config_ = plain;
    config_.update(change);
    EXPECT_THAT(Read(), HasSubstr("tensor " + kA + ": has the shape [2, 4] where the config"));
  }
  config_ = plain;
  config_["lora_alpha"] = 1e308;
  EXPECT_THAT(Read(), HasSubstr("no valid scale"));
}

TEST_F(LoraFolder, MatricesThatAreWrong) {
  const auto said = [&](const std::string& name, std::vector<int64_t> shape, float value = 0.5f) {
    const auto before = tensors_;
    Add(name, std::move(shape), value);
    const std::string text = Read();
    tensors_ = before;
    return text;
  };
  EXPECT_THAT(said(kB, {6, 3}),
              HasSubstr("tensor " + kA + ": has the shape [2, 4], which does not"));
  EXPECT_THAT(said(kB, {12}), HasSubstr("does not go with"));
  EXPECT_THAT(said(kA, {0, 4}), HasSubstr("does not go with"));
  EXPECT_THAT(said(kA, {2, 4}, NAN), HasSubstr("tensor " + kA + ": holds NaN"));
  EXPECT_THAT(said(kB, {6, 2}, INFINITY), HasSubstr("holds NaN or infinity"));
  EXPECT_THAT(said("model.layer.lora_A.weight", {2, 4}), HasSubstr("is no name of peft's"));
  EXPECT_THAT(said(std::string(kModule) + ".lora_C.weight", {2, 4}), HasSubstr("unsupported "));
  EXPECT_THAT(said(std::string(kModule) + ".lora_magnitude_vector", {5}),
              HasSubstr("has the shape [5] where 6 values"));
  EXPECT_THAT(said("base_model.model.x.lora_A.weight", {2, 4}),
              HasSubstr("tensor base_model.model.x.lora_B.weight: missing"));
  EXPECT_THAT(said("base_model.model.x.lora_B.weight", {2, 4}),
              HasSubstr("tensor base_model.model.x.lora_A.weight: missing"));
  EXPECT_THAT(said("base_model.model.x.lora_embedding_B", {2, 4}), HasSubstr("missing"));
  EXPECT_EQ(said(std::string(kModule) + ".bias", {6}), "nothing thrown");
  Add(std::string(kModule) + ".bias", {6});
  EXPECT_THAT(Read(0.5), HasSubstr("must have the weight 1"));
}

TEST_F(LoraFolder, GroupedConvolutionsAreRefused) {
  const std::string conv = "base_model.model.model.vision_tower.blocks.0.0.spatial_block.conv1";
  Add(conv + ".lora_A.weight", {2, 4, 3, 3});
  Add(conv + ".lora_B.weight", {4, 1, 1, 1});
  EXPECT_THAT(Read(), HasSubstr("unsupported "));
}

TEST_F(LoraFolder, CopiesOfTiedEmbeddingsAreRefused) {
  config_["modules_to_save"] = {"shared"};
  Add("base_model.model.model.language_model.shared.weight", {10, 4});
  EXPECT_THAT(Read(), HasSubstr("copy of one of the tied embeddings"));
}

TEST_F(LoraFolder, FilesThatAreNotThere) {
  Write();
  fs::remove(path() / kWeights);
  EXPECT_THAT(Caught([&] { ReadLoraAdapter(path(), 1); }), HasSubstr(kWeights));
  testing::WriteText(path() / "adapter_model.bin", "pickle");
  EXPECT_THAT(Caught([&] { ReadLoraAdapter(path(), 1); }), HasSubstr("pickles"));
  fs::remove(path() / "adapter_config.json");
  EXPECT_THAT(Caught([&] { ReadLoraAdapter(path(), 1); }), HasSubstr("adapter_config.json"));
  tensors_.clear();
  EXPECT_THAT(Read(), HasSubstr("contains no adapter"));
  EXPECT_THAT(Read(NAN), HasSubstr("invalid_argument "));
}

TEST_F(LoraFolder, OfAnotherModel) {
  Write();
  LoraAdapters adapters;
  adapters.Add(path(), 1);
  // A model with a single layer of another shape.
  const testing::TemporaryFolder model;
  std::vector<float> layer(30, 1.0f);
  const TensorView view{
      DType::kF32, {6, 5}, reinterpret_cast<const uint8_t*>(layer.data()), 120, ""};
  const std::string name = "model.language_model.decoder.layers.0.fc1.weight";
  WriteSafetensors(model.path() / "model.safetensors", {{name, view}});
  const Checkpoint checkpoint = Checkpoint::Open(model.path());
  const WeightReader reader(checkpoint, Arithmetic::kF32, &adapters);
  const std::string said = Caught([&] { reader.Floats(name, {6, 5}); });
  EXPECT_THAT(said, HasSubstr(kWeights));
  EXPECT_THAT(said, HasSubstr("tensor " + kA + ": is for a layer of the shape [6, 4]"));
  Add("base_model.model.model.language_model.decoder.layers.9.fc1.lora_A.weight", {2, 4});
  Add("base_model.model.model.language_model.decoder.layers.9.fc1.lora_B.weight", {6, 2});
  Write();
  LoraAdapters deeper;
  deeper.Add(path(), 1);
  EXPECT_THAT(Caught([&] { WeightReader(checkpoint, Arithmetic::kF32, &deeper); }),
              HasSubstr("layers.9.fc1.lora_A.weight: the model has no model.language_model"));
}

TEST_F(LoraFolder, MergesThatOverflow) {
  config_["lora_alpha"] = 1e38;
  Add(kA, {2, 4}, 1e20f);
  Write();
  LoraAdapters adapters;
  adapters.Add(path(), 1);
  const testing::TemporaryFolder model;
  std::vector<float> layer(24, 1.0f);
  const TensorView view{
      DType::kF32, {6, 4}, reinterpret_cast<const uint8_t*>(layer.data()), 96, ""};
  const std::string name = "model.language_model.decoder.layers.0.fc1.weight";
  WriteSafetensors(model.path() / "model.safetensors", {{name, view}});
  const Checkpoint checkpoint = Checkpoint::Open(model.path());
  const WeightReader reader(checkpoint, Arithmetic::kF32, &adapters);
  EXPECT_THAT(Caught([&] { reader.Floats(name, {6, 4}); }), HasSubstr("gives NaN or infinity"));
}

}  // namespace
}  // namespace uffizi
