// The whole network against PyTorch: random weights of many shapes (tests/golden/make_model.py).

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/decode_batch.h"
#include "image/preprocess.h"
#include "model/florence2.h"
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

std::shared_ptr<const Florence2> MakeModel(const json& golden,
                                           const std::filesystem::path& folder) {
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
  return Florence2::Load(folder);
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

class GoldenModel : public ::testing::TestWithParam<size_t> {};

TEST_P(GoldenModel, EqualsPyTorch) {
  const json& golden = Goldens()["models"].at(GetParam());
  const testing::TemporaryFolder folder;
  const auto model = MakeModel(golden, folder.path());
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
    EXPECT_LT(RelativeError(one["vision"], tokens.data(), tokens.size()), 1e-3);

    const auto ids = one["input_ids"].get<std::vector<int>>();
    std::vector<float> states((image_tokens + ids.size()) * d_model);
    model->EncodeText(tokens.data(), ids, states.data(), arena);
    EXPECT_LT(RelativeError(one["encoder"], states.data(), states.size()), 1e-3);

    SelfCache cache(model->decoder.layers(), 1, 1, d_model);
    const CrossCache cross =
        model->decoder.MakeCrossCache(states.data(), image_tokens + ids.size(), arena);
    const int slot = 0;
    std::vector<float> logits(static_cast<size_t>(model->config.text.vocab_size));
    const BartDecoder::Row row{2, slot, 0, &slot, &cross};
    model->Decode({&row, 1}, cache, logits.data(), arena);
    EXPECT_LT(RelativeError(one["logits"], logits.data(), logits.size()), 1e-3);

    // All searches in one batch: none may disturb another.
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

INSTANTIATE_TEST_SUITE_P(Models, GoldenModel, ::testing::Range<size_t>(0, 7));
// A model of base size takes a while, so it has a name to be left out by.
INSTANTIATE_TEST_SUITE_P(BaseSize, GoldenModel, ::testing::Values<size_t>(7));

}  // namespace
}  // namespace uffizi
