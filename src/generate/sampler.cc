#include "generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "generate/row_scan.h"
#include "kernels/kernels.h"

namespace uffizi {
namespace {

constexpr size_t kFirstSorted = 64;  // first guess at the tokens that top_p needs, then doubled

// The k-th greatest of the scores; the least of them if there are fewer.
float KthGreatest(std::span<const float> scores, size_t k, std::vector<float>& heap) {
  heap.clear();
  for (float score : scores) {
    if (heap.size() < k) {
      heap.push_back(score);
      std::push_heap(heap.begin(), heap.end(), std::greater<>());
    } else if (score > heap.front()) {
      std::pop_heap(heap.begin(), heap.end(), std::greater<>());
      heap.back() = score;
      std::push_heap(heap.begin(), heap.end(), std::greater<>());
    }
  }
  return heap.front();
}

}  // namespace

Sampler::Sampler(const GenerationConfig& config)
    : least_kept_(config.num_beams > 1 ? std::max<size_t>(2, config.eos_token_ids.size() + 1) : 1),
      top_k_(config.top_k > 0 ? std::max(static_cast<size_t>(config.top_k), least_kept_) : 0),
      temperature_(static_cast<float>(config.temperature)),
      top_p_(config.top_p),
      state_(config.seed) {}

// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
double Sampler::Uniform() {
  state_ += 0x9E3779B97F4A7C15u;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1p-53;
}

float Sampler::Gumbel() {
  return static_cast<float>(-std::log(-std::log(std::max(Uniform(), 0x1p-54))));
}

int Sampler::Draw(std::span<const float> scores) {
  Narrow(scores);
  return choices_.empty() ? -1 : DrawFromChoices();
}

void Sampler::Narrow(std::span<const float> scores) {
  choices_.clear();
  const float max = Greatest(scores.data(), scores.size());
  if (max == kMinusInfinity) return;
  GatherTopK(scores, max);
  if (top_p_ < 1.0) CutToTopP();
}

void Sampler::GatherTopK(std::span<const float> scores, float max) {
  const bool cut = top_k_ > 0 && top_k_ < scores.size();
  // Tokens that tie with the last one are kept, as in transformers.
  const float least = cut ? KthGreatest(scores, top_k_, heap_) : kMinusInfinity;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] < least || scores[i] == kMinusInfinity) continue;
    // Subtract first, so that a tiny temperature does not produce infinities.
    const float exponent = std::max((scores[i] - max) / temperature_, kLeastExponent);
    choices_.push_back({static_cast<int>(i), ExpOfNegative(exponent)});
  }
}

void Sampler::CutToTopP() {
  double total = 0;
  for (const Choice& choice : choices_) total += choice.weight;
  const auto likelier = [](const Choice& a, const Choice& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
  };
  double mass = 0;  // of the tokens before `kept`
  size_t kept = 0;
  size_t sorted = 0;
  while (kept < choices_.size() && (kept < least_kept_ || mass < top_p_ * total)) {
    if (kept == sorted) {
      const auto begin = choices_.begin() + static_cast<ptrdiff_t>(sorted);
      sorted = std::min(choices_.size(), std::max(kFirstSorted, 2 * sorted));
      const auto end = choices_.begin() + static_cast<ptrdiff_t>(sorted);
      std::nth_element(begin, end, choices_.end(), likelier);
      std::sort(begin, end, likelier);
    }
    mass += choices_[kept++].weight;
  }
  choices_.resize(kept);
}

int Sampler::DrawFromChoices() {
  double total = 0;
  for (const Choice& choice : choices_) total += choice.weight;
  const double target = Uniform() * total;
  double mass = 0;
  int last = -1;
  for (const Choice& choice : choices_) {
    if (choice.weight == 0) continue;
    mass += choice.weight;
    last = choice.token;
    if (mass > target) break;
  }
  return last;
}

}  // namespace uffizi
