#ifndef UFFIZI_GENERATE_SAMPLER_H_
#define UFFIZI_GENERATE_SAMPLER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "generate/generation_config.h"

namespace uffizi {

// Draws tokens from a row of scores by temperature, top_k and top_p, in this order, with
// transformers' meaning of each. The result depends only on the seed and on the rows so far.
class Sampler {
 public:
  // With several beams each row keeps more tokens than there are ways to end, whatever top_k and
  // top_p say.
  explicit Sampler(const GenerationConfig& config);

  // scores: [vocab]. -1 if all are -inf.
  int Draw(std::span<const float> scores);

  // Calls chance(token, score, noise) for each token that top_k and top_p leave: its score divided
  // by the temperature, and Gumbel noise. The tokens with the greatest sums of score and noise, of
  // one row or several, are a draw without replacement by the scores' softmax.
  template <typename Chance>
  void ForEachChance(std::span<const float> scores, const Chance& chance) {
    Narrow(scores);
    for (const Choice& choice : choices_) {
      const float score = scores[static_cast<size_t>(choice.token)] / temperature_;
      chance(choice.token, score, Gumbel());
    }
  }

 private:
  struct Choice {
    int token;
    float weight;  // probability, up to a common factor
  };

  double Uniform();  // in [0, 1)
  float Gumbel();

  // Fills choices_ with the tokens that top_k and top_p keep; with none if all scores are -inf.
  void Narrow(std::span<const float> scores);

  // Fills choices_ with the tokens that top_k keeps. `max` is the greatest score.
  void GatherTopK(std::span<const float> scores, float max);
  // Reduces choices_ to the smallest set of most likely tokens with a total probability of top_p.
  void CutToTopP();
  int DrawFromChoices();

  size_t least_kept_;  // tokens of a row
  size_t top_k_;       // 0 = all
  float temperature_;
  double top_p_;
  uint64_t state_;
  std::vector<Choice> choices_;
  std::vector<float> heap_;
};

}  // namespace uffizi

#endif  // UFFIZI_GENERATE_SAMPLER_H_
