// A Spark NLP artifact against what OpenVINO computes with it (tests/data/models/README.md).

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/half.h"
#include "engine/decode_batch.h"
#include "image/preprocess.h"
#include "import/artifact.h"
#include "model/florence2.h"
#include "support/files.h"
#include "text/tokenizer.h"
#include "uffizi/engine.h"
#include "uffizi/image.h"
#include "uffizi/models.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::kArtifact;
using testing::kModelsData;
using testing::ReadBytes;

// The values of a .npy file of float16 or float32.
std::vector<float> ReadNpy(const fs::path& file) {
  const std::string bytes = ReadBytes(file);
  const size_t header =
      10 + static_cast<unsigned char>(bytes.at(8)) + 256u * static_cast<unsigned char>(bytes.at(9));
  const bool half = bytes.substr(0, header).find("'<f2'") != std::string::npos;
  const size_t size = half ? 2 : 4;
  std::vector<float> values((bytes.size() - header) / size);
  for (size_t i = 0; i < values.size(); ++i) {
    if (half) {
      uint16_t value;
      std::memcpy(&value, bytes.data() + header + i * size, size);
      values[i] = HalfToFloat(value);
    } else {
      std::memcpy(&values[i], bytes.data() + header + i * size, size);
    }
  }
  return values;
}

// max |difference| / max |expected|
double RelativeError(const std::vector<float>& expected, const float* values, size_t size) {
  if (expected.size() != size) return INFINITY;
  double error = 0, scale = 0;
  for (size_t i = 0; i < size; ++i) {
    const double difference = std::abs(static_cast<double>(values[i]) - expected[i]);
    if (!(difference <= error)) error = difference;
    scale = std::max(scale, std::abs(static_cast<double>(expected[i])));
  }
  return error / scale;
}

class Imported : public ::testing::Test {
 protected:
  // Imported once for all tests.
  static void SetUpTestSuite() {
    folder_ = new testing::TemporaryFolder;
    ImportOptions exact;
    exact.bits = 16;
    ImportModel(kArtifact, folder_->path() / "model", exact);
  }
  static void TearDownTestSuite() { delete folder_; }
  static fs::path model() { return folder_->path() / "model"; }

  static testing::TemporaryFolder* folder_;
};
testing::TemporaryFolder* Imported::folder_ = nullptr;

TEST_F(Imported, ComputesWhatOpenVinoComputes) {
  const auto network = Florence2::Load(model());
  const Tokenizer tokenizer = Tokenizer::Load(model());
  const auto d_model = static_cast<size_t>(network->config.text.d_model);
  const auto image_tokens = static_cast<size_t>(network->config.image_tokens());
  const auto vocabulary = static_cast<size_t>(network->config.text.vocab_size);
  const PreprocessConfig& preprocess = network->config.preprocess;
  const json cases = json::parse(ReadBytes(kModelsData / "ids.json"))["cases"];
  const std::vector<float> all_logits = ReadNpy(kModelsData / "first_logits.npy");
  ASSERT_EQ(all_logits.size(), cases.size() * vocabulary);
  Arena arena;
  std::vector<float> tokens(image_tokens * d_model);
  std::string encoded;
  for (size_t i = 0; i < cases.size(); ++i) {
    const json& one = cases[i];
    const auto name = one["picture"].get<std::string>();
    const auto which = one["case"].get<std::string>();
    const bool scene = name == "scene.png";
    SCOPED_TRACE(name + " " + which);
    if (encoded != name) {
      encoded = name;
      const Image read = ReadImage(kModelsData / (scene ? "scene_384.png" : "odd.jpg"));
      const Image picture =
          Resize(read.view(), preprocess.width, preprocess.height, ResampleFilter::kBicubic);
      std::vector<float> pixels(picture.pixels.size());
      Normalize(picture.view(), preprocess.rescale, preprocess.mean, preprocess.std, pixels.data());
      network->vision.Forward(pixels.data(), tokens.data(), arena);
      if (scene) {
        EXPECT_LT(
            RelativeError(ReadNpy(kModelsData / "vision_scene.npy"), tokens.data(), tokens.size()),
            1e-2);
      }
    }
    const auto ids = one["input_ids"].get<std::vector<int>>();
    EXPECT_EQ(tokenizer.Encode(one["prompt"].get<std::string>()), ids);
    const size_t count = image_tokens + ids.size();
    std::vector<float> states(count * d_model);
    network->EncodeText(tokens.data(), ids, states.data(), arena);
    if (scene && which == "od") {
      EXPECT_LT(RelativeError(ReadNpy(kModelsData / "encoder_scene_od.npy"), states.data(),
                              states.size()),
                1e-2);
    }
    SelfCache cache(network->decoder.layers(), 1, 1, d_model);
    const CrossCache cross = network->decoder.MakeCrossCache(states.data(), count, arena, arena);
    const int slot = 0;
    std::vector<float> logits(vocabulary);
    const BartDecoder::Row row{2, &cache, slot, 0, &slot, &cross};
    network->Decode({&row, 1}, logits.data(), arena);
    const std::vector<float> expected(all_logits.begin() + static_cast<long>(i * vocabulary),
                                      all_logits.begin() + static_cast<long>((i + 1) * vocabulary));
    EXPECT_LT(RelativeError(expected, logits.data(), vocabulary), 1e-2);

    GenerationConfig greedy;
    greedy.max_length = 61;
    DecodeBatch batch(*network, arena);
    batch.Add(greedy, states.data(), count);
    while (batch.Step()) {
    }
    EXPECT_EQ(batch.search(0).result().ids, one["greedy_ids"].get<std::vector<int>>());
  }
}

