// Vectors of bytes, and the weights of a packed panel as the kernels load them. The arithmetic is
// in the byte dot products (dot_*-inl.h).

#if defined(UFFIZI_KERNELS_BYTE_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_BYTE_VECTORS_INL_H_
#undef UFFIZI_KERNELS_BYTE_VECTORS_INL_H_
#else
#define UFFIZI_KERNELS_BYTE_VECTORS_INL_H_
#endif

#include "kernels/simd-inl.h"

// Whether this target has vectors with four bytes per 32-bit lane.
#undef UFFIZI_BYTE_VECTORS
#undef UFFIZI_NEON
#if HWY_ARCH_ARM_A64 && HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SCALAR
#define UFFIZI_NEON 1
#else
#define UFFIZI_NEON 0
#endif
#if UFFIZI_NEON || (HWY_ARCH_X86 && HWY_TARGET <= HWY_SSE4)
#define UFFIZI_BYTE_VECTORS 1
#else
#define UFFIZI_BYTE_VECTORS 0
#endif

#if UFFIZI_BYTE_VECTORS
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

// Broadcasts four activations to every lane.
HWY_INLINE Int8Vector BroadcastQuad(const int8_t* a) {
  int32_t quad;
  __builtin_memcpy(&quad, a, 4);
  return hn::BitCast(Int8Tag(), hn::Set(Int32Tag(), quad));
}

// Weights of a block of a panel. kColumns: columns of a block. Load<kQuad>() gives the unsigned
// codes of the block's quad kQuad of columns.
struct NibbleBlock {
  static constexpr size_t kColumns = 8;
  template <size_t kQuad>
  HWY_INLINE static Uint8Vector Load(const uint8_t* at) {
    const Uint8Tag d8;
    const Uint16Tag d16;
    Uint8Vector loaded = hn::Load(d8, at);
    if constexpr (kQuad == 1) {
      loaded = hn::BitCast(d8, hn::ShiftRight<4>(hn::BitCast(d16, loaded)));
    }
    return hn::And(loaded, hn::Set(d8, 15));
  }
};
struct ByteBlock {
  static constexpr size_t kColumns = 4;
  template <size_t kQuad>
  HWY_INLINE static Uint8Vector Load(const uint8_t* at) {
    return hn::Load(Uint8Tag(), at);
  }
};
// Bytes as signed values, with the zero point 128 subtracted.
struct SignedByteBlock {
  static constexpr size_t kColumns = 4;
  template <size_t kQuad>
  HWY_INLINE static Uint8Vector Load(const uint8_t* at) {
    const Uint8Tag d8;
    return hn::Xor(hn::Load(d8, at), hn::Set(d8, 128));
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();
#endif  // UFFIZI_BYTE_VECTORS

#endif  // UFFIZI_KERNELS_BYTE_VECTORS_INL_H_
