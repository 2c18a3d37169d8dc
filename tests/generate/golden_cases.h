#ifndef UFFIZI_TESTS_GENERATE_GOLDEN_CASES_H_
#define UFFIZI_TESTS_GENERATE_GOLDEN_CASES_H_

#include <nlohmann/json.hpp>
#include <vector>

#include "generate/fake_model.h"
#include "generate/generation_config.h"

namespace uffizi {

// The models and options of the cases that tests/golden/make_generate.py makes.

inline FakeModel ModelOf(const nlohmann::json& model) {
  return {model["seed"],  model["vocab"], model["context"],  model["position"],
          model["peaky"], model["ends"],  model["end_bias"], model["end_slope"]};
}

inline GenerationConfig ConfigOf(const nlohmann::json& options) {
  GenerationConfig config;
  config.num_beams = options["num_beams"];
  config.max_length = options["max_length"];
  config.eos_token_ids = options["eos_token_ids"].get<std::vector<int>>();
  if (options.contains("early_stopping")) {
    const nlohmann::json& early = options["early_stopping"];
    config.early_stopping = early.is_string()   ? EarlyStopping::kNever
                            : early.get<bool>() ? EarlyStopping::kOn
                                                : EarlyStopping::kOff;
  }
  config.length_penalty = options.value("length_penalty", 1.0);
  config.no_repeat_ngram_size = options.value("no_repeat_ngram_size", 0);
  config.repetition_penalty = options.value("repetition_penalty", 1.0);
  config.min_length = options.value("min_length", 0);
  config.suppress_tokens = options.value("suppress_tokens", std::vector<int>{});
  if (options.contains("forced_bos_token_id")) {
    config.forced_bos_token_id = options["forced_bos_token_id"].get<int>();
  }
  if (options.contains("forced_eos_token_id")) {
    config.forced_eos_token_id = options["forced_eos_token_id"].get<int>();
  }
  config.do_sample = options.value("do_sample", false);
  config.top_k = options.value("top_k", config.top_k);
  config.top_p = options.value("top_p", config.top_p);
  config.temperature = options.value("temperature", config.temperature);
  return config;
}

}  // namespace uffizi

#endif  // UFFIZI_TESTS_GENERATE_GOLDEN_CASES_H_