// Sizes come from the graphs alone: a Spark NLP artifact has no config.json.
TEST_F(Imported, RecoversEverySize) {
  const ModelConfig config = LoadModelConfig(model());
  ASSERT_EQ(config.vision.stages.size(), 4u);
  for (const VisionConfig::Stage& stage : config.vision.stages) {
    EXPECT_EQ(stage.dim, 128);
    EXPECT_EQ(stage.heads, 4);
    EXPECT_EQ(stage.groups, 4);
    EXPECT_EQ(stage.depth, 1);
  }
  EXPECT_EQ(config.vision.stages[0].patch_size, 7);
  EXPECT_FALSE(config.vision.stages[0].patch_prenorm);
  EXPECT_TRUE(config.vision.stages[1].patch_prenorm);
  EXPECT_EQ(config.vision.window_size, 12);
  EXPECT_EQ(config.vision.mlp_ratio, 2.0f);
  EXPECT_EQ(config.vision.max_position_embeddings, 50);
  EXPECT_EQ(config.preprocess.width, 384);
  EXPECT_EQ(config.text.d_model, 128);
  EXPECT_EQ(config.text.encoder_layers, 2);
  EXPECT_EQ(config.text.decoder_layers, 2);
  EXPECT_EQ(config.text.encoder_heads, 2);
  EXPECT_EQ(config.text.decoder_heads, 2);
  EXPECT_EQ(config.text.encoder_ffn_dim, 256);
  EXPECT_EQ(config.text.decoder_ffn_dim, 256);
  EXPECT_EQ(config.text.max_positions, 256);
  EXPECT_EQ(config.text.vocab_size, 1537);
  EXPECT_EQ(config.generation.num_beams, 3);
}

// The folder of the exported models gives the same, whatever its layers are called.
TEST_F(Imported, NamesOfLayersDoNotMatter) {
  const testing::TemporaryFolder folder;
  testing::UnpackGraphs(folder.path());
  fs::copy_file(model() / "tokenizer.json", folder.path() / "tokenizer.json");
  for (const char* name : {"image_embedding", "text_embedding", "encoder", "decoder"}) {
    const fs::path file = folder.path() / (std::string(name) + ".xml");
    std::string xml = ReadBytes(file), renamed;
    size_t number = 0;
    for (size_t at = 0; at < xml.size();) {
      const size_t next = xml.find(" name=\"", at);
      if (next == std::string::npos) {
        renamed += xml.substr(at);
        break;
      }
      renamed += xml.substr(at, next - at) + " name=\"n" + std::to_string(number++);
      at = xml.find('"', next + 7);
    }
    testing::WriteText(file, renamed);
  }
  ASSERT_TRUE(IsImportable(folder.path()));
  ImportOptions exact;
  exact.bits = 16;
  ImportModel(folder.path(), folder.path() / "out", exact);
  EXPECT_EQ(ReadBytes(folder.path() / "out" / "model.safetensors"),
            ReadBytes(model() / "model.safetensors"));
}

TEST_F(Imported, EngineTakesTheArtifactItself) {
  const testing::TemporaryFolder cache;
  setenv("UFFIZI_CACHE", cache.path().c_str(), 1);
  const auto engine = Engine::Load(kArtifact);
  EXPECT_EQ(engine->info().vocab_size, 1537);
  // Again, from the cache.
  EXPECT_EQ(Engine::Load(kArtifact)->info().path, engine->info().path);
  const fs::path saved = cache.path() / "saved";
  Unzip(kArtifact, saved);
  EXPECT_EQ(Engine::Load(saved)->info().d_model, 128);
  unsetenv("UFFIZI_CACHE");
}

TEST_F(Imported, LeavesNothingBehindWhenItFails) {
  const testing::TemporaryFolder folder;
  const fs::path cut = folder.path() / "cut.zip";
  testing::WriteText(cut, ReadBytes(kArtifact).substr(0, 1'000'000));
  EXPECT_THROW(ImportModel(cut, folder.path() / "out"), Error);
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder.path())) ++files;
  EXPECT_EQ(files, 1u);
  EXPECT_THROW(ImportModel(kArtifact, folder.path()), Error);  // is not empty
}

}  // namespace
}  // namespace uffizi
