#include "engine/decode_batch.h"

#include <utility>

#include "core/parallel.h"

namespace uffizi {

size_t DecodeBatch::Add(const GenerationConfig& config, const float* states, size_t tokens) {
  Sequence sequence;
  sequence.search = Search::Make(config);
  decoder_->Add(states, tokens, static_cast<size_t>(config.num_beams),
                static_cast<size_t>(config.max_length));
  sequences_.push_back(std::move(sequence));
  return sequences_.size() - 1;
}

bool DecodeBatch::Step() {
  rows_.clear();
  for (size_t i = 0; i < sequences_.size(); ++i) {
    sequences_[i].first_row = rows_.size();
    if (!sequences_[i].active) continue;
    for (const SearchRow& row : sequences_[i].search->rows()) {
      rows_.push_back({i, row.parent, row.token});
    }
  }
  if (rows_.empty()) return false;
  logits_.resize(rows_.size() * vocab_);
  decoder_->Step(rows_, logits_.data());
  // A search passes over the whole vocabulary for each of its rows: sequences do so side by side.
  ParallelFor(sequences_.size(), 1, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      if (!sequences_[i].active) continue;
      Search& search = *sequences_[i].search;
      search.Advance(
          {logits_.data() + sequences_[i].first_row * vocab_, search.rows().size() * vocab_},
          static_cast<int>(vocab_));
    }
  });
  for (size_t i = 0; i < sequences_.size(); ++i) {
    if (sequences_[i].active && sequences_[i].search->done()) Stop(i);
  }
  return true;
}

void DecodeBatch::Stop(size_t index) {
  sequences_[index].active = false;
  decoder_->Drop(index);
}

}  // namespace uffizi
