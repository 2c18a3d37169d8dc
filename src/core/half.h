#ifndef UFFIZI_CORE_HALF_H_
#define UFFIZI_CORE_HALF_H_

#include <bit>
#include <cstdint>

namespace uffizi {

// IEEE half precision.
float HalfToFloat(uint16_t half);
uint16_t FloatToHalf(float value);  // round to nearest even; too large becomes infinity

// bfloat16, the upper half of a float.
inline float Bfloat16ToFloat(uint16_t value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value) << 16);
}
uint16_t FloatToBfloat16(float value);  // round to nearest even; too large becomes infinity

}  // namespace uffizi

#endif  // UFFIZI_CORE_HALF_H_
