#ifndef UFFIZI_CORE_HALF_H_
#define UFFIZI_CORE_HALF_H_

#include <bit>
#include <cstdint>

namespace uffizi {

// IEEE half precision. Branch-free, so that compilers vectorize loops over it.
inline float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t magnitude = half & 0x7fffu;
  // Shifting exponent and fraction into place leaves the exponent 112 too small; a multiplication
  // corrects that and gives subnormals their right value.
  const auto scaled = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude << 13) * 0x1p112f);
  const uint32_t infinite_or_nan = 0x7f800000u | magnitude << 13;
  return std::bit_cast<float>(sign | (magnitude >= 0x7c00u ? infinite_or_nan : scaled));
}
uint16_t FloatToHalf(float value);  // round to nearest even; too large becomes infinity

// bfloat16, the upper half of a float.
inline float Bfloat16ToFloat(uint16_t value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value) << 16);
}
uint16_t FloatToBfloat16(float value);  // round to nearest even; too large becomes infinity

}  // namespace uffizi

#endif  // UFFIZI_CORE_HALF_H_
