#ifndef UFFIZI_IMAGE_BYTE_ORDER_H_
#define UFFIZI_IMAGE_BYTE_ORDER_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace uffizi {

// Reads numbers from a file's bytes. The caller must make sure that the bytes exist.
inline uint16_t LittleEndian16(std::span<const uint8_t> bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] | bytes[at + 1] << 8);
}
inline uint32_t LittleEndian32(std::span<const uint8_t> bytes, size_t at) {
  return static_cast<uint32_t>(bytes[at]) | static_cast<uint32_t>(bytes[at + 1]) << 8 |
         static_cast<uint32_t>(bytes[at + 2]) << 16 | static_cast<uint32_t>(bytes[at + 3]) << 24;
}
inline uint16_t BigEndian16(std::span<const uint8_t> bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}
inline uint32_t BigEndian32(std::span<const uint8_t> bytes, size_t at) {
  return static_cast<uint32_t>(bytes[at]) << 24 | static_cast<uint32_t>(bytes[at + 1]) << 16 |
         static_cast<uint32_t>(bytes[at + 2]) << 8 | static_cast<uint32_t>(bytes[at + 3]);
}

}  // namespace uffizi

#endif  // UFFIZI_IMAGE_BYTE_ORDER_H_
