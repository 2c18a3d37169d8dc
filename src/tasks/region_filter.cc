#include <algorithm>

#include "uffizi/task.h"

namespace uffizi {
namespace {

bool SameLetters(const std::string& a, const std::string& b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

void FilterRegions(const RegionFilter& filter, Answer& answer) {
  const float least = filter.min_score.value_or(0);
  std::erase_if(answer.regions, [&](const Region& region) {
    if (least > 0 && region.score < least) return true;
    return !filter.labels.empty() &&
           std::none_of(filter.labels.begin(), filter.labels.end(),
                        [&](const std::string& label) { return SameLetters(label, region.label); });
  });
}

}  // namespace uffizi
