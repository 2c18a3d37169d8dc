// Sums of four products of bytes in each 32-bit lane, as each instruction set does them best.
//
// UFFIZI_QUAD_DOT says that one instruction does it all. Otherwise UFFIZI_PAIR_DOT says that one
// multiplies and adds pairs into 16 bits. Else there is neither, and the kernels are plain code.
//
// Of 64 columns 32 products come into a sum of 16 bits. With 4-bit codes less 8 their sum fits, as
// 32 * 8 * 127 < 2^15; what is summed are the codes themselves, so it starts from -8 times the
// sum of the activations, and wherever it goes on its way, it ends modulo 2^16 at what fits.

#if defined(UFFIZI_KERNELS_QUAD_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_QUAD_DOT_INL_H_
#undef UFFIZI_KERNELS_QUAD_DOT_INL_H_
#else
#define UFFIZI_KERNELS_QUAD_DOT_INL_H_
#endif

#include "hwy/highway.h"
#include "kernels/simd-inl.h"

#undef UFFIZI_QUAD_DOT
#undef UFFIZI_PAIR_DOT
#undef UFFIZI_BYTE_DOT
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
#define UFFIZI_QUAD_DOT 1
#define UFFIZI_PAIR_DOT 0
#elif HWY_ARCH_X86 && HWY_TARGET <= HWY_SSE4
#define UFFIZI_QUAD_DOT 0
#define UFFIZI_PAIR_DOT 1
#elif HWY_ARCH_ARM_A64 && defined(__ARM_FEATURE_DOTPROD)
#define UFFIZI_QUAD_DOT 1
#define UFFIZI_PAIR_DOT 0
#else
#define UFFIZI_QUAD_DOT 0
#define UFFIZI_PAIR_DOT 0
#endif

// Whether, above the target's own instructions, there may be AVX-VNNI: UseByteDot() says so.
#if HWY_ARCH_X86_64 && HWY_TARGET == HWY_AVX2
#define UFFIZI_BYTE_DOT 1
#else
#define UFFIZI_BYTE_DOT 0
#endif

#if UFFIZI_QUAD_DOT || UFFIZI_PAIR_DOT
HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

using Int32Tag = hn::ScalableTag<int32_t>;
using Int16Tag = hn::ScalableTag<int16_t>;
using Int8Tag = hn::ScalableTag<int8_t>;
using Uint16Tag = hn::ScalableTag<uint16_t>;
using Uint8Tag = hn::ScalableTag<uint8_t>;
using Int32Vector = hn::Vec<Int32Tag>;
using Int16Vector = hn::Vec<Int16Tag>;
using Int8Vector = hn::Vec<Int8Tag>;
using Uint8Vector = hn::Vec<Uint8Tag>;

#if UFFIZI_QUAD_DOT

// Where weights of eight bits are unsigned, as they are stored. NEON wants them signed.
constexpr int kByteOffset = HWY_ARCH_X86 ? 0 : 128;

