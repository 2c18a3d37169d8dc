// Operations of a search on a row of logits, about 51,000 numbers.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "kernels/kernels.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/log_sum_exp.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
constexpr size_t kSumBlock = 1024;  // terms added in float before their sum goes to a double

// Calls body(vector) for vectors that cover x, the last one filled up with -inf.
template <class Body>
HWY_INLINE void ForEachFilled(const float* x, size_t count, const Body& body) {
  const FloatTag d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) body(hn::LoadU(d, x + i));
  if (i == count) return;
  std::array<float, HWY_MAX_BYTES / sizeof(float)> last;
  last.fill(kMinusInfinity);
  std::copy(x + i, x + count, last.begin());
  body(hn::LoadU(d, last.data()));
}

float GreatestOf(const float* x, size_t count) {
  const FloatTag d;
  auto greatest = hn::Set(d, kMinusInfinity);
  // A comparison with NaN is false, so NaN is never taken.
  ForEachFilled(x, count, [&](auto v) HWY_ATTR {
    greatest = hn::IfThenElse(hn::Gt(v, greatest), v, greatest);
  });
  return hn::GetLane(hn::MaxOfLanes(d, greatest));
}

float LogOfSum(const float* x, size_t count) {
  const FloatTag d;
  const float greatest = GreatestOf(x, count);
  auto nan = hn::IsNaN(hn::Zero(d));  // lanes that were NaN
  double sum = 0;
  for (size_t begin = 0; begin < count; begin += kSumBlock) {
    auto sums = hn::Zero(d);
    ForEachFilled(x + begin, std::min(kSumBlock, count - begin), [&](auto v) HWY_ATTR {
      nan = hn::Or(nan, hn::IsNaN(v));
      sums = hn::Add(sums, ExpOrNothing(d, hn::Sub(v, hn::Set(d, greatest))));
    });
    sum += double{Sum(d, sums)};
  }
  if (!hn::AllFalse(d, nan)) return std::numeric_limits<float>::quiet_NaN();
  return static_cast<float>(greatest + std::log(sum));
}

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uffizi {
namespace {
HWY_EXPORT(GreatestOf);
HWY_EXPORT(LogOfSum);
}  // namespace

float Greatest(const float* x, size_t count) {
  ChooseKernelTarget();
  return HWY_DYNAMIC_DISPATCH(GreatestOf)(x, count);
}

float LogSumExp(const float* x, size_t count) {
  ChooseKernelTarget();
  return HWY_DYNAMIC_DISPATCH(LogOfSum)(x, count);
}

}  // namespace uffizi
#endif  // HWY_ONCE
