// Searches compared with transformers' generate(); see tests/golden/make_generate.py.

#include "generate/search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "generate/fake_model.h"
#include "generate/golden_cases.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

using nlohmann::json;

// The model's own log-probability of `token` after `history`, in double.
double LogProbability(const FakeModel& model, const std::vector<int>& history, int token) {
  std::vector<float> row(static_cast<size_t>(model.vocab));
  model.Logits(history, row);
  double sum = 0;
  for (float value : row) sum += std::exp(static_cast<double>(value));
  return row[static_cast<size_t>(token)] - std::log(sum);
}

void ExpectModelLogprobs(const FakeModel& model, int start, const Generated& answer) {
  ASSERT_EQ(answer.logprobs.size(), answer.ids.size());
  std::vector<int> history = {start};
  for (size_t i = 0; i < answer.ids.size(); ++i) {
    EXPECT_NEAR(answer.logprobs[i], LogProbability(model, history, answer.ids[i]), 1e-5) << i;
    history.push_back(answer.ids[i]);
  }
}

// Each spread anew in double, from the model's logits after the answer so far.
void ExpectModelSpreads(const FakeModel& model, const GenerationConfig& config,
                        const Generated& answer) {
  std::vector<int> history = {config.decoder_start_token_id};
  std::vector<float> row(static_cast<size_t>(model.vocab));
  size_t spreads = 0;
  for (const int id : answer.ids) {
    if (config.locations.Contain(id)) {
      ASSERT_LT(spreads, answer.spreads.size());
      const LocationSpread& spread = answer.spreads[spreads++];
      model.Logits(history, row);
      double all = 0;
      for (float value : row) all += std::exp(double{value});
      for (size_t i = 0; i < spread.within.size(); ++i) {
        double near = 0;
        for (int v = 0; v < model.vocab; ++v) {
          if (!config.locations.Contain(v)) continue;
          if (std::abs(v - id) > LocationSpread::kDistances[i]) continue;
          near += std::exp(double{row[static_cast<size_t>(v)]});
        }
        EXPECT_NEAR(spread.within[i], near / all, 1e-5) << spreads << " " << i;
      }
    }
    history.push_back(id);
  }
  EXPECT_EQ(spreads, answer.spreads.size());
}

// transformers ranks by the scores after the rules; where no rule changed one of the answer's, the
// model's own add up to the rank.
bool ScoresAreTheModels(const GenerationConfig& config) {
  return config.repetition_penalty == 1.0 && !config.forced_bos_token_id &&
         !config.forced_eos_token_id;
}

TEST(Search, EqualsTransformers) {
  std::ifstream file(UFFIZI_TEST_DATA "/generate/searches.json");
  const json cases = json::parse(file);
  ASSERT_GE(cases.size(), 300u);
  int ranks = 0;
  for (const json& expected : cases) {
    SCOPED_TRACE(expected.dump());
    const FakeModel model = ModelOf(expected["model"]);
    GenerationConfig config = ConfigOf(expected["config"]);
    config.locations = {4, model.vocab - 6};  // which changes no answer
    const auto search = Search::Make(config);
    const int steps = FakeEngine(model).Run(*search);
    const Generated answer = search->result();
    ASSERT_EQ(answer.ids, expected["ids"].get<std::vector<int>>());
    EXPECT_EQ(steps, expected["steps"].get<int>());
    EXPECT_EQ(answer.truncated, expected["truncated"].get<bool>());
    ExpectModelLogprobs(model, config.decoder_start_token_id, answer);
    ExpectModelSpreads(model, config, answer);
    if (expected.contains("score") && ScoresAreTheModels(config)) {
      double sum = 0;
      for (float logprob : answer.logprobs) sum += logprob;
      const double length = std::pow(answer.ids.size(), config.length_penalty);
      EXPECT_NEAR(sum / length, expected["score"].get<double>(), 1e-4 * (1 + std::abs(sum)));
      ++ranks;
    }
  }
  EXPECT_GT(ranks, 50);
}

TEST(Search, StartsWithOneRowAndNeverRunsMoreThanTheBeams) {
  GenerationConfig config;
  config.num_beams = 4;
  config.max_length = 20;
  config.forced_bos_token_id = 0;
  const auto search = Search::Make(config);
  ASSERT_EQ(search->rows().size(), 1u);
  EXPECT_EQ(search->rows()[0].parent, -1);
  EXPECT_EQ(search->rows()[0].token, config.decoder_start_token_id);
  FakeEngine engine((FakeModel()));
  engine.Step(*search);
  EXPECT_EQ(search->rows().size(), 1u);  // all beams would hold the forced token: one row does
  engine.Step(*search);
  while (!search->done()) {
    EXPECT_EQ(search->rows().size(), 4u);
    for (const SearchRow& row : search->rows()) EXPECT_GE(row.parent, 0);
    engine.Step(*search);
  }
}

TEST(Search, GreedyAnswerOnlyGrows) {
  GenerationConfig config;
  config.max_length = 30;
  const auto search = Search::Make(config);
  FakeEngine engine((FakeModel()));
  std::vector<int> before;
  while (!search->done()) {
    engine.Step(*search);
    const std::vector<int> now = search->result().ids;
    ASSERT_EQ(now.size(), before.size() + 1);
    EXPECT_TRUE(std::equal(before.begin(), before.end(), now.begin()));
    before = now;
  }
}

TEST(Search, BeamsGiveAnAnswerSoFar) {
  GenerationConfig config;
  config.num_beams = 3;
  const auto search = Search::Make(config);
  EXPECT_TRUE(search->result().ids.empty());
  FakeEngine engine((FakeModel()));
  engine.Step(*search);
  engine.Step(*search);
  EXPECT_FALSE(search->result().ids.empty());
  EXPECT_FALSE(search->result().truncated);
}

