#include "kernels/targets.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string>

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

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

// Whether there are tiles of bytes and bfloat16. Linux saves their 8 KB only for processes that
// ask.
bool HaveTiles() {
#if defined(__x86_64__) && defined(__linux__) && defined(SYS_arch_prctl)
  constexpr unsigned kAmx = 1u << 22 | 1u << 24 | 1u << 25;  // CPUID 7.0, EDX: bf16, tile, int8
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kAmx) != kAmx) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // Linux' arch/x86/include/uapi/asm
  return hwy::SupportedTargets() & HWY_AVX3_DL &&
         syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

constexpr const char* kTilesName = "AMX";

// Disables all targets better than the named one, so that it becomes the best. Returns whether
// tiles are to be used.
bool ForceTargetFromEnvironment() {
  const char* wanted = std::getenv("UFFIZI_TARGET");
  if (wanted == nullptr || *wanted == '\0') return HaveTiles();
  std::string choices;
  if (HaveTiles()) {
    choices = LowerCase(kTilesName);
    if (LowerCase(wanted) == choices) return true;
  }
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    const std::string name = LowerCase(hwy::TargetName(target));
    if (name == LowerCase(wanted)) {
      hwy::DisableTargets(target - 1);  // better targets are lower bits
      return false;
    }
    choices += (choices.empty() ? "" : ", ") + name;
  }
  throw Error(ErrorCode::kInvalidArgument, "UFFIZI_TARGET: this machine cannot run \"" +
                                               std::string(wanted) + "\" (it can run " + choices +
                                               ")");
}

}  // namespace

bool UseTiles() {
  // Initialised once; if it throws, the next call tries again and throws again.
  static const bool tiles = ForceTargetFromEnvironment();
  return tiles;
}

void ChooseKernelTarget() { UseTiles(); }

const char* KernelTarget() {
  if (UseTiles()) return kTilesName;
  return HWY_DYNAMIC_DISPATCH(NameOfThisTarget)();
}

}  // namespace uffizi
#endif  // HWY_ONCE
