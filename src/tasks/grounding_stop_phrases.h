#ifndef UFFIZI_TASKS_GROUNDING_STOP_PHRASES_H_
#define UFFIZI_TASKS_GROUNDING_STOP_PHRASES_H_

#include <string_view>

namespace uffizi {

// Whether grounding drops this phrase: pronouns and words for the picture as a whole. Exact and
// case-sensitive. The list is the released models' `banned_grounding_tokens`.
bool IsGroundingStopPhrase(std::string_view phrase);

}  // namespace uffizi

#endif  // UFFIZI_TASKS_GROUNDING_STOP_PHRASES_H_
