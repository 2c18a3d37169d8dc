#include "text/byte_level.h"

#include <array>
#include <initializer_list>

#include "core/utf8.h"
#include "text/unicode.h"

namespace uffizi {
namespace {

constexpr char32_t kAlphabetEnd = 0x144;  // 256 + the 68 bytes that are not printable Latin-1

struct Alphabet {
  std::array<char32_t, 256> chars;
  std::array<int, kAlphabetEnd> bytes;  // -1: not in the alphabet
};

constexpr Alphabet MakeAlphabet() {
  Alphabet alphabet{};
  alphabet.bytes.fill(-1);
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool printable =
        (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad && byte <= 0xff);
    alphabet.chars[byte] = printable ? byte : next++;
    alphabet.bytes[alphabet.chars[byte]] = static_cast<int>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = MakeAlphabet();

enum class Run { kLetters, kNumbers, kOthers, kSpaces };

Run RunOf(char32_t code) {
  switch (ClassOf(code)) {
    case CharClass::kLetter:
      return Run::kLetters;
    case CharClass::kNumber:
    case CharClass::kWordNumber:
      return Run::kNumbers;
    case CharClass::kSpace:
      return Run::kSpaces;
    case CharClass::kOther:
    case CharClass::kWordMark:
      break;
  }
  return Run::kOthers;
}

}  // namespace

std::string ByteToToken(uint8_t byte) {
  const char32_t code = kAlphabet.chars[byte];
  if (code < 0x80) return {static_cast<char>(code)};
  return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
}

void AppendTokenBytes(std::string_view token, std::string& out) {
  const size_t size_before = out.size();
  for (size_t at = 0; at < token.size();) {
    const Utf8Char c = CharAt(token, at);
    if (c.code >= kAlphabetEnd || kAlphabet.bytes[c.code] < 0) {
      out.resize(size_before);
      out += token;
      return;
    }
    out.push_back(static_cast<char>(kAlphabet.bytes[c.code]));
    at += c.length;
  }
}

size_t WordEnd(std::string_view text, size_t begin) {
  if (text[begin] == '\'') {
    const std::string_view rest = text.substr(begin + 1);
    for (const std::string_view ending : {"s", "t", "re", "ve", "m", "ll", "d"}) {
      if (rest.starts_with(ending)) return begin + 1 + ending.size();
    }
  }
  size_t first = begin;  // of the run, after the one space that may precede it
  if (text[begin] == ' ' && begin + 1 < text.size() &&
      RunOf(CharAt(text, begin + 1).code) != Run::kSpaces) {
    first = begin + 1;
  }
  const Run run = RunOf(CharAt(text, first).code);
  size_t end = first, last = first;  // `last` begins the run's last character
  while (end < text.size()) {
    const Utf8Char c = CharAt(text, end);
    if (RunOf(c.code) != run) break;
    last = end;
    end += c.length;
  }
  // \s+(?!\S): before a word, the last space is excluded; it belongs to the word or stands alone.
  if (run == Run::kSpaces && end < text.size() && last > begin) return last;
  return end;
}

}  // namespace uffizi
