#include "limit.h"

#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "limit.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "kernels/panel_dot-inl.h"
#include "kernels/tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

// Enough sums to cover the latency of a multiply and an add.
constexpr size_t kSums = 12;

#if UFFIZI_BYTE_VECTORS
template <class Way>
double MultiplyVectors(size_t iterations) {
  const Uint8Tag d8;
  alignas(64) volatile uint8_t ones[HWY_MAX_BYTES] = {1, 1, 1};
  alignas(64) uint8_t bytes[HWY_MAX_BYTES];
  for (size_t i = 0; i < HWY_MAX_BYTES; ++i) bytes[i] = ones[i];
  const Uint8Vector w = hn::Load(d8, bytes);
  const Int8Vector a = hn::BitCast(Int8Tag(), w);
  using Sum = std::conditional_t<Way::Nibbles::kSumsPairs, Int16Vector, Int32Vector>;
  Sum sums[kSums];
  UFFIZI_UNROLL for (size_t i = 0; i < kSums; ++i) { sums[i] = hn::Zero(hn::DFromV<Sum>()); }
  for (size_t n = 0; n < iterations; ++n) {
    UFFIZI_UNROLL for (size_t i = 0; i < kSums; ++i) {
      if constexpr (Way::kSignedWeights) {
        Way::AddSigned(sums[i], a, hn::BitCast(Int8Tag(), w));
      } else {
        Way::UnpackedNibbles::Add(sums[i], w, a);
      }
    }
  }
  Sum all = sums[0];
  UFFIZI_UNROLL for (size_t i = 1; i < kSums; ++i) all = hn::Add(all, sums[i]);
  hn::Store(hn::BitCast(d8, all), d8, bytes);
  ones[0] = bytes[0];  // the sums are wanted
  return 2.0 * HWY_MAX_BYTES * kSums * static_cast<double>(iterations);
}
#endif

#if UFFIZI_TILES
double MultiplyTiles(size_t iterations) {
  TileShapes shapes;
  for (int tile = 0; tile < 8; ++tile) shapes.Set(tile, kTileRows, kTileBytes);
  const TileScope tiles(shapes);
  ZeroTile<0>(), ZeroTile<1>(), ZeroTile<2>(), ZeroTile<3>();
  ZeroTile<4>(), ZeroTile<5>(), ZeroTile<6>(), ZeroTile<7>();
  for (size_t n = 0; n < iterations; ++n) {
    MultiplyBytes<0, 4, 6>();
    MultiplyBytes<1, 4, 7>();
    MultiplyBytes<2, 5, 6>();
    MultiplyBytes<3, 5, 7>();
  }
  return 4.0 * 2 * kTileRows * kTileColumns * kTileBytes * static_cast<double>(iterations);
}
#endif

double Multiply(size_t iterations) {
#if UFFIZI_TILES
  if (UseTiles()) return MultiplyTiles(iterations);
#endif
#if UFFIZI_AVX_VNNI
  if (UseAvxVnni()) return MultiplyVectors<AvxVnni>(iterations);
#endif
#if UFFIZI_NEON
  if (UseI8mm()) return MultiplyVectors<NeonI8mm>(iterations);
  if (UseSdot()) return MultiplyVectors<NeonSdot>(iterations);
#endif
#if UFFIZI_BYTE_VECTORS
  return MultiplyVectors<TargetDot>(iterations);
#else
  return 0.0 * static_cast<double>(iterations);
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uffizi {
namespace {
HWY_EXPORT(Multiply);
}  // namespace

double RunInstructionLimit(size_t iterations) {
  ChooseKernelTarget();
  return HWY_DYNAMIC_DISPATCH(Multiply)(iterations);
}

}  // namespace uffizi
#endif  // HWY_ONCE
