#ifndef UFFIZI_TEXT_BYTE_LEVEL_H_
#define UFFIZI_TEXT_BYTE_LEVEL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace uffizi {

// GPT-2's alphabet: vocabulary files write each byte as one printable character, so that a space is
// "Ġ" and any token is text. Printable Latin-1 represents itself; the other 68 bytes are U+0100 and
// following, in order. (openai/gpt-2, src/encoder.py, bytes_to_unicode)
// Returns that character in UTF-8.
std::string ByteToToken(uint8_t byte);

// Converts a token in that alphabet back to bytes and appends them to `out`. A token with any other
// character is appended unchanged.
void AppendTokenBytes(std::string_view token, std::string& out);

// The end of the word that begins at text[begin], by GPT-2's pattern
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// `text` must be valid UTF-8, begin < text.size().
size_t WordEnd(std::string_view text, size_t begin);

}  // namespace uffizi

#endif  // UFFIZI_TEXT_BYTE_LEVEL_H_
