// Models of random weights, and what PyTorch computes with them (tests/golden).

#ifndef UFFIZI_TESTS_ENGINE_GOLDEN_MODEL_H_
#define UFFIZI_TESTS_ENGINE_GOLDEN_MODEL_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "engine/decode_batch.h"
#include "image/preprocess.h"
#include "model/florence2.h"
#include "support/cosine.h"
#include "support/files.h"
#include "support/random_model.h"

namespace uffizi::testing {

using nlohmann::json;

// The values that a golden has samples of; fewer than those if there are too few values.
inline std::vector<float> Samples(const json& golden, const float* values, size_t size) {
  const size_t step = golden["step"];
  std::vector<float> samples;
  for (size_t i = 0; i < size && samples.size() < golden["values"].size(); i += step) {
    samples.push_back(values[i]);
  }
  return samples;
}

// max |difference| / max |expected|, over the golden's samples.
inline double RelativeError(const json& golden, const float* values, size_t size) {
  const std::vector<float> samples = Samples(golden, values, size);
  const json& expected = golden["values"];
  if (samples.size() < expected.size()) return INFINITY;
  double error = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const double difference = std::abs(samples[i] - expected[i].get<double>());
    if (!(difference <= error)) error = difference;  // a NaN stays, and fails
    if (std::isnan(error)) break;
  }
  return error / golden["max"].get<double>();
}

inline std::shared_ptr<const Florence2> MakeModel(const json& golden,
                                                  const std::filesystem::path& folder,
                                                  Arithmetic arithmetic = Arithmetic::kF32,
                                                  const LoraAdapters* adapters = nullptr) {
  json config = golden["config"];
  const json& saved = golden["saved"];
  config["tie_word_embeddings"] = saved.value("tied", true);
  if (saved.value("layout", "native") == "microsoft") {  // that layout's spelling
    config["vision_config"]["dim_embed"] = config["vision_config"]["embed_dim"];
    config["vision_config"].erase("embed_dim");
  }
  WriteText(folder / "config.json", config.dump());
  WriteText(
      folder / "preprocessor_config.json",
      json{{"size", {{"width", golden["size"][0]}, {"height", golden["size"][1]}}}, {"resample", 3}}
          .dump());
  RandomModelOptions options;
  options.seed = golden["seed"];
  options.tied = saved.value("tied", true);
  options.shared_key = saved.value("shared_key", true);
  if (saved.value("layout", "native") == "microsoft") {
    options.layout = KeyLayout::kMicrosoft;
  }
  if (saved.value("dtype", "F32") == "F16") options.dtype = DType::kF16;
  if (saved.value("dtype", "F32") == "BF16") options.dtype = DType::kBF16;
  WriteRandomWeights(folder, options);
  return Florence2::Load(folder, arithmetic, adapters);
}

inline GenerationConfig SearchConfig(const json& options) {
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
inline void ExpectEqual(const std::shared_ptr<const Florence2>& model, const json& golden,
                        double tolerance) {
  const auto d_model = static_cast<size_t>(model->config.text.d_model);
  const auto image_tokens = static_cast<size_t>(model->config.image_tokens());
  Arena arena;
  for (const json& one : golden["cases"]) {
    SCOPED_TRACE(golden["name"].get<std::string>() + " " + one["kind"].dump());
    const Image picture = PatternPicture(golden["size"][0], golden["size"][1], one["kind"]);
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

// States for the decoder.
inline std::vector<float> Encode(const Florence2& model, const json& golden, const json& one) {
  Arena arena;
  const Image picture = PatternPicture(golden["size"][0], golden["size"][1], one["kind"]);
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
inline Answers Answer(const Florence2& model, const json& golden, bool together) {
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

}  // namespace uffizi::testing

#endif  // UFFIZI_TESTS_ENGINE_GOLDEN_MODEL_H_
