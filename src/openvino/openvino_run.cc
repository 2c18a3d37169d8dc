#include "openvino/openvino_run.h"

#include <algorithm>
#include <numeric>

namespace uffizi {

size_t OpenVinoRun::Add(const float* states, size_t tokens, size_t rows, size_t) {
  sequences_.push_back({{states, states + tokens * d_model_}, rows_, rows});
  rows_ += rows;
  return sequences_.size() - 1;
}

// Encoder states of different lengths are padded into one tensor, with a mask.
void OpenVinoRun::Start() {
  size_t most = 0;
  for (const Sequence& one : sequences_) most = std::max(most, one.states.size() / d_model_);
  states_.assign(rows_ * most * d_model_, 0);
  std::vector<int64_t> mask(rows_ * most, 0);
  for (const Sequence& one : sequences_) {
    for (size_t row = one.first_row; row < one.first_row + one.rows; ++row) {
      std::copy(one.states.begin(), one.states.end(), states_.data() + row * most * d_model_);
      std::fill_n(mask.data() + row * most, one.states.size() / d_model_, 1);
    }
  }
  for (Sequence& one : sequences_) one.states = {};
  tokens_.assign(rows_, 0);
  parents_.resize(rows_);
  call_.Reset();
  call_.Set("encoder_hidden_states", states_.data(), {rows_, most, d_model_});
  call_.Set("encoder_attention_mask", mask, {rows_, most});
}

void OpenVinoRun::Step(std::span<const DecoderRow> rows, float* logits) {
  if (tokens_.empty()) Start();
  std::iota(parents_.begin(), parents_.end(), 0);
  slots_.clear();
  for (size_t i = 0; i < rows.size(); ++i) {
    const bool goes_on = i > 0 && rows[i].sequence == rows[i - 1].sequence;
    const size_t first = sequences_[rows[i].sequence].first_row;
    const size_t slot = goes_on ? slots_.back() + 1 : first;
    slots_.push_back(slot);
    tokens_[slot] = rows[i].token;
    if (rows[i].parent >= 0) parents_[slot] = static_cast<int64_t>(first) + rows[i].parent;
  }
  call_.Set("decoder_input_ids", tokens_, {rows_, 1});
  call_.Set("beam_idx", parents_, {rows_});
  const float* all = call_.Run(rows_ * vocab_);
  for (size_t i = 0; i < rows.size(); ++i) {
    std::copy_n(all + slots_[i] * vocab_, vocab_, logits + i * vocab_);
  }
}

}  // namespace uffizi
