#include "generate/search.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "generate/beam_search.h"
#include "generate/greedy_search.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

constexpr int kMaxBeams = 256;

[[noreturn]] void Refuse(const std::string& option, const std::string& value,
                         const std::string& rule) {
  throw Error(ErrorCode::kInvalidArgument, option + " is " + value + ", but must be " + rule);
}

void RequireAtLeast(const std::string& option, int value, int least) {
  if (value < least) Refuse(option, std::to_string(value), "at least " + std::to_string(least));
}

void RequirePositive(const std::string& option, double value) {
  if (!std::isfinite(value) || value <= 0) Refuse(option, std::to_string(value), "over 0");
}

void RequireTokens(const std::string& option, const std::vector<int>& tokens) {
  for (int token : tokens) RequireAtLeast(option, token, 0);
}

// A token that is forced must be one that is allowed.
void RequireForcible(const std::string& option, std::optional<int> token,
                     const std::vector<int>& suppressed) {
  if (!token) return;
  RequireAtLeast(option, *token, 0);
  if (std::find(suppressed.begin(), suppressed.end(), *token) != suppressed.end()) {
    Refuse(option, std::to_string(*token), "a token that suppress_tokens does not name");
  }
}

void CheckSampling(const GenerationConfig& config) {
  RequirePositive("temperature", config.temperature);
  if (static_cast<float>(config.temperature) == 0) {
    Refuse("temperature", std::to_string(config.temperature), "over 0 as a 32-bit float");
  }
  RequireAtLeast("top_k", config.top_k, 0);
  if (!(config.top_p >= 0 && config.top_p <= 1)) {
    Refuse("top_p", std::to_string(config.top_p), "from 0 to 1");
  }
}

void Check(const GenerationConfig& config) {
  RequireAtLeast("num_beams", config.num_beams, 1);
  if (config.num_beams > kMaxBeams) {
    Refuse("num_beams", std::to_string(config.num_beams), "at most " + std::to_string(kMaxBeams));
  }
  if (!std::isfinite(config.length_penalty)) {
    Refuse("length_penalty", std::to_string(config.length_penalty), "a finite number");
  }
  RequireAtLeast("no_repeat_ngram_size", config.no_repeat_ngram_size, 0);
  RequirePositive("repetition_penalty", config.repetition_penalty);
  RequireAtLeast("min_length", config.min_length, 0);
  RequireAtLeast("max_length", config.max_length, 2);
  RequireAtLeast("decoder_start_token_id", config.decoder_start_token_id, 0);
  RequireTokens("eos_token_ids", config.eos_token_ids);
  RequireTokens("suppress_tokens", config.suppress_tokens);
  RequireForcible("forced_bos_token_id", config.forced_bos_token_id, config.suppress_tokens);
  RequireForcible("forced_eos_token_id", config.forced_eos_token_id, config.suppress_tokens);
  if (config.do_sample) CheckSampling(config);
}

}  // namespace

std::unique_ptr<Search> Search::Make(const GenerationConfig& config) {
  Check(config);
  if (config.num_beams > 1) return std::make_unique<BeamSearch>(config);
  return std::make_unique<GreedySearch>(config);
}

}  // namespace uffizi
