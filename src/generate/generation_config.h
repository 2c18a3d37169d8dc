#ifndef UFFIZI_GENERATE_GENERATION_CONFIG_H_
#define UFFIZI_GENERATE_GENERATION_CONFIG_H_

#include <cstdint>
#include <optional>
#include <vector>

namespace uffizi {

// When beam search may stop once it has num_beams finished hypotheses, as in transformers.
enum class EarlyStopping {
  kOff,    // stop when an unlikely-to-improve heuristic says so (False)
  kOn,     // stop at once (True)
  kNever,  // stop only when no hypothesis can improve ("never")
};

// The ids that stand for the locations 0, 1, 2, ...; none if count is 0.
struct LocationTokens {
  int first = 0;
  int count = 0;

  bool Contain(int token) const { return token >= first && token - first < count; }
};

// How to search for an answer. Names and meaning are transformers' GenerationConfig. Its
// max_new_tokens N is max_length N + 1 here, its min_new_tokens N is min_length N + 1.
struct GenerationConfig {
  int num_beams = 1;
  EarlyStopping early_stopping = EarlyStopping::kOff;
  double length_penalty = 1.0;
  int no_repeat_ngram_size = 0;
  double repetition_penalty = 1.0;
  int min_length = 0;     // tokens before </s>, the decoder's start token included
  int max_length = 1025;  // tokens, the decoder's start token included; beats min_length
  bool do_sample = false;
  double temperature = 1.0;
  int top_k = 50;  // 0 = all
  double top_p = 1.0;
  uint64_t seed = 0;  // one answer's draws depend on this and its logits alone
  int decoder_start_token_id = 2;
  int pad_token_id = 1;
  std::vector<int> eos_token_ids = {2};
  std::optional<int> forced_bos_token_id;  // the first token generated
  std::optional<int> forced_eos_token_id;  // the token at max_length
  std::vector<int> suppress_tokens;        // never generated
  LocationTokens locations;                // whose spread is reported; within the vocabulary
};

}  // namespace uffizi

#endif  // UFFIZI_GENERATE_GENERATION_CONFIG_H_
