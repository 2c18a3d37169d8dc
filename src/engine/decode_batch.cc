#include "engine/decode_batch.h"

#include <algorithm>
#include <utility>

#include "core/parallel.h"

namespace uffizi {

size_t DecodeBatch::Add(const GenerationConfig& config, const float* states, size_t tokens) {
  Sequence sequence;
  sequence.search = Search::Make(config);
  sequence.cross =
      std::make_unique<CrossCache>(model_.decoder.MakeCrossCache(states, tokens, arena_));
  sequence.first_slot = slots_;
  sequence.slot_count = static_cast<size_t>(config.num_beams);
  slots_ += sequence.slot_count;
  max_positions_ = std::max(max_positions_, static_cast<size_t>(config.max_length));
  sequences_.push_back(std::move(sequence));
  return sequences_.size() - 1;
}

bool DecodeBatch::Step() {
  // The cache is made at the first step, when all who came together are known.
  if (!cache_) {
    cache_.emplace(model_.decoder.layers(), slots_, max_positions_,
                   static_cast<size_t>(model_.config.text.d_model));
  }
  rows_.clear();
  for (Sequence& sequence : sequences_) {
    if (!sequence.active) continue;
    const std::span<const SearchRow> wanted = sequence.search->rows();
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
  if (rows_.empty()) return false;
  const auto vocab = static_cast<size_t>(model_.config.text.vocab_size);
  logits_.resize(rows_.size() * vocab);
  model_.Decode(rows_, *cache_, logits_.data(), arena_);
  // A search passes over the whole vocabulary for each of its rows: sequences do so side by side.
  size_t row = 0;
  for (Sequence& sequence : sequences_) {
    sequence.first_row = row;
    if (sequence.active) row += sequence.histories.size();
  }
  ParallelFor(sequences_.size(), 1, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      Sequence& sequence = sequences_[i];
      if (!sequence.active) continue;
      sequence.search->Advance(
          {logits_.data() + sequence.first_row * vocab, sequence.histories.size() * vocab},
          static_cast<int>(vocab));
    }
  });
  for (Sequence& sequence : sequences_) {
    if (sequence.active && sequence.search->done()) Finish(sequence);
  }
  return true;
}

void DecodeBatch::Stop(size_t index) { Finish(sequences_[index]); }

void DecodeBatch::Finish(Sequence& sequence) {
  sequence.active = false;
  sequence.cross.reset();
  sequence.histories.clear();
}

}  // namespace uffizi
