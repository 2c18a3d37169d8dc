// Intel's matrix extension (AMX): eight registers ("tiles") of 16 rows of 64 bytes, and
// instructions that multiply two of them. UFFIZI_TILES says whether the code is compiled;
// UseTiles(), whether the machine has them. With UFFIZI_EMULATE_TILES they are plain code, for
// tests.

#if defined(UFFIZI_KERNELS_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_TILES_INL_H_
#undef UFFIZI_KERNELS_TILES_INL_H_
#else
#define UFFIZI_KERNELS_TILES_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"

#ifndef UFFIZI_EMULATE_TILES
#define UFFIZI_EMULATE_TILES 0
#endif
#undef UFFIZI_TILES
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3_DL
#define UFFIZI_TILES 1
#else
#define UFFIZI_TILES 0
#endif

#if UFFIZI_TILES
HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

constexpr size_t kTileRows = 16;
constexpr size_t kTileColumns = 16;  // 32-bit sums
constexpr size_t kTileBytes = 64;    // of a row

// The shapes of this thread's tiles.
class TileShapes {
 public:
  void Set(int tile, size_t rows, size_t bytes) {
    rows_[tile] = static_cast<uint8_t>(rows);
    bytes_[tile] = static_cast<uint16_t>(bytes);
  }

 private:
  friend class EmulatedTiles;
  alignas(64) uint8_t palette_ = 1;  // the processor defines this layout
  uint8_t start_row_ = 0, reserved_[14] = {};
  uint16_t bytes_[16] = {};
  uint8_t rows_[16] = {};
};

#if UFFIZI_EMULATE_TILES
#include "kernels/emulated_tiles-inl.h"
#else

// Tiles are given by number. The shapes of operands must match the TileScope. Assembly instead of
// intrinsics, which need a target that Highway does not have.
template <int kTile>
HWY_INLINE void LoadTile(const void* from, size_t stride) {
  asm volatile("tileloadd (%1,%2,1), %%tmm%c0" ::"i"(kTile), "r"(from), "r"(stride) : "memory");
}
template <int kTile>
HWY_INLINE void StoreTile(void* to, size_t stride) {
  asm volatile("tilestored %%tmm%c0, (%1,%2,1)" ::"i"(kTile), "r"(to), "r"(stride) : "memory");
}
template <int kTile>
HWY_INLINE void ZeroTile() {
  asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
}
// sums += a * b: i32 += i8 * i8, four columns of a and rows of b at a time
template <int kSums, int kA, int kB>
HWY_INLINE void MultiplyBytes() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSums), "i"(kA), "i"(kB));
}
// f32 += bf16 * bf16, two at a time
template <int kSums, int kA, int kB>
HWY_INLINE void MultiplyBfloat16() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSums), "i"(kA), "i"(kB));
}

// Configures this thread's tiles for the lifetime of the object.
class TileScope {
 public:
  explicit TileScope(const TileShapes& shapes) { asm volatile("ldtilecfg %0" ::"m"(shapes)); }
  ~TileScope() { asm volatile("tilerelease" ::); }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;
};

#endif  // UFFIZI_EMULATE_TILES

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();
#endif  // UFFIZI_TILES

#endif  // UFFIZI_KERNELS_TILES_INL_H_
