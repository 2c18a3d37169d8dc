#include "kernels/partition.h"

#include <algorithm>

namespace uffizi {
namespace {

// Maximum runs per thread. More runs balance threads of different speed better, but touch more
// units.
constexpr size_t kMaxRounds = 4;
// Expected cost of the imbalance with one run per thread, relative to the product; with k runs per
// thread it is a k-th of that.
constexpr double kUnevenness = 0.06;

}  // namespace

Partition::Partition(const ProductShape& shape, size_t threads)
    : rows_(shape.rows),
      mr_(shape.mr),
      overhead_(shape.overhead),
      down_((shape.rows + shape.mr - 1) / shape.mr),
      total_(down_ * shape.units) {
  if (threads <= 1) {
    ends_ = {total_};
    return;
  }
  size_t best = 1;
  double least = 0;
  for (size_t rounds = 1; rounds <= kMaxRounds; ++rounds) {
    const size_t runs = std::min(rounds * threads, total_);
    const size_t length = (total_ + runs - 1) / runs, touched = (length + down_ - 1) / down_ + 1;
    const double run = static_cast<double>(length * mr_ + touched * overhead_);
    const auto taken = static_cast<double>((runs + threads - 1) / threads);
    const double cost = run * taken * (1 + kUnevenness / static_cast<double>(rounds));
    if (rounds == 1 || cost < least) {
      least = cost;
      best = runs;
    }
  }
  Cut(best);
}

// The end of a run that starts at `at` and may cost `cost`, in rows of a unit.
size_t Partition::EndOfRun(size_t at, size_t cost) const {
  const auto fitting = [&] { return cost <= overhead_ ? 0 : (cost - overhead_) / mr_; };
  if (const size_t inside = at % down_; inside != 0) {
    const size_t some = std::min(down_ - inside, fitting());
    if (some < down_ - inside) return at + some;
    at += some;
    cost -= overhead_ + some * mr_;
  }
  const size_t unit_cost = down_ * mr_ + overhead_;
  at += cost / unit_cost * down_;
  cost %= unit_cost;
  return std::min(total_, at + fitting());
}

// Finds the smallest cost per run with which this many runs cover everything.
void Partition::Cut(size_t runs) {
  const size_t all = total_ * mr_ + total_ / down_ * overhead_;
  size_t low = std::max(overhead_ + mr_, all / runs), high = all;
  while (low < high) {
    const size_t cost = (low + high) / 2;
    size_t at = 0;
    for (size_t run = 0; run < runs && at < total_; ++run) at = EndOfRun(at, cost);
    if (at < total_) {
      low = cost + 1;
    } else {
      high = cost;
    }
  }
  for (size_t at = 0; at < total_;) ends_.push_back(at = EndOfRun(at, high));
}

}  // namespace uffizi
