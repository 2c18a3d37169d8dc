// A Spark NLP artifact, compared with OpenVINO's results (tests/data/models/README.md).

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "checkpoint/weight_reader.h"
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

// Compares vision tokens, encoder states, first logits and greedy ids with those in `data`, for the
// cases of one picture; each of the arrays where it is there.
void ExpectOpenVinosResults(const fs::path& model, const fs::path& data, const std::string& name,
                            const fs::path& file) {
  const auto network = Florence2::Load(model);
  const Tokenizer tokenizer = Tokenizer::Load(model);
  const auto d_model = static_cast<size_t>(network->config.text.d_model);
  const auto image_tokens = static_cast<size_t>(network->config.image_tokens());
  const auto vocabulary = static_cast<size_t>(network->config.text.vocab_size);
  const PreprocessConfig& preprocess = network->config.preprocess;
  const std::string stem = fs::path(name).stem();
  const auto expect_near = [](const fs::path& npy, const std::vector<float>& values) {
    if (fs::exists(npy)) {
      EXPECT_LT(RelativeError(ReadNpy(npy), values.data(), values.size()), 1e-2) << npy;
    }
  };
  Arena arena;
  const Image read = ReadImage(file);
  const Image picture =
      Resize(read.view(), preprocess.width, preprocess.height, ResampleFilter::kBicubic);
  std::vector<float> pixels(picture.pixels.size());
  Normalize(picture.view(), preprocess.rescale, preprocess.mean, preprocess.std, pixels.data());
  std::vector<float> tokens(image_tokens * d_model);
  network->vision.Forward(pixels.data(), tokens.data(), arena);
  expect_near(data / ("vision_" + stem + ".npy"), tokens);

  const json cases = json::parse(ReadBytes(data / "ids.json"))["cases"];
  const std::vector<float> all_logits = ReadNpy(data / "first_logits.npy");
  ASSERT_EQ(all_logits.size(), cases.size() * vocabulary);
  size_t checked = 0;
  for (size_t i = 0; i < cases.size(); ++i) {
    const json& one = cases[i];
    if (one["picture"] != name) continue;
    SCOPED_TRACE(name + " " + one["case"].get<std::string>());
    const auto ids = one["input_ids"].get<std::vector<int>>();
    EXPECT_EQ(tokenizer.Encode(one["prompt"].get<std::string>()), ids);
    const size_t count = image_tokens + ids.size();
    std::vector<float> states(count * d_model);
    network->EncodeText(tokens.data(), ids, states.data(), arena);
    expect_near(data / ("encoder_" + stem + "_" + one["case"].get<std::string>() + ".npy"), states);
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
    ++checked;
  }
  EXPECT_GT(checked, 0u);
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
  ExpectOpenVinosResults(model(), kModelsData, "scene.png", kModelsData / "scene_384.png");
  ExpectOpenVinosResults(model(), kModelsData, "odd.jpg", kModelsData / "odd.jpg");
}

// Traced from Microsoft's own code, as the released artifacts were.
TEST(ImportedFromMicrosoft, ComputesWhatOpenVinoComputes) {
  const fs::path data = kModelsData / "microsoft";
  const testing::TemporaryFolder folder;
  ImportOptions exact;
  exact.bits = 16;
  const ImportReport report =
      ImportModel(data / "florence_2_tiny_int4.zip", folder.path() / "model", exact);
  ExpectOpenVinosResults(folder.path() / "model", data, "odd.jpg", kModelsData / "odd.jpg");
  ASSERT_EQ(report.graphs.size(), 5u);
  for (const ImportReport::Graph& graph : report.graphs) {
    EXPECT_EQ(graph.lineage, "Microsoft");
    EXPECT_EQ(graph.exporter, "2024.6.0");
  }
  size_t exactly = 0, rounded = 0;
  for (const ImportReport::Matrix& matrix : report.matrices) ++(matrix.exact ? exactly : rounded);
  size_t kept = 0;
  for (const ImportReport::Graph& graph : report.graphs) kept += graph.kept;
  EXPECT_EQ(kept, exactly);
  EXPECT_EQ(rounded, 0u);  // nothing is, with 16 bits
}

