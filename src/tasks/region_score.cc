#include "tasks/region_score.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace uffizi {
namespace {

// Of the region's width and height: (1 - sqrt(1/2)) / 2. A box whose four sides are all off by that
// much, inwards, has (1 - 2 * kTolerance)^2 = 0.5 of the true one's area, which is their IoU.
constexpr float kTolerance = 0.14644661f;

// All locations of a region weigh as much as the four of a box.
constexpr double kSides = 4;

// kTolerance of the extent of every second location from `first` on, in bins; 0 if there is none.
float Tolerance(std::span<const Mark> locations, size_t first) {
  if (first >= locations.size()) return 0;
  int64_t least = locations[first].bin, greatest = least;
  for (size_t i = first; i < locations.size(); i += 2) {
    least = std::min(least, locations[i].bin);
    greatest = std::max(greatest, locations[i].bin);
  }
  return kTolerance * static_cast<float>(std::max<int64_t>(greatest - least, 1));
}

// exp(mean log-probability) of the locations of which it is known.
std::optional<float> MicrosoftScore(std::span<const Mark> locations) {
  double sum = 0;
  int count = 0;
  for (const Mark& location : locations) {
    if (location.token == nullptr || location.token->spread) continue;
    sum += double{location.token->logprob};
    ++count;
  }
  if (count == 0 || std::isnan(sum)) return std::nullopt;
  return static_cast<float>(std::exp(sum / count));
}

}  // namespace

std::optional<float> RegionScore(double words, std::span<const Mark> locations) {
  const float tolerances[] = {Tolerance(locations, 0), Tolerance(locations, 1)};  // of x and y
  if (locations.empty()) return std::nullopt;
  const double exponent = kSides / static_cast<double>(locations.size());
  double score = words;
  for (size_t i = 0; i < locations.size(); ++i) {
    const AnswerToken* token = locations[i].token;
    if (token == nullptr || !token->spread) return MicrosoftScore(locations);
    // Each by itself: the product of hundreds of probabilities would underflow.
    score *= std::pow(double{token->spread->Within(tolerances[i % 2])}, exponent);
  }
  return static_cast<float>(score);
}

}  // namespace uffizi
