#ifndef UFFIZI_TASKS_REGION_SCORE_H_
#define UFFIZI_TASKS_REGION_SCORE_H_

#include <optional>
#include <span>

#include "tasks/answer_text.h"

namespace uffizi {

// The score of a region as Region describes it, or, if only log-probabilities are known, as
// ParseAnswer() does. `locations` are x, y, x, y, ... of a box, a quad, or all polygons of an
// instance; `words` is the probability of its label. None if nothing is known of a side.
std::optional<float> RegionScore(double words, std::span<const Mark> locations);

}  // namespace uffizi

#endif  // UFFIZI_TASKS_REGION_SCORE_H_
