// Byte dot products with NEON's dot product extension, which multiplies signed by signed bytes.

#if defined(UFFIZI_KERNELS_DOT_NEON_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_DOT_NEON_INL_H_
#undef UFFIZI_KERNELS_DOT_NEON_INL_H_
#else
#define UFFIZI_KERNELS_DOT_NEON_INL_H_
#endif

#include "kernels/byte_vectors-inl.h"

#undef UFFIZI_NEON_DOT
#if HWY_ARCH_ARM_A64 && defined(__ARM_FEATURE_DOTPROD)
#define UFFIZI_NEON_DOT 1
#else
#define UFFIZI_NEON_DOT 0
#endif

#if UFFIZI_NEON_DOT
HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

struct NeonDot {
  static constexpr bool kUnpackPays = false;
  // For matrices with factors: whether many rows use signed weights, and the type of activations
  // that these need.
  static constexpr bool kSignedWeights = true;
  static constexpr bool kBiasedRows = false;

  struct Nibbles : NibbleBlock {
    static constexpr int kZeroBits = 3;
    static constexpr bool kSumsPairs = false;
    HWY_INLINE static void Add(Int32Vector& sum, Uint8Vector w, Int8Vector a) {
      sum = Int32Vector(vdotq_s32(sum.raw, vreinterpretq_s8_u8(w.raw), a.raw));
    }
  };
  struct Bytes : SignedByteBlock {
    static constexpr int kZeroBits = 0;
    static constexpr bool kSumsPairs = false;
    HWY_INLINE static void Add(Int32Vector& sum, Uint8Vector w, Int8Vector a) {
      Nibbles::Add(sum, w, a);
    }
  };
  // sum + a . w
  HWY_INLINE static void AddSigned(Int32Vector& sum, Int8Vector a, Int8Vector w) {
    sum = Int32Vector(vdotq_s32(sum.raw, w.raw, a.raw));
  }
  using UnpackedNibbles = Bytes;
  using UnpackedBytes = Bytes;
};

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();
#endif  // UFFIZI_NEON_DOT

#endif  // UFFIZI_KERNELS_DOT_NEON_INL_H_
