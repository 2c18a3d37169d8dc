#include "generate/row_scan.h"

#include <algorithm>
#include <cstddef>

#include "kernels/kernels.h"

namespace uffizi {
namespace {

constexpr size_t kBlock = 128;  // tokens that are skipped together if none is good enough

bool Better(const Candidate& a, const Candidate& b) {
  if (a.score != b.score) return a.score > b.score;
  return a.row != b.row ? a.row < b.row : a.token < b.token;
}

}  // namespace

int ArgMax(std::span<const float> row) {
  float greatest = kMinusInfinity;
  std::span<const float> best;
  for (size_t begin = 0; begin < row.size(); begin += kBlock) {
    const std::span<const float> block = row.subspan(begin, std::min(kBlock, row.size() - begin));
    const float value = Greatest(block.data(), block.size());
    if (!(value > greatest)) continue;
    greatest = value;
    best = block;
  }
  if (best.empty()) return -1;
  return static_cast<int>(std::find(best.begin(), best.end(), greatest) - best.begin() +
                          (best.data() - row.data()));
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
    if (!(Greatest(block.data(), block.size()) + offset > bar_)) continue;
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
