#include "core/utf8.h"

#include <cstdint>

namespace uffizi {

Utf8Char CharAt(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<char32_t>(static_cast<uint8_t>(text[i])); };
  const char32_t lead = byte(at);
  if (lead < 0x80) return {lead, 1};
  const auto tail = [&](size_t i) { return byte(at + i) & 0x3f; };
  if (lead < 0xe0) return {(lead & 0x1f) << 6 | tail(1), 2};
  if (lead < 0xf0) return {(lead & 0xf) << 12 | tail(1) << 6 | tail(2), 3};
  return {(lead & 7) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3), 4};
}

Utf8Char CharBefore(std::string_view text, size_t end) {
  size_t begin = end - 1;
  while ((static_cast<uint8_t>(text[begin]) & 0xc0) == 0x80) --begin;
  return CharAt(text, begin);
}

size_t WellFormedLength(std::string_view text, size_t at, size_t* bad_length) {
  const auto lead = static_cast<uint8_t>(text[at]);
  if (lead < 0x80) return 1;
  *bad_length = 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  // The second byte's range excludes overlong forms, surrogates and codes over U+10FFFF.
  uint8_t low = 0x80, high = 0xbf;
  if (lead == 0xe0) low = 0xa0;
  if (lead == 0xed) high = 0x9f;
  if (lead == 0xf0) low = 0x90;
  if (lead == 0xf4) high = 0x8f;
  for (size_t i = 1; i < length; ++i) {
    *bad_length = i;
    if (at + i >= text.size()) return 0;
    const auto byte = static_cast<uint8_t>(text[at + i]);
    if (byte < low || byte > high) return 0;
    low = 0x80;
    high = 0xbf;
  }
  return length;
}

bool IsUtf8(std::string_view text) {
  size_t bad_length = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t length = WellFormedLength(text, at, &bad_length);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

std::string ReplaceInvalidUtf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  size_t bad_length = 0;
  for (size_t at = 0; at < bytes.size();) {
    const size_t length = WellFormedLength(bytes, at, &bad_length);
    if (length == 0) {
      text += "\xef\xbf\xbd";
      at += bad_length;
    } else {
      text.append(bytes, at, length);
      at += length;
    }
  }
  return text;
}

}  // namespace uffizi
