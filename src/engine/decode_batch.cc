#include "engine/decode_batch.h"

#include <algorithm>
#include <utility>

#include "core/parallel.h"

namespace uffizi {
namespace {

// A step with at most this many rows takes hardly longer than one with a single row, so drafts may
// fill it.
constexpr size_t kRowsWithDrafts = 3;

}  // namespace

size_t DecodeBatch::Add(const GenerationConfig& config, const float* states, size_t tokens,
                        Draft draft) {
  std::unique_ptr<Search> search = Search::Make(config);
  const auto max_length = static_cast<size_t>(config.max_length);
  const size_t index =
      decoder_->Add(states, tokens, static_cast<size_t>(config.num_beams), max_length);
  if (index >= sequences_.size()) sequences_.resize(index + 1);
  Sequence& sequence = sequences_[index];
  sequence = {};
  sequence.search = std::move(search);
  sequence.max_length = max_length;
  sequence.active = true;
  if (config.num_beams == 1 && decoder_->takes_drafts()) sequence.draft = std::move(draft);
  return index;
}

void DecodeBatch::Step(std::span<const size_t> indices) {
  started_ = true;
  knowing_.clear();
  for (const size_t i : indices) {
    if (sequences_[i].knows_logits) knowing_.push_back(i);
  }
  if (knowing_.empty()) {
    RunDecoder(indices);
  } else {
    indices = knowing_;
  }
  // A search scans the whole vocabulary for each of its rows, so sequences are processed in
  // parallel.
  ParallelFor(indices.size(), 1, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      Sequence& sequence = sequences_[indices[i]];
      try {
        Advance(sequence);
      } catch (const std::exception&) {  // ends this sequence, not the others of the step
        sequence.failure = std::current_exception();
      }
    }
  });
  for (const size_t i : indices) {
    drafted_tokens_ += sequences_[i].knows_logits ? 1 : 0;
    if (sequences_[i].failure || sequences_[i].search->done()) Stop(i);
  }
}

void DecodeBatch::RunDecoder(std::span<const size_t> indices) {
  size_t needed = 0;
  for (const size_t i : indices) needed += sequences_[i].search->rows().size();
  rows_.clear();
  for (const size_t i : indices) {
    const size_t most = needed < kRowsWithDrafts ? kRowsWithDrafts - needed : 0;
    AddRows(i, most);
    needed += sequences_[i].drafted.size();
  }
  logits_.resize(rows_.size() * vocab_);
  decoder_->Step(rows_, logits_.data());
}

void DecodeBatch::AddRows(size_t index, size_t most_drafted) {
  Sequence& sequence = sequences_[index];
  sequence.first_row = rows_.size();
  for (const SearchRow& row : sequence.search->rows()) {
    // The only row continues the last chosen token's.
    const int chosen = static_cast<int>(sequence.chosen);
    rows_.push_back({index, row.parent < 0 ? row.parent : row.parent + chosen, row.token});
  }
  const auto next =
      sequence.draft.Next(std::min(most_drafted, sequence.max_length - sequence.length));
  sequence.drafted.assign(next.begin(), next.end());
  sequence.chosen = 0;
  for (const int token : next) rows_.push_back({index, DecoderRow::kRowBefore, token});
}

void DecodeBatch::Advance(Sequence& sequence) {
  Search& search = *sequence.search;
  float* logits = sequence.knows_logits ? sequence.logits.data() + (sequence.chosen - 1) * vocab_
                                        : logits_.data() + sequence.first_row * vocab_;
  const float* following = logits_.data() + (sequence.first_row + 1) * vocab_;
  sequence.knows_logits = false;
  search.Advance({logits, search.rows().size() * vocab_}, static_cast<int>(vocab_));
  ++sequence.length;
  if (search.rows().size() != 1) return;
  const int token = search.rows().front().token;
  sequence.draft.Append(token);
  const size_t drafted = sequence.drafted.size();
  if (sequence.chosen == drafted || sequence.drafted[sequence.chosen] != token) return;
  if (sequence.chosen == 0) sequence.logits.assign(following, following + drafted * vocab_);
  ++sequence.chosen;
  sequence.knows_logits = true;
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
