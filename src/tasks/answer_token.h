#ifndef UFFIZI_TASKS_ANSWER_TOKEN_H_
#define UFFIZI_TASKS_ANSWER_TOKEN_H_

#include <optional>
#include <span>
#include <string_view>

#include "generate/location_spread.h"
#include "uffizi/task.h"

namespace uffizi {

// What is known of the model's distribution at one token of its answer.
struct AnswerToken {
  enum class Kind { kText, kLocation, kSpecial };
  Kind kind;
  float logprob;                         // of the token
  std::optional<LocationSpread> spread;  // kLocation
};

// ParseAnswer() with scores as Region describes them. `tokens` are those of the whole answer.
// Without tokens there are no scores. Throws Error(kInvalidArgument) unless each `<loc_N>` of
// `text` is one location.
Answer ParseAnswer(Task task, std::string_view text, int width, int height,
                   std::span<const AnswerToken> tokens);

}  // namespace uffizi

#endif  // UFFIZI_TASKS_ANSWER_TOKEN_H_
