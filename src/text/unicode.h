#ifndef UFFIZI_TEXT_UNICODE_H_
#define UFFIZI_TEXT_UNICODE_H_

#include <cstdint>

namespace uffizi {

// The properties of a character that matter to byte-level BPE. The values are those of
// unicode_table.inc.
enum class CharClass : uint8_t {
  kOther,       // punctuation, symbols, controls, unassigned
  kWordMark,    // no letter or number, but \w: combining marks, connector punctuation
  kLetter,      // \p{L}
  kNumber,      // \p{N} that is not \w: fractions, superscripts, enclosed numbers
  kWordNumber,  // \p{N} that is \w: decimal digits, letter numbers
  kSpace,       // \s: White_Space
};

// Of Unicode 16, as the `tokenizers` library has it.
CharClass ClassOf(char32_t code);

inline bool IsWord(CharClass kind) {
  return kind == CharClass::kWordMark || kind == CharClass::kLetter ||
         kind == CharClass::kWordNumber;
}

}  // namespace uffizi

#endif  // UFFIZI_TEXT_UNICODE_H_
