#include "tasks/region_score.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace uffizi {
namespace {

// Of the region's width and height: (1 - sqrt(1/2)) / 2. A box whose four sides are all off by that
// much, inwards, has (1 - 2 * kTolerance)^2 = 0.5 of the true one's area, which is their IoU.
constexpr float kTolerance = 0.14644661f;

// The first location that reaches farthest in one direction: those that equal it follow it.
struct Extent {
  const Mark* least = nullptr;
  const Mark* greatest = nullptr;

  void Add(const Mark& location) {
    if (least == nullptr || location.bin < least->bin) least = &location;
    if (greatest == nullptr || location.bin > greatest->bin) greatest = &location;
  }
};

// The probability that both sides are about where the answer puts them.
std::optional<double> SidesProbability(const Extent& extent) {
  if (extent.least == nullptr) return std::nullopt;
  const AnswerToken *least = extent.least->token, *greatest = extent.greatest->token;
  if (least == nullptr || greatest == nullptr) return std::nullopt;
  if (!least->spread || !greatest->spread) return std::nullopt;
  const auto length = static_cast<float>(extent.greatest->bin - extent.least->bin);
  const float distance = kTolerance * std::max(length, 1.0f);
  return double{least->spread->Within(distance)} * double{greatest->spread->Within(distance)};
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
  Extent columns, rows;
  for (size_t i = 0; i + 1 < locations.size(); i += 2) {
    columns.Add(locations[i]);
    rows.Add(locations[i + 1]);
  }
  const std::optional<double> x = SidesProbability(columns), y = SidesProbability(rows);
  if (!x || !y) return MicrosoftScore(locations);
  return static_cast<float>(words * *x * *y);
}

}  // namespace uffizi
