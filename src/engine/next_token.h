#ifndef UFFIZI_ENGINE_NEXT_TOKEN_H_
#define UFFIZI_ENGINE_NEXT_TOKEN_H_

#include <cstddef>
#include <span>
#include <vector>

namespace uffizi {

// What a model thinks of the next token: the log-probabilities of its 256 likeliest tokens. All
// others count as one.
struct NextToken {
  std::vector<int> tokens;  // from the likeliest down
  std::vector<double> logprobs;

  int best() const { return tokens.front(); }
};

// logits: [vocab] f32
NextToken DescribeNextToken(std::span<const float> logits);

// How another model agrees about next tokens.
struct TokenAgreement {
  size_t tokens = 0, same = 0;
  double divergence = 0;  // the sum of Kullback-Leibler divergences from the reference, nats

  // logits: the other model's, [vocab] f32
  void Add(const NextToken& reference, std::span<const float> logits);
  double mean_divergence() const;
};

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_NEXT_TOKEN_H_
