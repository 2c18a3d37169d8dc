// Byte dot products with AVX-VNNI, which has AVX-512 VNNI's instruction for 256-bit vectors, on
// processors without AVX-512. Highway has no such target: the code is compiled for AVX2, and
// UseAvxVnni() tells whether the processor supports it.

#if defined(UFFIZI_KERNELS_DOT_AVX_VNNI_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_DOT_AVX_VNNI_INL_H_
#undef UFFIZI_KERNELS_DOT_AVX_VNNI_INL_H_
#else
#define UFFIZI_KERNELS_DOT_AVX_VNNI_INL_H_
#endif

#include "kernels/byte_vectors-inl.h"

#undef UFFIZI_AVX_VNNI
#if HWY_ARCH_X86_64 && HWY_TARGET == HWY_AVX2
#define UFFIZI_AVX_VNNI 1
#else
#define UFFIZI_AVX_VNNI 0
#endif

#if UFFIZI_AVX_VNNI
HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

struct AvxVnni {
  static constexpr bool kUnpackPays = false;
  // For matrices with factors: whether many rows use signed weights, the type of activations that
  // these need, and whether the weights are multiplied in pairs of columns.
  static constexpr bool kSignedWeights = true;
  static constexpr bool kBiasedRows = true;
  static constexpr bool kPairs = false;

  struct Nibbles : NibbleBlock {
    static constexpr int kZeroBits = 3;
    static constexpr bool kSumsPairs = false;
    HWY_INLINE static void Add(Int32Vector& sum, Uint8Vector w, Int8Vector a) {
      asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum.raw) : "x"(w.raw), "x"(a.raw));
    }
  };
  struct Bytes : ByteBlock {
    static constexpr int kZeroBits = 7;
    static constexpr bool kSumsPairs = false;
    HWY_INLINE static void Add(Int32Vector& sum, Uint8Vector w, Int8Vector a) {
      Nibbles::Add(sum, w, a);
    }
  };
  // sum + a . w; a: biased
  HWY_INLINE static void AddSigned(Int32Vector& sum, Int8Vector a, Int8Vector w) {
    asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum.raw) : "x"(a.raw), "x"(w.raw));
  }
  using UnpackedNibbles = Bytes;
  using UnpackedBytes = Bytes;
};

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();
#endif  // UFFIZI_AVX_VNNI

#endif  // UFFIZI_KERNELS_DOT_AVX_VNNI_INL_H_
