#include "kernels/targets.h"

#include <cstdlib>
#include <string>
#include <vector>

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#include "core/ascii.h"
#include "kernels/kernels.h"
#include "uffizi/error.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/targets.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

// Compiled once for each instruction set, so the name is that of the code that actually runs.
const char* NameOfThisTarget() { return hwy::TargetName(HWY_TARGET); }
bool HasVnni() { return HWY_ARCH_X86 != 0 && HWY_TARGET <= HWY_AVX3_DL; }

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uffizi {
namespace {

HWY_EXPORT(NameOfThisTarget);
HWY_EXPORT(HasVnni);

// An extension of one of Highway's targets: the same code with instructions for which Highway has
// no target.
enum class Step { kNone, kTiles, kBf16, kAvxVnni, kI8mm, kSdot };

struct StepAbove {
  Step step;
  const char* name;
  int64_t target;
};
#if HWY_ARCH_ARM_A64
// Highway's variants of NEON differ in extensions that the kernels do not use, so the one that
// every processor has is the only one.
constexpr StepAbove kSteps[] = {{Step::kI8mm, "NEON_I8MM", HWY_STATIC_TARGET},
                                {Step::kSdot, "NEON_SDOT", HWY_STATIC_TARGET},
                                {Step::kNone, "NEON", HWY_STATIC_TARGET}};
#else
constexpr StepAbove kSteps[] = {{Step::kTiles, "AMX", HWY_AVX3_DL},
                                {Step::kBf16, "AVX3_ZEN4", HWY_AVX3_DL},
                                {Step::kAvxVnni, "AVX2_VNNI", HWY_AVX2}};
#endif

// Linux saves the 8 KB of tile state only for processes that request it.
[[maybe_unused]] bool MayUseTiles() {
#if defined(__linux__) && defined(SYS_arch_prctl)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // Linux' arch/x86/include/uapi/asm
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

#if defined(__x86_64__)
bool IsAmd() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(0, &a, &b, &c, &d) != 0 && b == signature_AMD_ebx && d == signature_AMD_edx &&
         c == signature_AMD_ecx;
}
#endif

bool Have(const StepAbove& above) {
#if defined(__x86_64__)
  if ((hwy::SupportedTargets() & above.target) == 0) return false;
  constexpr unsigned kAmx = 1u << 22 | 1u << 24 | 1u << 25;   // CPUID 7.0, EDX: bf16, tile, int8
  constexpr unsigned kVnniBit = 1u << 4, kBf16Bit = 1u << 5;  // CPUID 7.1, EAX
  unsigned a = 0, b = 0, c = 0, d = 0;
#if UFFIZI_EMULATE_TILES
  if (above.step == Step::kTiles) return true;
#endif
  if (above.step == Step::kTiles) {
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kAmx) == kAmx && MayUseTiles();
  }
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d) == 0) return false;
  if (above.step == Step::kBf16) return (a & kBf16Bit) != 0 && IsAmd();
  return (a & kVnniBit) != 0;
#elif defined(__aarch64__) && defined(__linux__)
  if (above.step == Step::kNone) return true;
  constexpr unsigned long kDotProductBit = 1ul << 20;  // AT_HWCAP: ASIMDDP
  constexpr unsigned long kI8mmBit = 1ul << 13;        // AT_HWCAP2
  if ((getauxval(AT_HWCAP) & kDotProductBit) == 0) return false;
  return above.step == Step::kSdot || (getauxval(AT_HWCAP2) & kI8mmBit) != 0;
#else
  return above.step == Step::kNone;
#endif
}

// Disables all targets better than `target`: those are lower bits.
void MakeBest(int64_t target) { hwy::DisableTargets(target - 1); }

// Highway's own targets. On ARM they are all in kSteps.
std::vector<int64_t> HighwayTargets() {
  if (HWY_ARCH_ARM_A64) return {};
  return hwy::SupportedAndGeneratedTargets();
}

// Makes the named target the best, or keeps the best available one. Returns the extension to use.
Step ForceTargetFromEnvironment() {
  const char* wanted = std::getenv("UFFIZI_TARGET");
  const bool any = wanted == nullptr || *wanted == '\0';
  const std::vector<int64_t> targets = HighwayTargets();
  const int64_t best = targets.empty() ? HWY_STATIC_TARGET : targets.front();
  std::string choices;
  const auto fits = [&](const char* name) {
    choices += (choices.empty() ? "" : ", ") + ToLower(name);
    return !any && ToLower(wanted) == ToLower(name);
  };
  for (const StepAbove& above : kSteps) {
    if (!Have(above)) continue;
    if (fits(above.name) || (any && above.target == best)) {
      MakeBest(above.target);
      return above.step;
    }
  }
  if (any) return Step::kNone;
  for (const int64_t target : targets) {
    if (!fits(hwy::TargetName(target))) continue;
    MakeBest(target);
    return Step::kNone;
  }
  throw Error(ErrorCode::kInvalidArgument, "UFFIZI_TARGET: this machine cannot run \"" +
                                               std::string(wanted) + "\" (it can run " + choices +
                                               ")");
}

Step ChosenStep() {
  // Initialised once; if it throws, the next call tries again and throws again.
  static const Step step = ForceTargetFromEnvironment();
  return step;
}

}  // namespace

bool UseTiles() { return ChosenStep() == Step::kTiles; }

bool UseBf16Vectors() { return ChosenStep() == Step::kBf16; }

bool UseAvxVnni() { return ChosenStep() == Step::kAvxVnni; }

bool UseSdot() { return ChosenStep() == Step::kSdot; }

bool UseI8mm() { return ChosenStep() == Step::kI8mm; }

bool WantsBiasedRows() {
  const Step step = ChosenStep();
  if (step == Step::kAvxVnni || step == Step::kBf16) return true;
  return step == Step::kNone && HWY_DYNAMIC_DISPATCH(HasVnni)();
}

void ChooseKernelTarget() { ChosenStep(); }

const char* KernelTarget() {
  for (const StepAbove& above : kSteps) {
    if (above.step == ChosenStep()) return above.name;
  }
  return HWY_DYNAMIC_DISPATCH(NameOfThisTarget)();
}

}  // namespace uffizi
#endif  // HWY_ONCE
