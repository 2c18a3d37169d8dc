#include "kernels/factor_search.h"

#include <algorithm>
#include <cmath>

#include "kernels/row_factors.h"
#include "kernels/scale_search.h"

namespace uffizi {
namespace {

// The smallest subnormal of half precision. Small multiples of it are exact.
constexpr float kLeastHalf = 0x1p-24f;

// Significant bits of a scale whose products with factors of four bits are exact in half precision.
constexpr int kUnitBits = 7;

float RoundUnit(float x) {
  int exponent;
  const float fraction = std::frexp(x, &exponent);
  const float rounded =
      std::ldexp(std::round(std::ldexp(fraction, kUnitBits)), exponent - kUnitBits);
  return std::max(1.0f, std::round(rounded / kLeastHalf)) * kLeastHalf;
}

}  // namespace

FactorSearch::FactorSearch(size_t group_size)
    : group_size_(group_size), scaled_(group_size), ones_(group_size, 1.0f) {}

void FactorSearch::Find(const float* w, const float* importance, std::span<float> scales) {
  if (!FindUnits(scales)) return;
  choices_.assign(scales.size() * kUnits, {});
  float errors[kUnits] = {};
  for (size_t g = 0; g < scales.size(); ++g) {
    if (scales[g] == 0) continue;
    Choice choices[kUnits];
    Measure(w + g * group_size_, importance == nullptr ? nullptr : importance + g * group_size_,
            scales[g], choices);
    std::copy_n(choices, kUnits, choices_.begin() + static_cast<std::ptrdiff_t>(g * kUnits));
    for (size_t u = 0; u < kUnits; ++u) errors[u] += choices[u].error;
  }
  const size_t best = static_cast<size_t>(std::min_element(errors, errors + kUnits) - errors);
  for (size_t g = 0; g < scales.size(); ++g) scales[g] = choices_[g * kUnits + best].scale;
}

// Candidates for the row's scale: those that give its largest group the factors 15, 14, ..., 8.
bool FactorSearch::FindUnits(std::span<const float> scales) {
  const float largest = *std::max_element(scales.begin(), scales.end());
  if (largest <= 0) return false;
  for (size_t u = 0; u < kUnits; ++u) {
    units_[u] = RoundUnit(largest / static_cast<float>(kMaxFactor - static_cast<int>(u)));
  }
  return true;
}

// For each unit, the better of the two multiples around a group's own scale.
void FactorSearch::Measure(const float* w, const float* importance, float scale,
                           Choice (&choices)[kUnits]) {
  static_assert(ScaleCandidates::kCount == 2 * kUnits);
  float magnitude = 0;
  for (size_t i = 0; i < group_size_; ++i) magnitude = std::max(magnitude, std::abs(w[i]));
  for (size_t i = 0; i < group_size_; ++i) scaled_[i] = w[i] / magnitude;
  ScaleCandidates candidates;
  float own[2 * kUnits], errors[2 * kUnits];
  for (size_t c = 0; c < 2 * kUnits; ++c) {
    const float unit = units_[c / 2];
    const float factor = std::floor(scale / unit) + static_cast<float>(c % 2);
    own[c] = unit * std::clamp(factor, 1.0f, static_cast<float>(kMaxFactor));
    candidates.scale[c] = own[c] / magnitude;
    candidates.inverse[c] = 1.0f / candidates.scale[c];
    candidates.low[c] = -8.0f;
    candidates.high[c] = 7.0f;
  }
  if (importance == nullptr || *std::max_element(importance, importance + group_size_) <= 0) {
    importance = ones_.data();
  }
  ScaleErrors(scaled_.data(), importance, group_size_, candidates, errors);
  for (size_t u = 0; u < kUnits; ++u) {
    const size_t c = 2 * u + (errors[2 * u + 1] < errors[2 * u] ? 1 : 0);
    choices[u] = {own[c], errors[c] * magnitude * magnitude};
  }
}

}  // namespace uffizi
