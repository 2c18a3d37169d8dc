#include "engine/next_token.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace uffizi {
namespace {

constexpr size_t kKept = 256;

// log(sum(exp(logit))) minus the greatest logit.
double LogSum(std::span<const float> logits, float greatest) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit} - double{greatest});
  return std::log(sum);
}

// The probability of all other tokens, bounded away from 0.
double Rest(double named) { return std::max(1.0 - named, 1e-12); }

// Divergence of these logits from the reference, in nats.
double DivergenceFrom(const NextToken& reference, std::span<const float> logits) {
  const float greatest = *std::max_element(logits.begin(), logits.end());
  const double sum = LogSum(logits, greatest);
  double divergence = 0, named = 0, own_named = 0;
  for (size_t i = 0; i < reference.tokens.size(); ++i) {
    const double p = std::exp(reference.logprobs[i]);
    const double log_q =
        double{logits[static_cast<size_t>(reference.tokens[i])]} - double{greatest} - sum;
    divergence += p * (reference.logprobs[i] - log_q);
    named += p;
    own_named += std::exp(log_q);
  }
  const double p = Rest(named);
  return std::max(0.0, divergence + p * (std::log(p) - std::log(Rest(own_named))));
}

}  // namespace

NextToken DescribeNextToken(std::span<const float> logits) {
  std::vector<int> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const size_t kept = std::min(kKept, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(kept), order.end(),
                    [&](int a, int b) {
                      const float x = logits[static_cast<size_t>(a)];
                      const float y = logits[static_cast<size_t>(b)];
                      return x != y ? x > y : a < b;
                    });
  order.resize(kept);
  NextToken next{std::move(order), {}};
  const float greatest = logits[static_cast<size_t>(next.best())];
  const double sum = LogSum(logits, greatest);
  for (const int token : next.tokens) {
    const double logit = logits[static_cast<size_t>(token)];
    next.logprobs.push_back(logit - double{greatest} - sum);
  }
  return next;
}

void TokenAgreement::Add(const NextToken& reference, std::span<const float> logits) {
  const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
  ++tokens;
  same += best == reference.best() ? 1 : 0;
  divergence += DivergenceFrom(reference, logits);
}

double TokenAgreement::mean_divergence() const {
  return tokens == 0 ? 0.0 : divergence / static_cast<double>(tokens);
}

}  // namespace uffizi
