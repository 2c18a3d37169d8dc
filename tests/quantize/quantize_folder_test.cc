// Folders that QuantizeFolder() writes, of both layouts, and what it keeps.

#include "quantize/quantize_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/mapped_file.h"
#include "model/florence2.h"
#include "support/files.h"
#include "support/random_model.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json Config(bool microsoft) {
  json config = {{"model_type", "florence2"},
                 {"vision_config",
                  {{"embed_dim", {32, 64}},
                   {"num_heads", {1, 2}},
                   {"num_groups", {2, 2}},
                   {"depths", {1, 1}},
                   {"patch_size", {7, 3}},
                   {"patch_stride", {4, 2}},
                   {"patch_padding", {3, 1}},
                   {"patch_prenorm", {false, true}},
                   {"window_size", 4},
                   {"projection_dim", 64}}},
                 {"text_config",
                  {{"vocab_size", 40},
                   {"d_model", 64},
                   {"encoder_layers", 1},
                   {"decoder_layers", 1},
                   {"encoder_attention_heads", 2},
                   {"decoder_attention_heads", 2},
                   {"encoder_ffn_dim", 80},
                   {"decoder_ffn_dim", 96},
                   {"max_position_embeddings", 64}}}};
  if (microsoft) {
    config["vision_config"]["dim_embed"] = config["vision_config"]["embed_dim"];
    config["vision_config"].erase("embed_dim");
  }
  return config;
}

class QuantizedFolder : public ::testing::Test {
 protected:
  void Write(const testing::RandomModelOptions& options) {
    fs::create_directories(from());
    const bool microsoft = options.layout == testing::KeyLayout::kMicrosoft;
    testing::WriteText(from() / "config.json", Config(microsoft).dump());
    testing::WriteText(from() / "preprocessor_config.json",
                       R"({"size": {"width": 32, "height": 32}})");
    testing::WriteRandomWeights(from(), options);
  }
  fs::path from() const { return folder_.path() / "from"; }
  fs::path to() const { return folder_.path() / "to"; }

  testing::TemporaryFolder folder_;
};

TEST_F(QuantizedFolder, IsTheSameFromBothLayouts) {
  QuantizeFolderOptions options;
  options.weights = {4, 32, true};
  options.overwrite = true;
  Write({});
  QuantizeFolder(from(), to(), options);
  const std::string native = ReadFile(to() / "model.safetensors");
  testing::RandomModelOptions microsoft;
  microsoft.layout = testing::KeyLayout::kMicrosoft;
  Write(microsoft);
  QuantizeFolder(from(), to(), options);
  EXPECT_TRUE(ReadFile(to() / "model.safetensors") == native);
  const json config = json::parse(ReadFile(to() / "config.json"));
  EXPECT_EQ(config["vision_config"]["embed_dim"], json({32, 64}));
  EXPECT_EQ(config["text_config"]["model_type"], "bart");
  EXPECT_NE(Florence2::Load(to()), nullptr);
}

TEST_F(QuantizedFolder, KeepsLayersThatGroupsDoNotDivide) {
  Write({});
  QuantizeFolderOptions options;
  options.weights = {4, 32, true};
  const FolderReport report = QuantizeFolder(from(), to(), options);
  std::map<std::string, int> bits;
  for (const LayerReport& layer : report.layers) bits[layer.name] = layer.bits;
  EXPECT_EQ(bits.at("model.language_model.encoder.layers.0.fc2.weight"), 16);  // 80 columns
  EXPECT_EQ(bits.at("model.language_model.encoder.layers.0.fc1.weight"), 4);
  EXPECT_EQ(bits.at("model.language_model.decoder.layers.0.fc2.weight"), 4);
  EXPECT_EQ(bits.at("model.vision_tower.convs.0.conv.weight"), 16);
  EXPECT_EQ(bits.at("model.language_model.shared.weight"), 16);
  const json ignored = json::parse(ReadFile(to() / "config.json"))["quantization_config"]["ignore"];
  EXPECT_THAT(ignored.get<std::vector<std::string>>(),
              ::testing::Contains("model.language_model.encoder.layers.0.fc2"));
}

