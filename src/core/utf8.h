#ifndef UFFIZI_CORE_UTF8_H_
#define UFFIZI_CORE_UTF8_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace uffizi {

// The character that begins at text[at], and its length in bytes. `text` must be valid UTF-8.
struct Utf8Char {
  char32_t code;
  size_t length;
};
Utf8Char CharAt(std::string_view text, size_t at);
// The character that ends before text[end]; end > 0.
Utf8Char CharBefore(std::string_view text, size_t end);

// Length in bytes of the well-formed character at text[at] (Unicode 16, table 3-7), or 0 if there
// is none. Then `bad_length` is the length of the longest prefix of a character there, at least 1.
size_t WellFormedLength(std::string_view text, size_t at, size_t* bad_length);

bool IsUtf8(std::string_view text);

// Each maximal part that is not UTF-8 becomes one U+FFFD (Unicode 16, section 3.9, "substitution of
// maximal subparts").
std::string ReplaceInvalidUtf8(std::string_view bytes);

}  // namespace uffizi

#endif  // UFFIZI_CORE_UTF8_H_
