// Byte dot products with AVX-512 VNNI: vpdpbusd multiplies unsigned by signed bytes and adds four
// neighbouring products to a 32-bit sum.

#if defined(UFFIZI_KERNELS_DOT_VNNI_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_DOT_VNNI_INL_H_
#undef UFFIZI_KERNELS_DOT_VNNI_INL_H_
#else
#define UFFIZI_KERNELS_DOT_VNNI_INL_H_
#endif

#include "kernels/byte_vectors-inl.h"

#undef UFFIZI_VNNI
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
#define UFFIZI_VNNI 1
#else
#define UFFIZI_VNNI 0
#endif

#if UFFIZI_VNNI
HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

struct Vnni {
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
      // Assembly instead of the intrinsic: Highway 1.0.3 compiles this target with a wrong
      // extension name, although it checks the processor for the right one.
      asm("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(w.raw), "v"(a.raw));
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
    asm("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(a.raw), "v"(w.raw));
  }
  using UnpackedNibbles = Bytes;
  using UnpackedBytes = Bytes;
};

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();
#endif  // UFFIZI_VNNI

#endif  // UFFIZI_KERNELS_DOT_VNNI_INL_H_
