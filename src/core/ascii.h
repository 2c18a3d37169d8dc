#ifndef UFFIZI_CORE_ASCII_H_
#define UFFIZI_CORE_ASCII_H_

#include <string>
#include <string_view>

namespace uffizi {

// `text` with its ASCII letters in lower case; all other bytes stay.
std::string ToLower(std::string_view text);

// `text` without the characters of `blanks` at either end.
std::string_view Trim(std::string_view text, std::string_view blanks = " \t");

}  // namespace uffizi

#endif  // UFFIZI_CORE_ASCII_H_
