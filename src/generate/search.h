#ifndef UFFIZI_GENERATE_SEARCH_H_
#define UFFIZI_GENERATE_SEARCH_H_

#include <memory>
#include <span>
#include <vector>

#include "generate/generation_config.h"
#include "generate/location_spread.h"

namespace uffizi {

// One row of the decoder's next step.
struct SearchRow {
  int parent;  // the row of this search's previous step whose past it continues; -1 at the first
  int token;   // the newest token of the row
};

// A finished answer.
struct Generated {
  std::vector<int> ids;         // without the decoder's start token, up to and with </s> if reached
  std::vector<float> logprobs;  // of each id: the model's own log-probability, before any rule
  std::vector<LocationSpread> spreads;  // of each location among the ids, in their order
  // Stopped by max_length (a forced </s> does not count as the model's choice), or because the
  // rules banned every token.
  bool truncated = false;
};

// The search for one answer: a state machine that takes logits and says which rows to run next. A
// batch has one per sequence and drops it when it is done. The config selects greedy search,
// sampling, beam search or sampling within beams. Equal to transformers' generate(); what is drawn
// is as likely as there.
class Search {
 public:
  // Throws Error(kInvalidArgument), naming the option, if the config is invalid.
  static std::unique_ptr<Search> Make(const GenerationConfig& config);
  virtual ~Search() = default;

  // The rows of the next step, at most num_beams; empty when done. The first step has one row, and
  // so has the second after a forced first token.
  virtual std::span<const SearchRow> rows() const = 0;

  // Takes the logits of rows(), [rows().size(), vocab] f32, which it may overwrite. Allocates
  // memory only for growing answers. Throws Error(kInvalidModel) if a logit is NaN or infinite, and
  // Error(kInvalidArgument) if a forced token is not in the vocabulary.
  virtual void Advance(std::span<float> logits, int vocab) = 0;

  bool done() const { return rows().empty(); }

  // The best answer; when not done, the best so far. For streaming, greedy and sampled ids only
  // ever grow.
  virtual Generated result() const = 0;
};

}  // namespace uffizi

#endif  // UFFIZI_GENERATE_SEARCH_H_
