#ifndef UFFIZI_KERNELS_FACTOR_SEARCH_H_
#define UFFIZI_KERNELS_FACTOR_SEARCH_H_

#include <cstddef>
#include <span>
#include <vector>

namespace uffizi {

// Makes the scales of a matrix row small integers times one scale (row_factors.h), with the least
// increase in the squared error of its 4-bit codes. Holds scratch memory, which is reused from row
// to row.
class FactorSearch {
 public:
  // Scales found are exact in half precision.
  explicit FactorSearch(size_t group_size);

  // w: [scales.size(), group_size] f32; importance: likewise, or null. scales: on entry the best
  // scale of each group on its own, on return the scales found
  void Find(const float* w, const float* importance, std::span<float> scales);

 private:
  static constexpr size_t kUnits = 8;
  struct Choice {
    float scale, error;
  };

  bool FindUnits(std::span<const float> scales);
  void Measure(const float* w, const float* importance, float scale, Choice (&choices)[kUnits]);

  size_t group_size_;
  float units_[kUnits] = {};
  std::vector<float> scaled_, ones_;
  std::vector<Choice> choices_;  // [groups, kUnits]
};

}  // namespace uffizi

#endif  // UFFIZI_KERNELS_FACTOR_SEARCH_H_
