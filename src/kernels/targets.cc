#include "kernels/targets.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string>

#include "kernels/kernels.h"
#include "uffizi/error.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/targets.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

// Compiled once for each instruction set, so the name is that of the code which really runs.
const char* NameOfThisTarget() { return hwy::TargetName(HWY_TARGET); }

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uffizi {
namespace {

HWY_EXPORT(NameOfThisTarget);

std::string LowerCase(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// Disables all targets better than the named one, so that it becomes the best.
bool ForceTargetFromEnvironment() {
  const char* wanted = std::getenv("UFFIZI_TARGET");
  if (wanted == nullptr || *wanted == '\0') return false;
  std::string choices;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    const std::string name = LowerCase(hwy::TargetName(target));
    if (name == LowerCase(wanted)) {
      hwy::DisableTargets(target - 1);  // better targets are lower bits
      return true;
    }
    choices += (choices.empty() ? "" : ", ") + name;
  }
  throw Error(ErrorCode::kInvalidArgument, "UFFIZI_TARGET: this machine cannot run \"" +
                                               std::string(wanted) + "\" (it can run " + choices +
                                               ")");
}

}  // namespace

void ChooseKernelTarget() {
  // Initialised once; if it throws, the next call tries again and throws again.
  [[maybe_unused]] static const bool forced = ForceTargetFromEnvironment();
}

const char* KernelTarget() {
  ChooseKernelTarget();
  return HWY_DYNAMIC_DISPATCH(NameOfThisTarget)();
}

}  // namespace uffizi
#endif  // HWY_ONCE