// Weights that come in 4 bits are the same in a folder in which all others are rounded to 4 bits.
TEST(ImportedFromMicrosoft, FourBitsStayWhatTheyAre) {
  const testing::TemporaryFolder folder;
  const fs::path source = kModelsData / "microsoft" / "florence_2_tiny_int4.zip";
  ImportOptions exact;
  exact.bits = 16;
  ImportModel(source, folder.path() / "exact", exact);
  const ImportReport report = ImportModel(source, folder.path() / "small");
  const Checkpoint one = Checkpoint::Open(folder.path() / "exact");
  const Checkpoint other = Checkpoint::Open(folder.path() / "small");
  const WeightReader exactly(one), small(other);
  size_t kept = 0;
  for (const ImportReport::Matrix& matrix : report.matrices) {
    if (matrix.stored != "i4") continue;
    EXPECT_TRUE(matrix.exact) << matrix.name;
    EXPECT_EQ(matrix.bits, 4) << matrix.name;
    const FloatTensor a = exactly.Floats(matrix.name, matrix.shape);
    const FloatTensor b = small.Floats(matrix.name, matrix.shape);
    EXPECT_TRUE(std::equal(a.data(), a.data() + a.size(), b.data())) << matrix.name;
    ++kept;
  }
  EXPECT_GT(kept, 20u);
  EXPECT_LT(report.bytes_after, fs::file_size(folder.path() / "exact" / "model.safetensors"));
}

// The larger sets beside the project, where they are: f16 throughout, 4 bits with zero points, and
// a picture model traced at a size other than the metadata says.
class SharedSet : public ::testing::TestWithParam<const char*> {};

TEST_P(SharedSet, ComputesWhatOpenVinoComputes) {
  const char* shared = std::getenv("UFFIZI_SHARED");
  if (shared == nullptr) GTEST_SKIP() << "UFFIZI_SHARED names no folder of golden data";
  const std::string name = GetParam();
  const fs::path golden = fs::path(shared) / "golden",
                 set = golden / "microsoft" / name.substr(0, 1);
  const testing::TemporaryFolder folder;
  fs::path source;
  for (const auto& entry : fs::directory_iterator(set)) {
    if (entry.path().extension() == ".zip") source = entry.path();
  }
  if (name == "D at 512") {
    Unzip(source, folder.path() / "artifact");
    source = folder.path() / "artifact";
    fs::remove_all(source / "image_embedding.xml");  // a folder, unpacked
    fs::copy_file(set / "image_embedding_512.xml", source / "image_embedding.xml");
  }
  ImportOptions exact;
  exact.bits = 16;
  ImportModel(source, folder.path() / "model", exact);
  for (const char* picture : {"scene.png", "odd.jpg"}) {
    ExpectOpenVinosResults(folder.path() / "model", set / "expected" / "openvino", picture,
                           golden / "pictures" / picture);
  }
}

INSTANTIATE_TEST_SUITE_P(Microsoft, SharedSet, ::testing::Values("C", "D", "D at 512"),
                         [](const auto& set) {
                           std::string name = set.param;
                           std::replace(name.begin(), name.end(), ' ', '_');
                           return name;
                         });

// Sizes come from the graphs alone, since a Spark NLP artifact has no config.json.
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

// The folder of the exported models gives the same result, whatever its layers are called.
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

// Then the number of tokens tells it.
TEST_F(Imported, TheSideOfThePictureMayBeOpen) {
  const testing::TemporaryFolder folder;
  testing::UnpackGraphs(folder.path());
  fs::copy_file(model() / "tokenizer.json", folder.path() / "tokenizer.json");
  const fs::path file = folder.path() / "image_embedding.xml";
  std::string xml = ReadBytes(file);
  size_t at = xml.find("<dim>384</dim>");
  for (int i = 0; i < 2; ++i) {  // of the Parameter, which comes first
    ASSERT_NE(at, std::string::npos);
    xml.replace(at, 14, "<dim>-1</dim>");
    at = xml.find("<dim>384</dim>");
  }
  testing::WriteText(file, xml);
  ImportOptions exact;
  exact.bits = 16;
  ImportModel(folder.path(), folder.path() / "out", exact);
  EXPECT_EQ(ReadBytes(folder.path() / "out" / "model.safetensors"),
            ReadBytes(model() / "model.safetensors"));
  EXPECT_EQ(LoadModelConfig(folder.path() / "out").preprocess.width, 384);
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
