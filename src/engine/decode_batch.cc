#include "engine/decode_batch.h"

#include <utility>

#include "core/parallel.h"

namespace uffizi {

size_t DecodeBatch::Add(const GenerationConfig& config, const float* states, size_t tokens) {
  std::unique_ptr<Search> search = Search::Make(config);
  const size_t index = decoder_->Add(states, tokens, static_cast<size_t>(config.num_beams),
                                     static_cast<size_t>(config.max_length));
  if (index >= sequences_.size()) sequences_.resize(index + 1);
  sequences_[index] = {std::move(search), 0, true, nullptr};
  return index;
}

void DecodeBatch::Step(std::span<const size_t> indices) {
  started_ = true;
  rows_.clear();
  for (const size_t i : indices) {
    sequences_[i].first_row = rows_.size();
    for (const SearchRow& row : sequences_[i].search->rows()) {
      rows_.push_back({i, row.parent, row.token});
    }
  }
  logits_.resize(rows_.size() * vocab_);
  decoder_->Step(rows_, logits_.data());
  // A search scans the whole vocabulary for each of its rows, so sequences are processed in
  // parallel.
  ParallelFor(indices.size(), 1, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      Sequence& sequence = sequences_[indices[i]];
      Search& search = *sequence.search;
      try {
        search.Advance(
            {logits_.data() + sequence.first_row * vocab_, search.rows().size() * vocab_},
            static_cast<int>(vocab_));
      } catch (const std::exception&) {  // ends this sequence, not the others of the step
        sequence.failure = std::current_exception();
      }
    }
  });
  for (const size_t i : indices) {
    if (sequences_[i].failure || sequences_[i].search->done()) Stop(i);
  }
}

bool DecodeBatch::Step() {
  all_.clear();
  for (size_t i = 0; i < sequences_.size(); ++i) {
    if (sequences_[i].active) all_.push_back(i);
  }
  if (all_.empty()) return false;
  Step(all_);
  return true;
}

void DecodeBatch::Stop(size_t index) {
  if (!std::exchange(sequences_[index].active, false)) return;
  decoder_->Drop(index);
}

void DecodeBatch::Remove(size_t index) {
  Stop(index);
  sequences_[index] = {};
}

}  // namespace uffizi
