#include "generate/location_spread.h"

#include <algorithm>
#include <cstddef>
#include <span>

#include "generate/logits_rules.h"
#include "generate/row_scan.h"

namespace uffizi {
namespace {

constexpr int kFarthest = LocationSpread::kDistances.back();

}  // namespace

float LocationSpread::Within(float distance) const {
  if (!(distance > 0)) return within.front();
  for (size_t i = 1; i < kDistances.size(); ++i) {
    const auto near = static_cast<float>(kDistances[i - 1]);
    const auto far = static_cast<float>(kDistances[i]);
    if (distance > far) continue;
    return within[i - 1] + (within[i] - within[i - 1]) * ((distance - near) / (far - near));
  }
  return within.back();
}

LocationSpread SpreadAround(int token, const ScoreRow& row, float log_sum,
                            const LocationTokens& locations) {
  const int begin = std::max(token - kFarthest, locations.first);
  const int end = std::min({token + kFarthest + 1, locations.first + locations.count,
                            static_cast<int>(row.scores().size())});
  std::array<float, 2 * kFarthest + 1> buffer;
  const std::span<float> terms(buffer.data(), static_cast<size_t>(end - begin));
  row.CopyOriginals(begin, terms);
  for (float& term : terms) term = std::clamp(term - log_sum, kLeastExponent, 0.0f);
  for (float& term : terms) term = ExpOfNegative(term);

  const int middle = token - begin, count = end - begin;
  LocationSpread spread;
  double sum = terms[static_cast<size_t>(middle)];
  spread.within[0] = static_cast<float>(std::min(sum, 1.0));
  for (size_t i = 1; i < spread.within.size(); ++i) {
    for (int d = LocationSpread::kDistances[i - 1] + 1; d <= LocationSpread::kDistances[i]; ++d) {
      if (d <= middle) sum += terms[static_cast<size_t>(middle - d)];
      if (middle + d < count) sum += terms[static_cast<size_t>(middle + d)];
    }
    spread.within[i] = static_cast<float>(std::min(sum, 1.0));
  }
  return spread;
}

}  // namespace uffizi
