#include "model/florence2_run.h"

#include <algorithm>
#include <utility>

namespace uffizi {

size_t Florence2Run::Add(const float* states, size_t tokens, size_t rows, size_t positions) {
  size_t number = 0;
  while (number < sequences_.size() && sequences_[number]->used) ++number;
  if (number == sequences_.size()) sequences_.push_back(std::make_unique<Sequence>());
  Sequence& sequence = *sequences_[number];
  sequence.scope.emplace(sequence.memory);
  sequence.cross = model_.decoder.MakeCrossCache(states, tokens, sequence.memory, arena_);
  if (!sequence.self || sequence.self->slots() < rows ||
      sequence.self->max_positions() != positions) {
    sequence.self.reset();  // first, so that both never exist at once
    sequence.self = std::make_unique<SelfCache>(model_.decoder.layers(), rows, positions,
                                                static_cast<size_t>(model_.config.text.d_model));
  }
  sequence.used = true;
  return number;
}

void Florence2Run::Step(std::span<const DecoderRow> rows, float* logits) {
  rows_.clear();
  for (size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
    while (end < rows.size() && rows[end].sequence == rows[begin].sequence) ++end;
    const std::span<const DecoderRow> wanted = rows.subspan(begin, end - begin);
    Sequence& sequence = *sequences_[wanted[0].sequence];
    next_histories_.assign(wanted.size(), {});
    for (size_t r = 0; r < wanted.size(); ++r) {
      std::vector<int>& history = next_histories_[r];
      if (wanted[r].parent == DecoderRow::kRowBefore) {
        history = next_histories_[r - 1];
        history.push_back(history.back());  // a slot has room for all positions
        continue;
      }
      if (wanted[r].parent >= 0)
        history = sequence.histories[static_cast<size_t>(wanted[r].parent)];
      history.push_back(static_cast<int>(r));
    }
    sequence.histories.swap(next_histories_);
    for (size_t r = 0; r < wanted.size(); ++r) {
      const std::vector<int>& history = sequence.histories[r];
      rows_.push_back({wanted[r].token, sequence.self.get(), history.back(), history.size() - 1,
                       history.data(), &sequence.cross});
    }
  }
  model_.Decode(rows_, logits, arena_);
}

void Florence2Run::Drop(size_t sequence) {
  Sequence& dropped = *sequences_[sequence];
  dropped.used = false;
  dropped.cross = {};
  dropped.scope.reset();
  dropped.histories.clear();
}

}  // namespace uffizi
