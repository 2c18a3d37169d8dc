#include "generate/beam_search.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"

namespace uffizi {
namespace {

// Each of num_beams rows can use up one candidate per end token, and num_beams candidates must
// remain.
int CandidatesNeeded(const GenerationConfig& config) {
  return config.num_beams * std::max(2, 1 + static_cast<int>(config.eos_token_ids.size()));
}

bool IsBetter(const Candidate& a, const Candidate& b) {
  if (a.score != b.score) return a.score > b.score;
  return a.row != b.row ? a.row < b.row : a.token < b.token;
}

}  // namespace

BeamSearch::BeamSearch(const GenerationConfig& config)
    : config_(config),
      rules_(config),
      running_(static_cast<size_t>(config.num_beams)),
      next_(running_.size()),
      ended_(running_.size()),
      scores_(running_.size()),
      candidates_(CandidatesNeeded(config)) {
  if (config.do_sample) sampler_.emplace(config);
  running_[0].history = {config.decoder_start_token_id};
  rows_.reserve(running_.size());
  rows_.push_back({-1, config.decoder_start_token_id});
}

void BeamSearch::Advance(std::span<float> logits, int vocab) {
  CheckLogitsShape(logits, rows_.size(), vocab);
  const std::span<const Candidate> candidates = FindCandidates(logits, vocab);
  rows_.clear();
  size_t next_count = 0;
  for (size_t rank = 0; rank < candidates.size(); ++rank) {
    const Candidate& candidate = candidates[rank];
    const Ending ending = rules_.EndingOf(candidate.token, length_ + 1);
    if (ending != Ending::kNone) {
      if (rank < ended_.size()) Finish(candidate, ending);
    } else if (next_count < next_.size()) {
      Extend(candidate, next_[next_count++]);
      rows_.push_back({candidate.row, candidate.token});
    }
  }
  if (next_count == 0) {  // the length limit, or every token is banned
    if (ended_count_ == 0) running_[0].ending = Ending::kByLength;
    return;
  }
  running_.swap(next_);
  running_count_ = next_count;
  ++length_;
  if (IsGoodEnough()) rows_.clear();
}

std::span<const Candidate> BeamSearch::FindCandidates(std::span<float> logits, int vocab) {
  candidates_.Clear();
  const std::optional<int> forced = rules_.ForcedToken(length_, vocab);
  const size_t width = static_cast<size_t>(vocab);
  ParallelFor(running_count_, 1, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const std::span<float> row = logits.subspan(i * width, width);
      const float log_sum = CheckedLogSumExp(row);
      for (float& value : row) value -= log_sum;
      scores_[i].Reset(row);
    }
  });
  for (size_t i = 0; i < running_count_; ++i) {
    if (forced) {
      candidates_.Offer({running_[i].score, static_cast<int>(i), *forced});
    } else {
      rules_.Apply(running_[i].history, scores_[i]);
      if (sampler_) continue;
      const std::span<const float> row = logits.subspan(i * width, width);
      candidates_.OfferRow(static_cast<int>(i), row, running_[i].score);
    }
  }
  return sampler_ && !forced ? Draw() : candidates_.Sort();
}

std::span<const Candidate> BeamSearch::Draw() {
  for (size_t i = 0; i < running_count_; ++i) {
    const auto offer = [&](int token, float score, float noise) {
      candidates_.Offer({running_[i].score + score + noise, static_cast<int>(i), token});
    };
    sampler_->ForEachChance(scores_[i].scores(), offer);
  }
  drawn_.clear();
  for (Candidate candidate : candidates_.Sort()) {
    const size_t row = static_cast<size_t>(candidate.row);
    const float score = scores_[row].scores()[static_cast<size_t>(candidate.token)];
    candidate.score = running_[row].score + score / static_cast<float>(config_.temperature);
    drawn_.push_back(candidate);
  }
  std::sort(drawn_.begin(), drawn_.end(), IsBetter);
  return drawn_;
}

void BeamSearch::Extend(const Candidate& candidate, Beam& beam) const {
  const Beam& parent = running_[static_cast<size_t>(candidate.row)];
  beam.history = parent.history;
  beam.history.push_back(candidate.token);
  beam.logprobs = parent.logprobs;
  const ScoreRow& row = scores_[static_cast<size_t>(candidate.row)];  // of log-probabilities
  beam.logprobs.push_back(row.Original(candidate.token));
  beam.spreads = parent.spreads;
  if (config_.locations.Contain(candidate.token)) {
    beam.spreads.push_back(SpreadAround(candidate.token, row, 0, config_.locations));
  }
  beam.score = candidate.score;
  beam.ending = Ending::kNone;
}

void BeamSearch::Finish(const Candidate& candidate, Ending ending) {
  const float score = RankByLength(candidate.score, length_);
  size_t place = ended_count_;
  while (place > 0 && score > ended_[place - 1].score) --place;
  if (place == ended_.size()) return;
  ended_count_ = std::min(ended_count_ + 1, ended_.size());
  const auto begin = ended_.begin();
  const auto end = begin + static_cast<ptrdiff_t>(ended_count_);
  // The last one, which is unused or the worst, is overwritten.
  std::rotate(begin + static_cast<ptrdiff_t>(place), end - 1, end);
  Extend(candidate, ended_[place]);
  ended_[place].score = score;
  ended_[place].ending = ending;
}

bool BeamSearch::IsGoodEnough() const {
  if (ended_count_ < ended_.size()) return false;
  if (config_.early_stopping == EarlyStopping::kOn) return true;
  // The rank that the best running beam would have if it ended without further loss: now, or at the
  // length limit if longer answers rank higher and early_stopping is "never".
  const bool at_limit =
      config_.early_stopping == EarlyStopping::kNever && config_.length_penalty > 0;
  const int generated = (at_limit ? config_.max_length : length_) - 1;
  return RankByLength(running_[0].score, generated) <= ended_.back().score;
}

float BeamSearch::RankByLength(float score, int generated) const {
  return score / static_cast<float>(std::pow(generated, config_.length_penalty));
}

Generated BeamSearch::result() const {
  const Beam& best = ended_count_ > 0 ? ended_[0] : running_[0];
  return {{best.history.begin() + 1, best.history.end()},
          best.logprobs,
          best.spreads,
          best.ending == Ending::kByLength};
}

}  // namespace uffizi
