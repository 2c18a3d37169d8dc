#ifndef UFFIZI_KERNELS_SCALE_SEARCH_H_
#define UFFIZI_KERNELS_SCALE_SEARCH_H_

#include <cstddef>

namespace uffizi {

// Scales tried at once for one quantization group. A weight's value on the grid of candidate c is
// scale[c] * r, where r = clamp(round(w * inverse[c]), low[c], high[c]).
struct ScaleCandidates {
  static constexpr size_t kCount = 16;
  alignas(64) float scale[kCount];
  alignas(64) float inverse[kCount];
  alignas(64) float low[kCount], high[kCount];  // code range less the zero point
};

// For each candidate, the scale that suits the integers r best: the one that minimises
// sum_i importance[i] * (w[i] - scale * r[i])^2. 0 where all r are 0.
// w, importance: [count] f32; best: [kCount] f32
void FitScales(const float* w, const float* importance, size_t count,
               const ScaleCandidates& candidates, float* best);

// For each candidate, sum_i importance[i] * (w[i] - scale * r[i])^2.
void ScaleErrors(const float* w, const float* importance, size_t count,
                 const ScaleCandidates& candidates, float* errors);

}  // namespace uffizi

#endif  // UFFIZI_KERNELS_SCALE_SEARCH_H_
