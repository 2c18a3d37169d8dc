#ifndef UFFIZI_TESTS_GENERATE_FAKE_MODEL_H_
#define UFFIZI_TESTS_GENERATE_FAKE_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "generate/search.h"

namespace uffizi {

// A language model made of hashes: the same one as in tests/golden/make_generate.py, bit for bit.
struct FakeModel {
  uint64_t seed = 1;
  int vocab = 64;
  size_t context = 0;     // how many last tokens matter; 0 = all
  bool position = false;  // whether the length matters
  bool peaky = true;      // a few likely tokens, or nearly flat
  std::vector<int> ends;  // tokens whose logits get the bias
  double end_bias = 0;
  double end_slope = 0;  // added to the bias for every token so far

  // row: [vocab], the logits of what follows `history`.
  void Logits(std::span<const int> history, std::span<float> row) const {
    const std::span<const int> seen =
        context == 0 || context > history.size() ? history : history.last(context);
    uint64_t state = Mix(seed);
    for (int token : seen) state = Mix(state ^ static_cast<uint64_t>(token));
    if (position) state = Mix(state ^ (static_cast<uint64_t>(history.size()) << 32));
    for (size_t v = 0; v < row.size(); ++v) {
      uint64_t u = Mix(state ^ Mix(v)) >> 40;
      if (peaky) u = Square(Square(u));
      row[v] = static_cast<float>(u) * (peaky ? 0x1p-20f : 0x1p-22f);
    }
    const float bias =
        static_cast<float>(end_bias + end_slope * static_cast<double>(history.size()));
    for (int token : ends) row[static_cast<size_t>(token)] += bias;
  }

 private:
  // One step of SplitMix64.
  static uint64_t Mix(uint64_t z) {
    z += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  static uint64_t Square(uint64_t u) { return (u * u) >> 24; }  // of 24-bit fractions
};

// Runs a search on the fake model like an engine: `parent` determines a row's past.
class FakeEngine {
 public:
  explicit FakeEngine(const FakeModel& model) : model_(model) {}

  // Runs one step.
  void Step(Search& search) {
    std::vector<std::vector<int>> pasts;
    for (const SearchRow& row : search.rows()) {
      pasts.push_back(row.parent < 0 ? std::vector<int>{}
                                     : pasts_.at(static_cast<size_t>(row.parent)));
      pasts.back().push_back(row.token);
    }
    pasts_ = pasts;
    const size_t vocab = static_cast<size_t>(model_.vocab);
    std::vector<float> logits(pasts_.size() * vocab);
    for (size_t i = 0; i < pasts_.size(); ++i) {
      model_.Logits(pasts_[i], std::span(logits).subspan(i * vocab, vocab));
    }
    search.Advance(logits, model_.vocab);
  }

  // Runs to the end; the number of steps.
  int Run(Search& search) {
    int steps = 0;
    for (; !search.done(); ++steps) Step(search);
    return steps;
  }

 private:
  FakeModel model_;
  std::vector<std::vector<int>> pasts_;  // of each row of the last step, its token included
};

}  // namespace uffizi

#endif  // UFFIZI_TESTS_GENERATE_FAKE_MODEL_H_
