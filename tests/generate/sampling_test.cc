// Sampling: what is drawn, how often, and that it can be drawn again.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <vector>

#include "generate/fake_model.h"
#include "generate/golden_cases.h"
#include "generate/sampler.h"
#include "generate/search.h"

namespace uffizi {
namespace {

constexpr float kBanned = -HUGE_VALF;

// The distribution that transformers samples from, written down from its definition: divide by the
// temperature, keep what is no less than the k-th greatest score, then drop, from the least likely
// upwards, what adds up to no more than 1 - top_p.
std::vector<double> Distribution(const std::vector<float>& scores, const GenerationConfig& config) {
  std::vector<double> p(scores.size());
  std::vector<float> sorted = scores;
  std::sort(sorted.rbegin(), sorted.rend());
  const size_t k = static_cast<size_t>(config.top_k);
  const float least = k > 0 && k < sorted.size() ? sorted[k - 1] : kBanned;
  for (size_t i = 0; i < p.size(); ++i) {
    p[i] = scores[i] < least ? 0 : std::exp(scores[i] / config.temperature);
  }
  const auto normalize = [&p] {
    const double total = std::accumulate(p.begin(), p.end(), 0.0);
    for (double& value : p) value /= total;
  };
  normalize();
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  double mass = 0;
  for (size_t i = 0; i + 1 < order.size(); ++i) {
    mass += p[order[i]];
    if (config.top_p < 1 && mass <= 1 - config.top_p) p[order[i]] = 0;
  }
  normalize();
  return p;
}

// Draws many times and compares by Pearson's chi-square; the bound is 5 standard deviations over
// the mean, which a right sampler passes for all but one seed in a hundred thousand or so.
void ExpectDistribution(const std::vector<float>& scores, const GenerationConfig& config) {
  constexpr int kDraws = 5000;
  const std::vector<double> p = Distribution(scores, config);
  std::vector<int> counts(scores.size());
  Sampler sampler(config);
  for (int i = 0; i < kDraws; ++i) {
    const int token = sampler.Draw(scores);
    ASSERT_GE(token, 0);
    ++counts[static_cast<size_t>(token)];
  }
  double chi_square = 0;
  double rare_expected = 0, rare_count = 0;  // cells of fewer than 5 are taken together
  int cells = -1;
  for (size_t i = 0; i < p.size(); ++i) {
    const double expected = p[i] * kDraws;
    if (expected == 0) {
      EXPECT_EQ(counts[i], 0) << i;
    } else if (expected < 5) {
      rare_expected += expected;
      rare_count += counts[i];
    } else {
      chi_square += std::pow(counts[i] - expected, 2) / expected;
      ++cells;
    }
  }
  if (rare_expected >= 5) {
    chi_square += std::pow(rare_count - rare_expected, 2) / rare_expected;
    ++cells;
  }
  EXPECT_LE(chi_square, cells + 5 * std::sqrt(2.0 * std::max(cells, 1)));
}

using Counts = std::map<std::vector<int>, std::pair<int, int>>;  // theirs, ours

// Two samples of one size and one distribution, by Pearson's chi-square; the bound as above.
void ExpectSameDistribution(const Counts& counts) {
  double chi_square = 0;
  std::pair<double, double> rare;  // answers of fewer than 10 are taken together
  int cells = -1;
  const auto add = [&](double theirs, double ours) {
    if (theirs + ours == 0) return;
    chi_square += std::pow(theirs - ours, 2) / (theirs + ours);
    ++cells;
  };
  for (const auto& [answer, count] : counts) {
    if (count.first + count.second >= 10) {
      add(count.first, count.second);
    } else {
      rare.first += count.first;
      rare.second += count.second;
    }
  }
  add(rare.first, rare.second);
  EXPECT_LE(chi_square, cells + 5 * std::sqrt(2.0 * std::max(cells, 1)));
}

std::vector<float> Scores(int vocab, bool peaky) {
  FakeModel model;
  model.vocab = vocab;
  model.peaky = peaky;
  std::vector<float> scores(static_cast<size_t>(vocab));
  model.Logits(std::vector<int>{2, 7}, scores);
  return scores;
}

TEST(Sampling, DrawsWithTheRightFrequency) {
  for (int top_k : {0, 1, 7, 50}) {
    for (double top_p : {0.0, 0.3, 0.9, 1.0}) {
      for (double temperature : {0.5, 2.0}) {
        SCOPED_TRACE(testing::Message() << top_k << " " << top_p << " " << temperature);
        GenerationConfig config;
        config.do_sample = true;
        config.top_k = top_k;
        config.top_p = top_p;
        config.temperature = temperature;
        config.seed = 11;
        ExpectDistribution(Scores(100, true), config);
        ExpectDistribution(Scores(333, false), config);
      }
    }
  }
}

// tests/golden/make_generate.py asked transformers 4000 times.
TEST(Sampling, WithinBeamsAnswersAreAsFrequentAsTransformers) {
  std::ifstream file(UFFIZI_TEST_DATA "/generate/sampled_beams.json");
  const nlohmann::json cases = nlohmann::json::parse(file);
  ASSERT_EQ(cases.size(), 7u);
  for (const nlohmann::json& expected : cases) {
    SCOPED_TRACE(expected["config"].dump());
    Counts counts;
    int draws = 0;
    for (const nlohmann::json& answer : expected["answers"]) {
      counts[answer[0].get<std::vector<int>>()].first = answer[1];
      draws += answer[1].get<int>();
    }
    const FakeModel model = ModelOf(expected["model"]);
    GenerationConfig config = ConfigOf(expected["config"]);
    for (int i = 0; i < draws; ++i) {
      config.seed = static_cast<uint64_t>(i) << 32;
      const auto search = Search::Make(config);
      FakeEngine(model).Run(*search);
      ++counts[search->result().ids].second;
    }
    ExpectSameDistribution(counts);
  }
}

TEST(Sampling, KeepsTokensThatTieWithTheLastOfTopK) {
  GenerationConfig config;
  config.top_k = 2;
  ExpectDistribution({1, 3, 2, 2, 0, 2, kBanned}, config);
}

TEST(Sampling, NeverDrawsABannedToken) {
  GenerationConfig config;
  config.top_k = 0;
  std::vector<float> scores(1000, kBanned);
  Sampler sampler(config);
  EXPECT_EQ(sampler.Draw(scores), -1);
  scores[500] = -60;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(sampler.Draw(scores), 500);
}

TEST(Sampling, TinyTemperatureIsGreedy) {
  const std::vector<float> scores = Scores(2000, false);
  const auto best = std::max_element(scores.begin(), scores.end()) - scores.begin();
  GenerationConfig config;
  config.temperature = 1e-30;
  for (int top_k : {0, 50}) {
    config.top_k = top_k;
    Sampler sampler(config);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(sampler.Draw(scores), best);
  }
}

std::vector<int> Sample(uint64_t seed, int max_length = 40, int beams = 1) {
  GenerationConfig config;
  config.do_sample = true;
  config.num_beams = beams;
  config.seed = seed;
  config.max_length = max_length;
  config.temperature = 3;
  FakeModel model;
  model.vocab = 3000;
  const auto search = Search::Make(config);
  FakeEngine(model).Run(*search);
  return search->result().ids;
}

TEST(Sampling, SameSeedSameAnswerAnotherSeedAnother) {
  EXPECT_EQ(Sample(5), Sample(5));
  std::map<std::vector<int>, int> answers;
  for (uint64_t seed = 0; seed < 50; ++seed) ++answers[Sample(seed)];
  EXPECT_EQ(answers.size(), 50u);
  EXPECT_EQ(Sample(5, 40, 3), Sample(5, 40, 3));
  EXPECT_NE(Sample(5, 40, 3), Sample(6, 40, 3));
}

TEST(Sampling, DoesNotDependOnCompany) {
  GenerationConfig config;
  config.do_sample = true;
  config.max_length = 30;
  FakeModel model;
  const auto alone = Search::Make(config);
  FakeEngine(model).Run(*alone);
  const auto first = Search::Make(config);
  config.seed = 9;
  const auto second = Search::Make(config);
  FakeEngine first_engine(model), second_engine(model);
  while (!first->done() || !second->done()) {
    if (!second->done()) second_engine.Step(*second);
    if (!first->done()) first_engine.Step(*first);
  }
  EXPECT_EQ(first->result().ids, alone->result().ids);
  EXPECT_NE(second->result().ids, alone->result().ids);
}

TEST(Sampling, KeepsTheRulesAndTheModelsLogprobs) {
  GenerationConfig config;
  config.do_sample = true;
  config.max_length = 30;
  config.no_repeat_ngram_size = 1;
  config.eos_token_ids = {};
  config.suppress_tokens = {0, 10, 20};
  config.temperature = 5;
  FakeModel model;
  const auto search = Search::Make(config);
  FakeEngine(model).Run(*search);
  const Generated answer = search->result();
  std::vector<int> history = {2};
  for (size_t i = 0; i < answer.ids.size(); ++i) {
    const int token = answer.ids[i];
    EXPECT_EQ(std::count(history.begin(), history.end(), token), 0);
    EXPECT_NE(token % 10 == 0 && token <= 20, true);
    std::vector<float> row(static_cast<size_t>(model.vocab));
    model.Logits(history, row);
    double sum = 0;
    for (float value : row) sum += std::exp(static_cast<double>(value));
    EXPECT_NEAR(answer.logprobs[i], row[static_cast<size_t>(token)] - std::log(sum), 1e-5);
    history.push_back(token);
  }
}

}  // namespace
}  // namespace uffizi