// Smoothing is folded into a written folder where it folds, and done on loading elsewhere: neither
// is nearer to float32 than the other by much.
TEST_F(QuantizedFolder, ComputesAsTheModelItCameFrom) {
  testing::RandomModelOptions half;
  half.dtype = DType::kF16;
  Write(half);
  QuantizeFolder(from(), to(), {});
  const Image picture = testing::PatternPicture(32, 32, 1);
  const std::vector<float> pixels(picture.pixels.begin(), picture.pixels.end());
  const auto tokens = [&](const fs::path& folder, Arithmetic arithmetic) {
    const auto model = Florence2::Load(folder, arithmetic);
    Arena arena;
    std::vector<float> all(static_cast<size_t>(model->config.image_tokens()) * 64);
    model->vision.Forward(pixels.data(), all.data(), arena);
    return all;
  };
  const std::vector<float> exact = tokens(from(), Arithmetic::kF32);
  const auto error = [&](const std::vector<float>& rounded) {
    double sum = 0, power = 0;
    for (size_t i = 0; i < exact.size(); ++i) {
      sum += std::pow(double{rounded[i]} - double{exact[i]}, 2);
      power += double{exact[i]} * double{exact[i]};
    }
    return std::sqrt(sum / power);
  };
  const double loaded = error(tokens(from(), Arithmetic::kInt4));
  const double written = error(tokens(to(), Arithmetic::kInt4));
  EXPECT_LT(loaded, 0.2);
  EXPECT_LT(written, 1.25 * loaded);
  EXPECT_LT(loaded, 1.25 * written);
}

// In 8 bits, next to nothing but the fold itself could change the function.
TEST_F(QuantizedFolder, KeepsTheFunctionWhereItFolds) {
  Write({});
  QuantizeFolderOptions options;
  options.weights = {8, 32, true};
  QuantizeFolder(from(), to(), options);
  const Checkpoint before = Checkpoint::Open(from()), after = Checkpoint::Open(to());
  const std::string norm = "model.vision_tower.blocks.1.0.spatial_block.norm1.weight";
  ASSERT_NE(after.Find(norm), nullptr);
  const TensorView &was = *before.Find(norm), &is = *after.Find(norm);
  EXPECT_FALSE(was.bytes == is.bytes && std::equal(was.data, was.data + was.bytes, is.data));
  Arena arena;
  std::vector<float> tokens[2];
  const Image picture = testing::PatternPicture(32, 32, 1);
  const std::vector<float> pixels(picture.pixels.begin(), picture.pixels.end());
  for (const bool written : {false, true}) {
    const auto model = Florence2::Load(written ? to() : from());
    tokens[written].resize(static_cast<size_t>(model->config.image_tokens()) * 64);
    model->vision.Forward(pixels.data(), tokens[written].data(), arena);
  }
  for (size_t i = 0; i < tokens[0].size(); ++i) {
    EXPECT_NEAR(tokens[1][i], tokens[0][i], 0.05f) << i;
  }
}

TEST_F(QuantizedFolder, IsWholeOrNotThere) {
  Write({});
  const std::string weights = ReadFile(from() / "model.safetensors");
  std::string broken = weights;  // one weight is not a number
  const uint32_t nan = 0x7fc00000;
  std::memcpy(broken.data() + broken.size() - 4, &nan, 4);
  testing::WriteText(from() / "model.safetensors", broken);
  const auto files = [&] {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_.path())) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  };
  EXPECT_THROW(QuantizeFolder(from(), to(), {}), Error);
  EXPECT_THAT(files(), ::testing::ElementsAre("from"));
  testing::WriteText(from() / "model.safetensors", weights);
  QuantizeFolder(from(), to(), {});
  EXPECT_THAT(files(), ::testing::UnorderedElementsAre("from", "to"));
  EXPECT_THROW(QuantizeFolder(from(), to(), {}), Error);
}

}  // namespace
}  // namespace uffizi