TEST(Search, TruncatedMeansTheLimitAndNotTheModelEndedIt) {
  for (int beams : {1, 3}) {
    SCOPED_TRACE(beams);
    FakeModel model;
    model.ends = {2};
    model.end_bias = -40;  // never
    GenerationConfig config;
    config.num_beams = beams;
    config.max_length = 6;
    const auto answer = [&] {
      const auto search = Search::Make(config);
      FakeEngine(model).Run(*search);
      return search->result();
    };
    EXPECT_TRUE(answer().truncated);
    EXPECT_EQ(answer().ids.size(), 5u);
    EXPECT_NE(answer().ids.back(), 2);
    config.forced_eos_token_id = 2;
    EXPECT_TRUE(answer().truncated);
    EXPECT_EQ(answer().ids.size(), 5u);
    EXPECT_EQ(answer().ids.back(), 2);
    model.end_bias = 40;  // at once
    EXPECT_FALSE(answer().truncated);
    EXPECT_EQ(answer().ids, std::vector<int>{2});
    // At the last position, but by the model's own choice.
    config.forced_eos_token_id.reset();
    config.min_length = 5;
    EXPECT_FALSE(answer().truncated);
    EXPECT_EQ(answer().ids.size(), 5u);
  }
}

TEST(Search, EndsWhenEveryTokenIsBanned) {
  for (int beams : {1, 2}) {
    SCOPED_TRACE(beams);
    FakeModel model;
    model.vocab = 5;
    GenerationConfig config;
    config.num_beams = beams;
    config.no_repeat_ngram_size = 1;  // five tokens, none of them twice, the start token included
    config.eos_token_ids = {};
    const auto search = Search::Make(config);
    FakeEngine(model).Run(*search);
    const Generated answer = search->result();
    std::vector<int> sorted = answer.ids;
    std::sort(sorted.begin(), sorted.end());
    EXPECT_EQ(sorted, (std::vector<int>{0, 1, 3, 4}));
    EXPECT_TRUE(answer.truncated);
  }
}

TEST(Search, RefusesLogitsThatAreNotNumbers) {
  for (int beams : {1, 3}) {
    for (float bad : {std::nanf(""), HUGE_VALF}) {
      GenerationConfig config;
      config.num_beams = beams;
      const auto search = Search::Make(config);
      std::vector<float> logits(100, 0.5f);
      logits[37] = bad;
      try {
        search->Advance(logits, 100);
        FAIL();
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kInvalidModel);
      }
    }
  }
}

TEST(Search, RefusesLogitsOfAnotherShape) {
  GenerationConfig config;
  std::vector<float> logits(99);
  EXPECT_THROW(Search::Make(config)->Advance(logits, 100), Error);
  config.num_beams = 2;
  EXPECT_THROW(Search::Make(config)->Advance(logits, 100), Error);
}

TEST(Search, RefusesAForcedTokenOutsideTheVocabulary) {
  GenerationConfig config;
  config.forced_bos_token_id = 100;
  std::vector<float> logits(100);
  try {
    Search::Make(config)->Advance(logits, 100);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("forced_bos_token_id"), std::string::npos);
  }
}

struct BadOption {
  const char* option;
  void (*set)(GenerationConfig&);
};

TEST(Search, NamesTheOptionThatMakesNoSense) {
  const BadOption kBad[] = {
      {"num_beams", [](GenerationConfig& c) { c.num_beams = 0; }},
      {"num_beams", [](GenerationConfig& c) { c.num_beams = 1000000; }},
      {"length_penalty", [](GenerationConfig& c) { c.length_penalty = std::nan(""); }},
      {"no_repeat_ngram_size", [](GenerationConfig& c) { c.no_repeat_ngram_size = -1; }},
      {"repetition_penalty", [](GenerationConfig& c) { c.repetition_penalty = 0; }},
      {"repetition_penalty", [](GenerationConfig& c) { c.repetition_penalty = HUGE_VAL; }},
      {"min_length", [](GenerationConfig& c) { c.min_length = -3; }},
      {"max_length", [](GenerationConfig& c) { c.max_length = 1; }},
      {"temperature", [](GenerationConfig& c) { c.do_sample = true, c.temperature = 0; }},
      {"temperature", [](GenerationConfig& c) { c.do_sample = true, c.temperature = 1e-60; }},
      {"top_k", [](GenerationConfig& c) { c.do_sample = true, c.top_k = -1; }},
      {"top_p", [](GenerationConfig& c) { c.do_sample = true, c.top_p = 1.5; }},
      {"top_p", [](GenerationConfig& c) { c.do_sample = true, c.top_p = std::nan(""); }},
      {"decoder_start_token_id", [](GenerationConfig& c) { c.decoder_start_token_id = -1; }},
      {"eos_token_ids",
       [](GenerationConfig& c) {
         c.eos_token_ids = {2, -2};
       }},
      {"suppress_tokens", [](GenerationConfig& c) { c.suppress_tokens = {-1}; }},
      {"forced_bos_token_id", [](GenerationConfig& c) { c.forced_bos_token_id = -1; }},
      {"forced_eos_token_id",
       [](GenerationConfig& c) { c.forced_eos_token_id = 2, c.suppress_tokens = {2}; }},
  };
  for (const BadOption& bad : kBad) {
    GenerationConfig config;
    bad.set(config);
    try {
      Search::Make(config);
      ADD_FAILURE() << bad.option;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).rfind(bad.option, 0), 0u) << error.what();
      EXPECT_EQ(error.code(), std::string(bad.option) == "do_sample" ? ErrorCode::kUnsupported
                                                                     : ErrorCode::kInvalidArgument);
    }
  }
}

}  // namespace
}  // namespace uffizi
