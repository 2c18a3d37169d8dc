// Byte dot products of 64-bit ARM, which multiply signed by signed bytes:
//   NeonMultiply  NEON alone, which every processor has
//   NeonSdot      the dot product extension
//   NeonI8mm      the extension for matrices of bytes, whose smmla multiplies two rows by two
//   columns
// Highway has no targets for the extensions: the code is compiled for NEON, and UseSdot() and
// UseI8mm() tell whether the processor supports it.

#if defined(UFFIZI_KERNELS_DOT_NEON_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_DOT_NEON_INL_H_
#undef UFFIZI_KERNELS_DOT_NEON_INL_H_
#else
#define UFFIZI_KERNELS_DOT_NEON_INL_H_
#endif

#include "kernels/byte_vectors-inl.h"

#if UFFIZI_NEON
// An instruction of three vectors, by its number: assemblers accept the extensions' names only in
// files that are compiled for a processor that has them all. The symbols are the numbers of
// registers.
#undef UFFIZI_NEON_INSTRUCTION
#define UFFIZI_NEON_INSTRUCTION(number)                                                            \
  ".ifndef .Luffizi_v0\n\t.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, "  \
  "18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n\t.set .Luffizi_v\\n, \\n\n\t.endr\n\t" \
  ".endif\n\t.inst " number " | .Luffizi_%2 << 16 | .Luffizi_%1 << 5 | .Luffizi_%0"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

// A byte dot product whose Add() adds the products of signed bytes to the sums of their lanes.
template <class Instructions>
struct SignedDot {
  static constexpr bool kUnpackPays = false;
  // For matrices with factors: whether many rows use signed weights, the type of activations that
  // these need, and whether the weights are multiplied in pairs of columns.
  static constexpr bool kSignedWeights = true;
  static constexpr bool kBiasedRows = false;
  static constexpr bool kPairs = false;

  struct Nibbles : NibbleBlock {
    static constexpr int kZeroBits = 3;
    static constexpr bool kSumsPairs = false;
    HWY_INLINE static void Add(Int32Vector& sum, Uint8Vector w, Int8Vector a) {
      Instructions::Add(sum, a, hn::BitCast(Int8Tag(), w));
    }
  };
  struct Bytes : SignedByteBlock {
    static constexpr int kZeroBits = 0;
    static constexpr bool kSumsPairs = false;
    HWY_INLINE static void Add(Int32Vector& sum, Uint8Vector w, Int8Vector a) {
      Instructions::Add(sum, a, hn::BitCast(Int8Tag(), w));
    }
  };
  // sum + a . w
  HWY_INLINE static void AddSigned(Int32Vector& sum, Int8Vector a, Int8Vector w) {
    Instructions::Add(sum, a, w);
  }
  using UnpackedNibbles = Bytes;
  using UnpackedBytes = Bytes;
};

struct MultiplyInstructions {
  // The sum of two products fits 16 bits, since activations are at least -127.
  HWY_INLINE static void Add(Int32Vector& sum, Int8Vector a, Int8Vector w) {
    const int16x8_t lower = vmull_s8(vget_low_s8(a.raw), vget_low_s8(w.raw));
    const int16x8_t upper = vmull_high_s8(a.raw, w.raw);
    sum = Int32Vector(vpadalq_s16(sum.raw, vpaddq_s16(lower, upper)));
  }
};
struct SdotInstructions {
  HWY_INLINE static void Add(Int32Vector& sum, Int8Vector a, Int8Vector w) {
    asm(UFFIZI_NEON_INSTRUCTION("0x4e809400") : "+w"(sum.raw) : "w"(a.raw), "w"(w.raw));  // sdot
  }
};

using NeonMultiply = SignedDot<MultiplyInstructions>;
using NeonSdot = SignedDot<SdotInstructions>;

struct NeonI8mm : NeonSdot {
  static constexpr bool kPairs = true;

  // Eight columns of two rows.
  HWY_INLINE static Int8Vector LoadPair(const int8_t* first, const int8_t* second) {
    return Int8Vector(vcombine_s8(vld1_s8(first), vld1_s8(second)));
  }
  // Adds the four products of two rows, eight columns of each, and two rows of weights.
  HWY_INLINE static void AddPairs(Int32Vector& sum, Int8Vector rows, Int8Vector weights) {
    asm(UFFIZI_NEON_INSTRUCTION("0x4e80a400")  // smmla
        : "+w"(sum.raw)
        : "w"(rows.raw), "w"(weights.raw));
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();
#endif  // UFFIZI_NEON

#endif  // UFFIZI_KERNELS_DOT_NEON_INL_H_
