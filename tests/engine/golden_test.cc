// The whole network against PyTorch: random weights of many shapes (tests/golden/make_model.py).

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/parallel.h"
#include "engine/decode_batch.h"
#include "image/preprocess.h"
#include "model/florence2.h"
#include "quantize/quantize_folder.h"
#include "support/files.h"
#include "support/random_model.h"

namespace uffizi {
namespace {

using nlohmann::json;

const json& Goldens() {
  static const json goldens =
      json::parse(testing::ReadGzip(UFFIZI_TEST_DATA "/model/goldens.json.gz"));
  return goldens;
}

// Folders written by uffizi quantize and opened by transformers (make_quantized.py).
const json& QuantizedGoldens() {
  static const json goldens =
      json::parse(testing::ReadGzip(UFFIZI_TEST_DATA "/model/quantized.json.gz"));
  return goldens;
}

// Models into which peft merged the adapters beside it (make_lora.py).
const json& LoraGoldens() {
  static const json goldens =
      json::parse(testing::ReadGzip(UFFIZI_TEST_DATA "/lora/goldens.json.gz"));
  return goldens;
}

LoraAdapters ReadAdapters(const json& golden, const std::filesystem::path& folder) {
  LoraAdapters adapters;
  for (const auto& [name, weight] : golden["adapters"].items()) {
    adapters.Add(folder / name, weight.get<double>());
  }
  return adapters;
}

// max |difference| / max |expected|, over the golden's samples.
double RelativeError(const json& golden, const float* values, size_t size) {
  const size_t step = golden["step"];
  double error = 0;
  size_t i = 0;
  for (const json& expected : golden["values"]) {
    if (i * step >= size) return INFINITY;
    const double difference = std::abs(values[i * step] - expected.get<double>());
    if (!(difference <= error)) error = difference;  // a NaN stays, and fails
    if (std::isnan(error)) break;
    ++i;
  }
  return error / golden["max"].get<double>();
}

std::shared_ptr<const Florence2> MakeModel(const json& golden, const std::filesystem::path& folder,
                                           Arithmetic arithmetic = Arithmetic::kF32,
                                           const LoraAdapters* adapters = nullptr) {
  json config = golden["config"];
  const json& saved = golden["saved"];
  config["tie_word_embeddings"] = saved.value("tied", true);
  if (saved.value("layout", "native") == "microsoft") {  // that layout's spelling
    config["vision_config"]["dim_embed"] = config["vision_config"]["embed_dim"];
    config["vision_config"].erase("embed_dim");
  }
  testing::WriteText(folder / "config.json", config.dump());
  testing::WriteText(
      folder / "preprocessor_config.json",
      json{{"size", {{"width", golden["size"][0]}, {"height", golden["size"][1]}}}, {"resample", 3}}
          .dump());
  testing::RandomModelOptions options;
  options.seed = golden["seed"];
  options.tied = saved.value("tied", true);
  options.shared_key = saved.value("shared_key", true);
  if (saved.value("layout", "native") == "microsoft") {
    options.layout = testing::KeyLayout::kMicrosoft;
  }
  if (saved.value("dtype", "F32") == "F16") options.dtype = DType::kF16;
  if (saved.value("dtype", "F32") == "BF16") options.dtype = DType::kBF16;
  testing::WriteRandomWeights(folder, options);
  return Florence2::Load(folder, arithmetic, adapters);
}

GenerationConfig SearchConfig(const json& options) {
  GenerationConfig config;
  config.num_beams = options.value("num_beams", 1);
  config.no_repeat_ngram_size = options.value("no_repeat_ngram_size", 0);
  config.length_penalty = options.value("length_penalty", 1.0);
  config.repetition_penalty = options.value("repetition_penalty", 1.0);
  config.min_length = options.value("min_length", 0);
  config.max_length = options["max_length"];
  if (options.contains("early_stopping")) {
    const json& stop = options["early_stopping"];
    config.early_stopping = stop == "never" ? EarlyStopping::kNever
                            : stop == true  ? EarlyStopping::kOn
                                            : EarlyStopping::kOff;
  }
  if (options.contains("forced_bos_token_id")) config.forced_bos_token_id = 0;
  if (options.contains("forced_eos_token_id")) config.forced_eos_token_id = 2;
  return config;
}

// The largest error of image tokens, states and logits is `tolerance`; ids of searches are equal.
void ExpectEqual(const std::shared_ptr<const Florence2>& model, const json& golden,
                 double tolerance) {
  const auto d_model = static_cast<size_t>(model->config.text.d_model);
  const auto image_tokens = static_cast<size_t>(model->config.image_tokens());
  Arena arena;
  for (const json& one : golden["cases"]) {
    SCOPED_TRACE(golden["name"].get<std::string>() + " " + one["kind"].dump());
    const Image picture =
        testing::PatternPicture(golden["size"][0], golden["size"][1], one["kind"]);
    std::vector<float> pixels(picture.pixels.size());
    const PreprocessConfig& preprocess = model->config.preprocess;
    Normalize(picture.view(), preprocess.rescale, preprocess.mean, preprocess.std, pixels.data());

    std::vector<float> tokens(image_tokens * d_model);
    model->vision.Forward(pixels.data(), tokens.data(), arena);
    EXPECT_LT(RelativeError(one["vision"], tokens.data(), tokens.size()), tolerance);

    const auto ids = one["input_ids"].get<std::vector<int>>();
    std::vector<float> states((image_tokens + ids.size()) * d_model);
    model->EncodeText(tokens.data(), ids, states.data(), arena);
    EXPECT_LT(RelativeError(one["encoder"], states.data(), states.size()), tolerance);

    SelfCache cache(model->decoder.layers(), 1, 1, d_model);
    const CrossCache cross =
        model->decoder.MakeCrossCache(states.data(), image_tokens + ids.size(), arena, arena);
    const int slot = 0;
    std::vector<float> logits(static_cast<size_t>(model->config.text.vocab_size));
    const BartDecoder::Row row{2, &cache, slot, 0, &slot, &cross};
    model->Decode({&row, 1}, logits.data(), arena);
    EXPECT_LT(RelativeError(one["logits"], logits.data(), logits.size()), tolerance);

    // All searches in one batch: they must not influence each other.
    DecodeBatch batch(*model, arena);
    for (const json& search : one["searches"]) {
      batch.Add(SearchConfig(search["options"]), states.data(), image_tokens + ids.size());
    }
    while (batch.Step()) {
    }
    for (size_t i = 0; i < one["searches"].size(); ++i) {
      const json& search = one["searches"][i];
      EXPECT_EQ(batch.search(i).result().ids, search["ids"].get<std::vector<int>>())
          << search["options"];
    }
  }
}

class GoldenModel : public ::testing::TestWithParam<size_t> {};

TEST_P(GoldenModel, EqualsPyTorch) {
  const json& golden = Goldens()["models"].at(GetParam());
  const testing::TemporaryFolder folder;
  ExpectEqual(MakeModel(golden, folder.path()), golden, 1e-3);
}

TEST(QuantizedFolder, EqualsWhatTransformersReadsFromIt) {
  for (const json& golden : QuantizedGoldens()["models"]) {
    const testing::TemporaryFolder folder;
    MakeModel(golden, folder.path());
    const json& quantized = golden["quantized"];
    QuantizeFolderOptions options;
    options.weights = {quantized["bits"], quantized["group_size"], quantized["symmetric"]};
    options.smooth = false;  // as the folder that transformers read: make_quantized.py
    QuantizeFolder(folder.path(), folder.path() / "quantized", options);
    // transformers multiplies scales and codes in half precision.
    ExpectEqual(Florence2::Load(folder.path() / "quantized"), golden, 4e-3);
  }
}

double Cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += double{a[i]} * b[i];
    aa += double{a[i]} * a[i];
    bb += double{b[i]} * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

// States for the decoder.
std::vector<float> Encode(const Florence2& model, const json& golden, const json& one) {
  Arena arena;
  const Image picture = testing::PatternPicture(golden["size"][0], golden["size"][1], one["kind"]);
  std::vector<float> pixels(picture.pixels.size());
  const PreprocessConfig& preprocess = model.config.preprocess;
  Normalize(picture.view(), preprocess.rescale, preprocess.mean, preprocess.std, pixels.data());
  const auto d_model = static_cast<size_t>(model.config.text.d_model);
  const auto image_tokens = static_cast<size_t>(model.config.image_tokens());
  std::vector<float> tokens(image_tokens * d_model);
  model.vision.Forward(pixels.data(), tokens.data(), arena);
  const auto ids = one["input_ids"].get<std::vector<int>>();
  std::vector<float> states((image_tokens + ids.size()) * d_model);
  model.EncodeText(tokens.data(), ids, states.data(), arena);
  return states;
}

using Answers = std::vector<std::vector<int>>;

// All of the model's searches for all its pictures: in one batch, or each in its own.
Answers Answer(const Florence2& model, const json& golden, bool together) {
  Arena arena;
  std::vector<DecodeBatch> batches;
  std::vector<std::pair<size_t, size_t>> places;
  const auto d_model = static_cast<size_t>(model.config.text.d_model);
  for (const json& one : golden["cases"]) {
    const std::vector<float> states = Encode(model, golden, one);
    for (const json& search : one["searches"]) {
      if (batches.empty() || !together) batches.emplace_back(model, arena);
      const size_t place = batches.back().Add(SearchConfig(search["options"]), states.data(),
                                              states.size() / d_model);
      places.emplace_back(batches.size() - 1, place);
    }
  }
  for (DecodeBatch& batch : batches) {
    while (batch.Step()) {
    }
  }
  Answers answers;
  for (const auto& [batch, place] : places) {
    answers.push_back(batches[batch].search(place).result().ids);
  }
  return answers;
}

TEST_P(GoldenModel, Int4IsNearAndTheSameInAnyCompany) {
  const json& golden = Goldens()["models"].at(GetParam());
  const testing::TemporaryFolder folder;
  const auto exact = MakeModel(golden, folder.path());
  const auto narrow = Florence2::Load(folder.path(), Arithmetic::kInt4);
  const json& one = golden["cases"][0];
  EXPECT_GT(Cosine(Encode(*narrow, golden, one), Encode(*exact, golden, one)), 0.95);
  if (golden["name"] == "base") return;  // its searches take long
  Answers alone;
  oneapi::tbb::task_arena one_thread(1);
  one_thread.execute([&] { alone = Answer(*narrow, golden, false); });
  for (const int threads : {1, 2, 5}) {
    oneapi::tbb::task_arena arena(threads);
    arena.execute([&] { EXPECT_EQ(Answer(*narrow, golden, true), alone) << threads; });
  }
}

TEST(Lora, EqualsPeftsMerge) {
  for (json golden : LoraGoldens()["models"]) {
    const LoraAdapters adapters = ReadAdapters(golden, UFFIZI_TEST_DATA "/lora");
    for (const char* layout : {"native", "microsoft"}) {
      SCOPED_TRACE(layout);
      golden["saved"]["layout"] = layout;
      const testing::TemporaryFolder folder;
      ExpectEqual(MakeModel(golden, folder.path(), Arithmetic::kF32, &adapters), golden, 1e-3);
    }
  }
}

// Adapters trained with Microsoft's code have its module names.
TEST(Lora, NamesMayBeMicrosofts) {
  const testing::TemporaryFolder folder;
  std::vector<Checkpoint> checkpoints;
  for (const char* name : {"linear", "convolutions"}) {
    const std::filesystem::path from = std::filesystem::path(UFFIZI_TEST_DATA) / "lora" / name;
    const std::filesystem::path to = folder.path() / name;
    std::filesystem::create_directory(to);
    json config = json::parse(std::ifstream(from / "adapter_config.json"));
    if (config["alpha_pattern"].size() == 2) {
      config["alpha_pattern"] = {{"qkv", 3}, {"model.encoder.layers.1.fc2", 12}};
    }
    testing::WriteText(to / "adapter_config.json", config.dump());
    checkpoints.push_back(Checkpoint::OpenFile(from / "adapter_model.safetensors"));
    std::map<std::string, TensorView> renamed;
    const std::string prefix = "base_model.model.";
    for (const auto& [key, tensor] : checkpoints.back().tensors()) {
      const size_t part = key.find(".lora_");
      const std::string native = key.substr(prefix.size(), part - prefix.size()) + ".weight";
      if (native.find("image_projection") != std::string::npos) continue;  // no module there
      const std::string microsoft = MicrosoftName(native);
      renamed[prefix + microsoft.substr(0, microsoft.rfind('.')) + key.substr(part)] = tensor;
    }
    EXPECT_FALSE(renamed.contains(checkpoints.back().tensors().begin()->first));
    WriteSafetensors(to / "adapter_model.safetensors", renamed);
  }
  for (const json& golden : LoraGoldens()["models"]) {
    if (golden["name"] != "convolutions") continue;
    const LoraAdapters adapters = ReadAdapters(golden, folder.path());
    const testing::TemporaryFolder model;
    ExpectEqual(MakeModel(golden, model.path(), Arithmetic::kF32, &adapters), golden, 1e-3);
  }
  LoraAdapters renamed, native;
  renamed.Add(folder.path() / "linear", 1);
  native.Add(UFFIZI_TEST_DATA "/lora/linear", 1);
  std::vector<std::string> names = native.names();
  std::erase(names, "model.multi_modal_projector.image_projection.weight");
  EXPECT_EQ(renamed.names(), names);
}

// Whether quantized while loading, in a folder, or by both.
TEST(Lora, Int4IsNearTheMergedModel) {
  const json golden = LoraGoldens()["models"].at(0);
  const LoraAdapters adapters = ReadAdapters(golden, UFFIZI_TEST_DATA "/lora");
  const testing::TemporaryFolder folder;
  const auto plain = MakeModel(golden, folder.path());
  const json& one = golden["cases"][0];
  const auto expected =
      Encode(*Florence2::Load(folder.path(), Arithmetic::kF32, &adapters), golden, one);
  EXPECT_LT(Cosine(Encode(*plain, golden, one), expected), 0.9);
  QuantizeFolderOptions options;
  options.weights = {4, 32, true};
  QuantizeFolder(folder.path(), folder.path() / "plain", options);
  options.adapters = adapters;
  QuantizeFolder(folder.path(), folder.path() / "merged", options);
  const auto near = [&](const char* name, Arithmetic arithmetic, const LoraAdapters* merge) {
    const auto model = Florence2::Load(folder.path() / name, arithmetic, merge);
    EXPECT_GT(Cosine(Encode(*model, golden, one), expected), 0.95) << name;
  };
  near("", Arithmetic::kInt4, &adapters);
  near("merged", Arithmetic::kF32, nullptr);
  near("merged", Arithmetic::kInt4, nullptr);
  // In a 4-bit model, changed weights are rounded again.
  near("plain", Arithmetic::kF32, &adapters);
  near("plain", Arithmetic::kInt4, &adapters);
}

// The same weights as in the merged model, up to rounding, under the names of transformers.
TEST(Lora, AQuantizedFolderKeepsHeadsAndBiases) {
  for (const json& golden : LoraGoldens()["models"]) {
    const LoraAdapters adapters = ReadAdapters(golden, UFFIZI_TEST_DATA "/lora");
    const testing::TemporaryFolder folder;
    MakeModel(golden, folder.path());
    QuantizeFolderOptions options;
    options.weights = {8, 32, true};
    options.adapters = adapters;
    QuantizeFolder(folder.path(), folder.path() / "merged", options);
    const auto model = Florence2::Load(folder.path() / "merged");
    const auto expected = Florence2::Load(folder.path(), Arithmetic::kF32, &adapters);
    const auto logits = [&](const Florence2& of) {
      std::vector<float> head(of.embedding.output.out());
      const std::vector<float> ones(of.embedding.output.in(), 1);
      Arena arena;
      of.embedding.output.Forward(ones.data(), 1, head.data(), arena);
      return head;
    };
    EXPECT_GT(Cosine(logits(*model), logits(*expected)), 0.9999) << golden["name"];
    const json& one = golden["cases"][0];
    EXPECT_GT(Cosine(Encode(*model, golden, one), Encode(*expected, golden, one)), 0.995)
        << golden["name"];
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenModel, ::testing::Range<size_t>(0, 7));
// A model of base size takes a while, so it has a name by which it can be excluded.
INSTANTIATE_TEST_SUITE_P(BaseSize, GoldenModel, ::testing::Values<size_t>(7));

}  // namespace
}  // namespace uffizi