// sum + w . a; w: unsigned bytes, or signed ones below 128
HWY_INLINE Int32Vector QuadDot(Int32Vector sum, Uint8Vector w, Int8Vector a) {
#if HWY_ARCH_X86
  // Not the intrinsic: Highway 1.0.3 has the wrong name of this extension among its target's,
  // though it looks for the right one in the processor.
  asm("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(w.raw), "v"(a.raw));
  return sum;
#else
  return Int32Vector(vdotq_s32(sum.raw, vreinterpretq_s8_u8(w.raw), a.raw));
#endif
}

#else  // UFFIZI_PAIR_DOT

constexpr int kByteOffset = 128;

// Pairs of unsigned and signed products, saturated to 16 bits.
HWY_INLINE Int16Vector PairDot(Uint8Vector w, Int8Vector a) {
#if HWY_MAX_BYTES == 64
  return Int16Vector{_mm512_maddubs_epi16(w.raw, a.raw)};
#elif HWY_MAX_BYTES == 32
  return Int16Vector{_mm256_maddubs_epi16(w.raw, a.raw)};
#else
  return Int16Vector{_mm_maddubs_epi16(w.raw, a.raw)};
#endif
}

// sum + PairDot(w, a). In one piece, because GCC takes more registers for it than there are.
HWY_INLINE Int16Vector AddPairDot(Int16Vector sum, Uint8Vector w, Int8Vector a) {
#if HWY_MAX_BYTES == 32
  __m256i products;
  asm("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0"
      : "+x"(sum.raw), "=&x"(products)
      : "x"(w.raw), "x"(a.raw));
  return sum;
#else
  return hn::Add(sum, PairDot(w, a));
#endif
}

HWY_INLINE Int32Vector SumOfPairs(Int16Vector v) {
#if HWY_MAX_BYTES == 64
  return Int32Vector{_mm512_madd_epi16(v.raw, _mm512_set1_epi16(1))};
#elif HWY_MAX_BYTES == 32
  return Int32Vector{_mm256_madd_epi16(v.raw, _mm256_set1_epi16(1))};
#else
  return Int32Vector{_mm_madd_epi16(v.raw, _mm_set1_epi16(1))};
#endif
}

// sum + w . a for signed w: |w| times a with w's sign. A pair is at most 2 * 128 * 127, which fits.
HWY_INLINE Int32Vector QuadDotSigned(Int32Vector sum, Int8Vector w, Int8Vector a) {
#if HWY_MAX_BYTES == 64
  const Uint8Vector magnitude{_mm512_abs_epi8(w.raw)};
  const Int8Vector turned{
      _mm512_mask_sub_epi8(a.raw, _mm512_movepi8_mask(w.raw), _mm512_setzero_si512(), a.raw)};
#elif HWY_MAX_BYTES == 32
  const Uint8Vector magnitude{_mm256_abs_epi8(w.raw)};
  const Int8Vector turned{_mm256_sign_epi8(a.raw, w.raw)};
#else
  const Uint8Vector magnitude{_mm_abs_epi8(w.raw)};
  const Int8Vector turned{_mm_sign_epi8(a.raw, w.raw)};
#endif
  return hn::Add(sum, SumOfPairs(PairDot(magnitude, turned)));
}

#if UFFIZI_BYTE_DOT
// sum + w . a in one instruction.
HWY_INLINE Int32Vector ByteDot(Int32Vector sum, Uint8Vector w, Int8Vector a) {
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum.raw) : "x"(w.raw), "x"(a.raw));
  return sum;
}
#endif

// Signed weights that many rows share.
#if HWY_MAX_BYTES == 32
class SignedWeights {
 public:
  SignedWeights() = default;
  explicit SignedWeights(const uint8_t* at)
      : w_(reinterpret_cast<const __m256i*>(at)), magnitude_(_mm256_abs_epi8(*w_)) {}

  // QuadDotSigned(). In one piece, with w and the ones in memory, because of registers again.
  HWY_INLINE Int32Vector AddQuadDot(Int32Vector sum, Int8Vector a) const {
    alignas(32) static constexpr int16_t kOnes[16] = {1, 1, 1, 1, 1, 1, 1, 1,
                                                      1, 1, 1, 1, 1, 1, 1, 1};
    __m256i products;
    asm("vpsignb %4, %2, %1\n\tvpmaddubsw %1, %3, %1\n\tvpmaddwd %5, %1, %1\n\tvpaddd %1, %0, %0"
        : "+x"(sum.raw), "=&x"(products)
        : "x"(a.raw), "x"(magnitude_), "m"(*w_), "m"(kOnes));
    return sum;
  }

 private:
  const __m256i* w_;
  __m256i magnitude_;
};
#else
class SignedWeights {
 public:
  SignedWeights() = default;
  explicit SignedWeights(const uint8_t* at)
      : w_(hn::BitCast(Int8Tag(), hn::Load(Uint8Tag(), at))) {}
  HWY_INLINE Int32Vector AddQuadDot(Int32Vector sum, Int8Vector a) const {
    return QuadDotSigned(sum, w_, a);
  }

 private:
  Int8Vector w_;
};
#endif

#endif

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();
#endif  // UFFIZI_QUAD_DOT || UFFIZI_PAIR_DOT

#endif  // UFFIZI_KERNELS_QUAD_DOT_INL_H_
