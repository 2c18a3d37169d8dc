#include "kernels/scale_search.h"

#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/scale_search.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Each lane is a candidate, so that every instruction set sums over the weights in the same order.
// Those with fused multiply-add choose bit-identical scales.
using CandidateTag = hn::CappedTag<float, ScaleCandidates::kCount>;
using CandidateVec = hn::Vec<CandidateTag>;

struct Grid {
  CandidateVec scale, inverse, low, high;
};

HWY_INLINE Grid LoadGrid(const ScaleCandidates& candidates, size_t at) {
  const CandidateTag d;
  return {hn::Load(d, candidates.scale + at), hn::Load(d, candidates.inverse + at),
          hn::Load(d, candidates.low + at), hn::Load(d, candidates.high + at)};
}

HWY_INLINE CandidateVec RoundToGrid(const Grid& grid, CandidateVec weight) {
  return hn::Min(hn::Max(hn::Round(hn::Mul(weight, grid.inverse)), grid.low), grid.high);
}

void FitScalesOf(const float* HWY_RESTRICT w, const float* HWY_RESTRICT importance, size_t count,
                 const ScaleCandidates& candidates, float* HWY_RESTRICT best) {
  const CandidateTag d;
  for (size_t at = 0; at < ScaleCandidates::kCount; at += hn::Lanes(d)) {
    const Grid grid = LoadGrid(candidates, at);
    CandidateVec products = hn::Zero(d), squares = hn::Zero(d);
    for (size_t i = 0; i < count; ++i) {
      const CandidateVec weight = hn::Set(d, w[i]);
      const CandidateVec r = RoundToGrid(grid, weight);
      const CandidateVec weighted = hn::Mul(r, hn::Set(d, importance[i]));
      products = hn::MulAdd(weighted, weight, products);
      squares = hn::MulAdd(weighted, r, squares);
    }
    const CandidateVec fit = hn::Div(products, squares);
    hn::StoreU(hn::IfThenElse(hn::Gt(squares, hn::Zero(d)), fit, hn::Zero(d)), d, best + at);
  }
}

void ScaleErrorsOf(const float* HWY_RESTRICT w, const float* HWY_RESTRICT importance, size_t count,
                   const ScaleCandidates& candidates, float* HWY_RESTRICT errors) {
  const CandidateTag d;
  for (size_t at = 0; at < ScaleCandidates::kCount; at += hn::Lanes(d)) {
    const Grid grid = LoadGrid(candidates, at);
    CandidateVec sum = hn::Zero(d);
    for (size_t i = 0; i < count; ++i) {
      const CandidateVec weight = hn::Set(d, w[i]);
      const CandidateVec error = hn::NegMulAdd(RoundToGrid(grid, weight), grid.scale, weight);
      sum = hn::MulAdd(hn::Mul(error, hn::Set(d, importance[i])), error, sum);
    }
    hn::StoreU(sum, d, errors + at);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uffizi {
namespace {
HWY_EXPORT(FitScalesOf);
HWY_EXPORT(ScaleErrorsOf);
}  // namespace

void FitScales(const float* w, const float* importance, size_t count,
               const ScaleCandidates& candidates, float* best) {
  ChooseKernelTarget();
  HWY_DYNAMIC_DISPATCH(FitScalesOf)(w, importance, count, candidates, best);
}

void ScaleErrors(const float* w, const float* importance, size_t count,
                 const ScaleCandidates& candidates, float* errors) {
  ChooseKernelTarget();
  HWY_DYNAMIC_DISPATCH(ScaleErrorsOf)(w, importance, count, candidates, errors);
}

}  // namespace uffizi
#endif  // HWY_ONCE
