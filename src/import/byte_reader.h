#ifndef UFFIZI_IMPORT_BYTE_READER_H_
#define UFFIZI_IMPORT_BYTE_READER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "uffizi/error.h"

namespace uffizi {

// Reads big-endian numbers one after another, never past the end.
class ByteReader {
 public:
  ByteReader(std::string name, std::span<const uint8_t> bytes)
      : name_(std::move(name)), bytes_(bytes) {}

  [[noreturn]] void Fail(const std::string& reason) const {
    throw Error(ErrorCode::kInvalidModel,
                name_ + ": " + reason + " at byte " + std::to_string(at_));
  }
  bool AtEnd() const { return at_ == bytes_.size(); }
  size_t left() const { return bytes_.size() - at_; }
  std::span<const uint8_t> Take(size_t count) {
    if (count > left()) Fail("is cut off");
    at_ += count;
    return bytes_.subspan(at_ - count, count);
  }
  uint64_t Unsigned(size_t size) {
    uint64_t value = 0;
    for (const uint8_t byte : Take(size)) value = value << 8 | byte;
    return value;
  }
  uint8_t Byte() { return static_cast<uint8_t>(Unsigned(1)); }
  int32_t Int() { return static_cast<int32_t>(Unsigned(4)); }

 private:
  std::string name_;
  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
};

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_BYTE_READER_H_
