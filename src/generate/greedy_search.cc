#include "generate/greedy_search.h"

#include "generate/row_scan.h"

namespace uffizi {

GreedySearch::GreedySearch(const GenerationConfig& config)
    : locations_(config.locations),
      rules_(config),
      history_{config.decoder_start_token_id},
      row_{-1, config.decoder_start_token_id} {
  if (config.do_sample) sampler_.emplace(config);
}

std::span<const SearchRow> GreedySearch::rows() const {
  return {&row_, done_ ? size_t{0} : size_t{1}};
}

void GreedySearch::Advance(std::span<float> logits, int vocab) {
  CheckLogitsShape(logits, rows().size(), vocab);
  const float log_sum = CheckedLogSumExp(logits);
  const int length = static_cast<int>(history_.size());
  scores_.Reset(logits);
  int token;
  if (const std::optional<int> forced = rules_.ForcedToken(length, vocab)) {
    token = *forced;
  } else {
    rules_.Apply(history_, scores_);
    token = sampler_ ? sampler_->Draw(scores_.scores()) : ArgMax(scores_.scores());
  }
  if (token < 0) {  // every token is banned
    End(Ending::kByLength);
    return;
  }
  history_.push_back(token);
  logprobs_.push_back(scores_.Original(token) - log_sum);
  if (locations_.Contain(token)) {
    spreads_.push_back(SpreadAround(token, scores_, log_sum, locations_));
  }
  row_ = {0, token};
  End(rules_.EndingOf(token, length + 1));
}

void GreedySearch::End(Ending ending) {
  done_ = ending != Ending::kNone;
  truncated_ = ending == Ending::kByLength;
}

Generated GreedySearch::result() const {
  return {{history_.begin() + 1, history_.end()}, logprobs_, spreads_, truncated_};
}

}  // namespace uffizi
