#ifndef UFFIZI_KERNELS_TARGETS_H_
#define UFFIZI_KERNELS_TARGETS_H_

// Which instruction sets the kernels are compiled for. Included before any header of Highway.
// SSSE3 is left out because every machine with it that matters has SSE4; SVE because its vectors
// have no size, so that they cannot be held in arrays.
#if UFFIZI_EMULATE_TILES  // a test's build: tiles alone
#define HWY_DISABLED_TARGETS (~(HWY_AVX3_DL | HWY_EMU128 | HWY_SCALAR))
#else
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#endif
#define HWY_WANT_AVX3_DL

namespace uffizi {

// Applies UFFIZI_TARGET before the first kernel runs. Every dispatching function calls it first.
// Throws Error(kInvalidArgument) if the variable names no instruction set that was compiled and
// that this machine has.
void ChooseKernelTarget();

// Whether kernels for AVX3_DL may use tiles of bytes and bfloat16 (AMX): the processor has them,
// Linux lets this process use them, and UFFIZI_TARGET is not set or "amx".
bool UseTiles();

// Whether kernels for AVX2 may use AVX-VNNI's dot product of bytes, which processors without
// AVX-512 have: nothing better is there, and UFFIZI_TARGET is not set, or it is set to "avx2_vnni".
bool UseAvxVnni();

// Whether kernels for matrices with factors multiply unsigned activations with signed weights.
// Tiles and NEON multiply signed bytes.
bool WantsBiasedRows();

}  // namespace uffizi

#endif  // UFFIZI_KERNELS_TARGETS_H_
