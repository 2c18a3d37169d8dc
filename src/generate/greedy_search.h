#ifndef UFFIZI_GENERATE_GREEDY_SEARCH_H_
#define UFFIZI_GENERATE_GREEDY_SEARCH_H_

#include <optional>
#include <vector>

#include "generate/logits_rules.h"
#include "generate/sampler.h"
#include "generate/search.h"

namespace uffizi {

// Picks one token after the other: the most likely one or, with do_sample, one drawn at random.
class GreedySearch : public Search {
 public:
  explicit GreedySearch(const GenerationConfig& config);

  std::span<const SearchRow> rows() const override;
  void Advance(std::span<float> logits, int vocab) override;
  Generated result() const override;

 private:
  void End(Ending ending);

  const LocationTokens locations_;
  LogitsRules rules_;
  std::optional<Sampler> sampler_;
  ScoreRow scores_;
  std::vector<int> history_;  // the decoder's start token, then the answer
  std::vector<float> logprobs_;
  std::vector<LocationSpread> spreads_;  // of each location
  SearchRow row_;
  bool done_ = false;
  bool truncated_ = false;
};

}  // namespace uffizi

#endif  // UFFIZI_GENERATE_GREEDY_SEARCH_H_
