#ifndef UFFIZI_ENGINE_NEXT_TOKEN_H_
#define UFFIZI_ENGINE_NEXT_TOKEN_H_

#include <cstddef>
#include <span>
#include <vector>

namespace uffizi {

// A model's prediction of the next token: the log-probabilities of its 256 most likely tokens. All
// others count as one token.
struct NextToken {
  std::vector<int> tokens;  // most likely first
  std::vector<double> logprobs;

  int best() const { return tokens.front(); }
};

// logits: [vocab] f32
NextToken DescribeNextToken(std::span<const float> logits);

// Agreement of another model's next-token predictions.
struct TokenAgreement {
  size_t tokens = 0, same = 0;
  double divergence = 0;  // the sum of Kullback-Leibler divergences from the reference, nats

  // logits: the other model's, [vocab] f32
  void Add(const NextToken& reference, std::span<const float> logits);
  double mean_divergence() const;
};

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_NEXT_TOKEN_H_
