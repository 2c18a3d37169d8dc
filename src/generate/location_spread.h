#ifndef UFFIZI_GENERATE_LOCATION_SPREAD_H_
#define UFFIZI_GENERATE_LOCATION_SPREAD_H_

#include <array>

#include "generate/generation_config.h"

namespace uffizi {

class ScoreRow;

// How sure a model was of a location that it chose: the probability that it gave to the bins
// around that location.
struct LocationSpread {
  // In bins; the last is more than a side of a picture allows for a box to be still the same one.
  static constexpr std::array kDistances = {0, 1, 2, 4, 8, 16, 32, 64, 128};

  // Of all bins at most kDistances[i] away from the chosen one, together; ascending, 0..1.
  std::array<float, kDistances.size()> within = {};

  // The probability of the bins at most `distance` away, interpolated.
  float Within(float distance) const;
};

// The spread around `token`, a location, in a row of the model's scores: `log_sum` is the log of
// the sum of their exponentials. Rules do not count. At most 257 exponentials.
LocationSpread SpreadAround(int token, const ScoreRow& row, float log_sum,
                            const LocationTokens& locations);

}  // namespace uffizi

#endif  // UFFIZI_GENERATE_LOCATION_SPREAD_H_
