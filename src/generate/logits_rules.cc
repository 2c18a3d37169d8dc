#include "generate/logits_rules.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "generate/row_scan.h"
#include "kernels/kernels.h"
#include "uffizi/error.h"

namespace uffizi {

void ScoreRow::Reset(std::span<float> scores) {
  scores_ = scores;
  edits_.clear();
}

float ScoreRow::Original(int token) const {
  for (const Edit& edit : edits_) {
    if (edit.token == token) return edit.overwritten;
  }
  return scores_[static_cast<size_t>(token)];
}

void ScoreRow::CopyOriginals(int first, std::span<float> out) const {
  std::copy_n(scores_.begin() + first, out.size(), out.begin());
  // Of several edits of a token the earliest overwrote the original.
  for (auto edit = edits_.rbegin(); edit != edits_.rend(); ++edit) {
    const int place = edit->token - first;
    if (place >= 0 && place < std::ssize(out)) out[static_cast<size_t>(place)] = edit->overwritten;
  }
}

void ScoreRow::Ban(std::span<const int> tokens) {
  Replace(tokens, [](float) { return kMinusInfinity; });
}

void PenalizeRepetition(std::span<const int> history, float penalty, ScoreRow& row) {
  row.Replace(history, [penalty](float s) { return s < 0 ? s * penalty : s / penalty; });
}

void BanRepeatedNgrams(std::span<const int> history, int size, ScoreRow& row) {
  const size_t group = static_cast<size_t>(size);
  if (history.size() < group) return;
  const std::span<const int> prefix = history.last(group - 1);
  for (size_t i = 0; i + group <= history.size(); ++i) {
    if (std::equal(prefix.begin(), prefix.end(), history.begin() + static_cast<ptrdiff_t>(i))) {
      row.Ban(history.subspan(i + group - 1, 1));
    }
  }
}

std::optional<int> LogitsRules::ForcedToken(int length, int vocab) const {
  const auto checked = [vocab](const char* option, int token) {
    if (token < vocab) return token;
    throw Error(ErrorCode::kInvalidArgument, std::string(option) + " is " + std::to_string(token) +
                                                 ", but the model knows only " +
                                                 std::to_string(vocab) + " tokens");
  };
  // Both apply if max_length is 2; in transformers the end token wins.
  if (config_.forced_eos_token_id && length == config_.max_length - 1) {
    return checked("forced_eos_token_id", *config_.forced_eos_token_id);
  }
  if (config_.forced_bos_token_id && length == 1) {
    return checked("forced_bos_token_id", *config_.forced_bos_token_id);
  }
  return std::nullopt;
}

void LogitsRules::Apply(std::span<const int> history, ScoreRow& row) const {
  if (config_.repetition_penalty != 1.0) {
    PenalizeRepetition(history, static_cast<float>(config_.repetition_penalty), row);
  }
  if (config_.no_repeat_ngram_size > 0) {
    BanRepeatedNgrams(history, config_.no_repeat_ngram_size, row);
  }
  if (std::ssize(history) < config_.min_length) row.Ban(config_.eos_token_ids);
  row.Ban(config_.suppress_tokens);
}

Ending LogitsRules::EndingOf(int token, int length) const {
  const bool at_limit = length >= config_.max_length;
  const bool forced = at_limit && config_.forced_eos_token_id.has_value();
  const std::vector<int>& ends = config_.eos_token_ids;
  if (!forced && std::find(ends.begin(), ends.end(), token) != ends.end()) return Ending::kByModel;
  return at_limit ? Ending::kByLength : Ending::kNone;
}

float CheckedLogSumExp(std::span<const float> logits) {
  const float result = LogSumExp(logits.data(), logits.size());
  if (std::isfinite(result)) return result;
  throw Error(ErrorCode::kInvalidModel,
              "the model's logits are not finite; its weights are probably damaged");
}

void CheckLogitsShape(std::span<const float> logits, size_t rows, int vocab) {
  if (rows > 0 && vocab > 0 && logits.size() == rows * static_cast<size_t>(vocab)) return;
  throw Error(ErrorCode::kInternal, "search: " + std::to_string(logits.size()) + " logits for " +
                                        std::to_string(rows) + " rows of " + std::to_string(vocab) +
                                        " tokens");
}

}  // namespace uffizi
