#include "generate/row_scan.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace uffizi {
namespace {

constexpr size_t kLanes = 16;
constexpr size_t kBlock = 128;      // tokens that are skipped together if none is good enough
constexpr size_t kSumBlock = 1024;  // terms added in float before their sum goes to a double

// The greatest of `count` values, a multiple of kLanes.
float MaxOfLanes(const float* values, size_t count) {
  std::array<float, kLanes> lanes;
  lanes.fill(kMinusInfinity);
  for (size_t i = 0; i < count; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) {
      lanes[j] = values[i + j] > lanes[j] ? values[i + j] : lanes[j];
    }
  }
  return *std::max_element(lanes.begin(), lanes.end());
}

// The sum of exp(values - max) over at most kSumBlock values.
float SumOfExp(const float* values, size_t count, float max) {
  std::array<float, kSumBlock> terms;
  for (size_t i = 0; i < count; ++i) terms[i] = std::max(values[i] - max, kLeastExponent);
  for (size_t i = 0; i < count; ++i) terms[i] = ExpOfNegative(terms[i]);
  std::array<float, kLanes> lanes{};
  const size_t whole = count / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) lanes[j] += terms[i + j];
  }
  for (size_t i = whole; i < count; ++i) lanes[i - whole] += terms[i];
  return std::accumulate(lanes.begin(), lanes.end(), 0.0f);
}

bool Better(const Candidate& a, const Candidate& b) {
  if (a.score != b.score) return a.score > b.score;
  return a.row != b.row ? a.row < b.row : a.token < b.token;
}

}  // namespace

float MaxOf(std::span<const float> row) {
  const size_t whole = row.size() / kLanes * kLanes;
  float max = MaxOfLanes(row.data(), whole);
  for (float value : row.subspan(whole)) max = value > max ? value : max;
  return max;
}

int ArgMax(std::span<const float> row) {
  const float max = MaxOf(row);
  if (max == kMinusInfinity) return -1;
  return static_cast<int>(std::find(row.begin(), row.end(), max) - row.begin());
}

float LogSumExp(std::span<const float> row) {
  const float max = MaxOf(row);
  double sum = 0;
  for (size_t i = 0; i < row.size(); i += kSumBlock) {
    sum += SumOfExp(row.data() + i, std::min(kSumBlock, row.size() - i), max);
  }
  return static_cast<float>(max + std::log(sum));
}

BestCandidates::BestCandidates(int capacity) : capacity_(static_cast<size_t>(capacity)) {
  heap_.reserve(capacity_);
}

void BestCandidates::Clear() {
  heap_.clear();
  bar_ = kMinusInfinity;
}

void BestCandidates::Offer(const Candidate& candidate) {
  if (!(candidate.score > bar_)) return;
  if (heap_.size() == capacity_) {
    std::pop_heap(heap_.begin(), heap_.end(), Better);
    heap_.back() = candidate;
  } else {
    heap_.push_back(candidate);
  }
  std::push_heap(heap_.begin(), heap_.end(), Better);
  if (heap_.size() == capacity_) bar_ = heap_.front().score;
}

void BestCandidates::OfferRow(int row_index, std::span<const float> row, float offset) {
  for (size_t begin = 0; begin < row.size(); begin += kBlock) {
    const std::span<const float> block = row.subspan(begin, std::min(kBlock, row.size() - begin));
    if (!(MaxOf(block) + offset > bar_)) continue;
    for (size_t i = 0; i < block.size(); ++i) {
      Offer({block[i] + offset, row_index, static_cast<int>(begin + i)});
    }
  }
}

std::span<const Candidate> BestCandidates::Sort() {
  std::sort(heap_.begin(), heap_.end(), Better);
  return heap_;
}

}  // namespace uffizi
