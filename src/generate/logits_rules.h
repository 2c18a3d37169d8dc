#ifndef UFFIZI_GENERATE_LOGITS_RULES_H_
#define UFFIZI_GENERATE_LOGITS_RULES_H_

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "generate/generation_config.h"

namespace uffizi {

// One row of scores, logits or log-probabilities, of which rules change a few. It remembers the
// overwritten values, so that the model's own score of any token remains available. Tokens outside
// the vocabulary are ignored.
class ScoreRow {
 public:
  void Reset(std::span<float> scores);

  std::span<const float> scores() const { return scores_; }

  // The score of a token before any rule.
  float Original(int token) const;
  // The same of the tokens from `first` on, as many as `out` holds.
  void CopyOriginals(int first, std::span<float> out) const;

  // Replaces each token's score s by change(s), once even if the token is named several times.
  template <typename Change>
  void Replace(std::span<const int> tokens, const Change& change) {
    const size_t first = edits_.size();
    for (int token : tokens) {
      if (Contains(token)) edits_.push_back({token, scores_[static_cast<size_t>(token)]});
    }
    for (size_t i = first; i < edits_.size(); ++i) {
      scores_[static_cast<size_t>(edits_[i].token)] = change(edits_[i].overwritten);
    }
  }

  // Sets the scores of tokens to -inf.
  void Ban(std::span<const int> tokens);

 private:
  struct Edit {
    int token;
    float overwritten;
  };

  bool Contains(int token) const {
    return token >= 0 && static_cast<size_t>(token) < scores_.size();
  }

  std::span<float> scores_;
  std::vector<Edit> edits_;
};

// For all tokens of `history`, divides positive scores by `penalty` and multiplies negative ones by
// it.
void PenalizeRepetition(std::span<const int> history, float penalty, ScoreRow& row);

// Bans every token that would make `history` end in an n-gram of `size` tokens that it already
// contains.
void BanRepeatedNgrams(std::span<const int> history, int size, ScoreRow& row);

// How a sequence ended.
enum class Ending {
  kNone,      // it goes on
  kByModel,   // the model chose </s>
  kByLength,  // it reached max_length, whether or not a forced </s> was put there
};

// The rules of a config about which tokens may come next and when a sequence ends.
class LogitsRules {
 public:
  explicit LogitsRules(const GenerationConfig& config) : config_(config) {}

  // The token that must follow a sequence of `length` tokens, if one is forced; its score is then 0
  // and all others' are -inf. Throws Error(kInvalidArgument) if it is not in the vocabulary.
  std::optional<int> ForcedToken(int length, int vocab) const;

  // Applies all rules but the forced tokens to the scores of what follows `history` (the decoder's
  // start token included), in transformers' order.
  void Apply(std::span<const int> history, ScoreRow& row) const;

  // Whether a sequence that is `length` tokens long with `token` as its last ends there.
  Ending EndingOf(int token, int length) const;

 private:
  GenerationConfig config_;
};

// The log of the sum of a row's exponentials. Throws Error(kInvalidModel) if the logits are not
// finite, as damaged weights make them.
float CheckedLogSumExp(std::span<const float> logits);

// Throws Error(kInternal) unless `logits` is [rows, vocab].
void CheckLogitsShape(std::span<const float> logits, size_t rows, int vocab);

}  // namespace uffizi

#endif  // UFFIZI_GENERATE_LOGITS_RULES_H_
