#include "model/florence2_run.h"

#include <algorithm>
#include <utility>

namespace uffizi {

void Florence2Run::Add(const float* states, size_t tokens, size_t rows, size_t positions) {
  Sequence sequence;
  sequence.cross =
      std::make_unique<CrossCache>(model_.decoder.MakeCrossCache(states, tokens, arena_));
  sequence.first_slot = slots_;
  slots_ += rows;
  max_positions_ = std::max(max_positions_, positions);
  sequences_.push_back(std::move(sequence));
}

void Florence2Run::Step(std::span<const DecoderRow> rows, float* logits) {
  // The cache is made at the first step, when all who came together are known.
  if (!cache_) {
    cache_.emplace(model_.decoder.layers(), slots_, max_positions_,
                   static_cast<size_t>(model_.config.text.d_model));
  }
  rows_.clear();
  for (size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
    while (end < rows.size() && rows[end].sequence == rows[begin].sequence) ++end;
    const std::span<const DecoderRow> wanted = rows.subspan(begin, end - begin);
    Sequence& sequence = sequences_[wanted[0].sequence];
    next_histories_.assign(wanted.size(), {});
    for (size_t r = 0; r < wanted.size(); ++r) {
      if (wanted[r].parent >= 0) {
        next_histories_[r] = sequence.histories[static_cast<size_t>(wanted[r].parent)];
      }
      next_histories_[r].push_back(static_cast<int>(sequence.first_slot + r));
    }
    sequence.histories.swap(next_histories_);
    for (size_t r = 0; r < wanted.size(); ++r) {
      const std::vector<int>& history = sequence.histories[r];
      rows_.push_back({wanted[r].token, history.back(), history.size() - 1, history.data(),
                       sequence.cross.get()});
    }
  }
  model_.Decode(rows_, *cache_, logits, arena_);
}

void Florence2Run::Drop(size_t sequence) {
  sequences_[sequence].cross.reset();
  sequences_[sequence].histories.clear();
}

}  // namespace uffizi
