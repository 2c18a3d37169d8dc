#ifndef UFFIZI_KERNELS_TARGETS_H_
#define UFFIZI_KERNELS_TARGETS_H_

// Which instruction sets the kernels are compiled for. Included before any header of Highway.
// SSSE3 is left out because every relevant machine with it also has SSE4, and SVE because its
// vectors have no compile-time size and cannot be held in arrays.
#if UFFIZI_EMULATE_TILES  // a test's build: tiles alone
#define HWY_DISABLED_TARGETS (~(HWY_AVX3_DL | HWY_EMU128 | HWY_SCALAR))
#else
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#endif
#define HWY_WANT_AVX3_DL

namespace uffizi {

// Applies UFFIZI_TARGET before the first kernel runs. Every dispatching function calls it first.
// Throws Error(kInvalidArgument) if the variable does not name an instruction set that was compiled
// and that this machine supports.
void ChooseKernelTarget();

// Whether kernels for AVX3_DL may use tiles of bytes and bfloat16 (AMX): the processor has them,
// Linux lets this process use them, and UFFIZI_TARGET is not set or "amx".
bool UseTiles();

// Whether kernels for AVX3_DL may use AVX-512's dot product of bfloat16: on AMD's processors that
// have it, where it is twice as fast as f32, if UFFIZI_TARGET is not set or "avx3_zen4". (On the
// one processor of Intel's that was measured, it was slower.)
bool UseBf16Vectors();

// Whether kernels for AVX2 may use AVX-VNNI's dot product of bytes, found on processors without
// AVX-512: the processor has nothing better and UFFIZI_TARGET is not set, or it is set to
// "avx2_vnni".
bool UseAvxVnni();

// Whether kernels for NEON may use the dot product extension, and whether they may also use the one
// for matrices of bytes (i8mm): the processor has it, and UFFIZI_TARGET is not set or names it,
// "neon_sdot" or "neon_i8mm". At most one of the two is true.
bool UseSdot();
bool UseI8mm();

// Whether kernels for matrices with factors multiply unsigned activations by signed weights. Tiles
// and NEON multiply signed bytes.
bool WantsBiasedRows();

}  // namespace uffizi

#endif  // UFFIZI_KERNELS_TARGETS_H_
