// Byte dot products on x86 without VNNI: vpmaddubsw multiplies unsigned by signed bytes and adds
// two neighbouring products with saturation to 16 bits.
//
// Nibbles are summed in 16 bits first, over 64 columns, so each 16-bit sum has 32 products. The sum
// of (code - 8) times activation fits 16 bits, as 32 * 8 * 127 < 2^15. The instruction sums the
// codes themselves, so each sum starts from -8 times the sum of the activations. Additions wrap
// around, so an overflow on the way does no harm: the result is correct modulo 2^16, and it fits.

#if defined(UFFIZI_KERNELS_DOT_MADDUBS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_DOT_MADDUBS_INL_H_
#undef UFFIZI_KERNELS_DOT_MADDUBS_INL_H_
#else
#define UFFIZI_KERNELS_DOT_MADDUBS_INL_H_
#endif

#include "kernels/byte_vectors-inl.h"

#undef UFFIZI_MADDUBS
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_SSE4 && HWY_TARGET > HWY_AVX3_DL
#define UFFIZI_MADDUBS 1
#else
#define UFFIZI_MADDUBS 0
#endif

#if UFFIZI_MADDUBS
HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

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

// sum + PairDot(w, a). Written in assembly because GCC would spill registers.
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

// sum + factor * (the pairs' sums). factor: in both halves of each lane
HWY_INLINE Int32Vector AddScaledPairs(Int32Vector sum, Int16Vector pairs, Int32Vector factor) {
#if HWY_MAX_BYTES == 64
  return hn::Add(sum, Int32Vector{_mm512_madd_epi16(pairs.raw, factor.raw)});
#elif HWY_MAX_BYTES == 32
  return hn::Add(sum, Int32Vector{_mm256_madd_epi16(pairs.raw, factor.raw)});
#else
  return hn::Add(sum, Int32Vector{_mm_madd_epi16(pairs.raw, factor.raw)});
#endif
}

// sum + w . a for signed w: |w| times a with w's sign. A pair is at most 2 * 128 * 127, which fits.
HWY_INLINE Int32Vector QuadDotSigned(Int32Vector sum, Int8Vector w, Int8Vector a) {
#if HWY_MAX_BYTES == 64
  const Uint8Vector magnitude{_mm512_abs_epi8(w.raw)};
  const Int8Vector signed_a{
      _mm512_mask_sub_epi8(a.raw, _mm512_movepi8_mask(w.raw), _mm512_setzero_si512(), a.raw)};
#elif HWY_MAX_BYTES == 32
  const Uint8Vector magnitude{_mm256_abs_epi8(w.raw)};
  const Int8Vector signed_a{_mm256_sign_epi8(a.raw, w.raw)};
#else
  const Uint8Vector magnitude{_mm_abs_epi8(w.raw)};
  const Int8Vector signed_a{_mm_sign_epi8(a.raw, w.raw)};
#endif
  return hn::Add(sum, SumOfPairs(PairDot(magnitude, signed_a)));
}

// Signed weights that many rows share.
#if HWY_MAX_BYTES == 32
class SignedWeights {
 public:
  SignedWeights() = default;
  explicit SignedWeights(const uint8_t* at)
      : w_(reinterpret_cast<const __m256i*>(at)), magnitude_(_mm256_abs_epi8(*w_)) {}

  // QuadDotSigned() in assembly, with w and the ones in memory: GCC would spill registers.
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

struct Maddubs {
  // The kernel is bound by instruction throughput, and an unpacked panel needs fewer instructions.
  static constexpr bool kUnpackPays = true;
  // A pair of products with signed weights does not fit 16 bits. So nibbles stay unsigned, and a
  // factor is applied where pairs become 32-bit sums.
  static constexpr bool kSignedWeights = false;
  static constexpr bool kBiasedRows = false;

  struct UnpackedNibbles : ByteBlock {
    static constexpr int kZeroBits = 3;
    static constexpr bool kSumsPairs = true;
    HWY_INLINE static void Add(Int16Vector& sum, Uint8Vector w, Int8Vector a) {
      sum = AddPairDot(sum, w, a);
    }
  };
  struct Nibbles : NibbleBlock {
    static constexpr int kZeroBits = 3;
    static constexpr bool kSumsPairs = true;
    HWY_INLINE static void Add(Int16Vector& sum, Uint8Vector w, Int8Vector a) {
      sum = AddPairDot(sum, w, a);
    }
  };
  struct Bytes : SignedByteBlock {
    static constexpr int kZeroBits = 0;
    static constexpr bool kSumsPairs = false;
    HWY_INLINE static void Add(Int32Vector& sum, Uint8Vector w, Int8Vector a) {
      sum = QuadDotSigned(sum, hn::BitCast(Int8Tag(), w), a);
    }
  };
  struct UnpackedBytes : SignedByteBlock {
    static constexpr int kZeroBits = 0;
    static constexpr bool kSumsPairs = false;
    template <size_t kQuad>
    HWY_INLINE static SignedWeights Load(const uint8_t* at) {
      return SignedWeights(at);
    }
    HWY_INLINE static void Add(Int32Vector& sum, const SignedWeights& w, Int8Vector a) {
      sum = w.AddQuadDot(sum, a);
    }
  };
};

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();
#endif  // UFFIZI_MADDUBS

#endif  // UFFIZI_KERNELS_DOT_MADDUBS_INL_H_
