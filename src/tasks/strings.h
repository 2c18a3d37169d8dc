#ifndef UFFIZI_TASKS_STRINGS_H_
#define UFFIZI_TASKS_STRINGS_H_

#include <string>
#include <string_view>

namespace uffizi {

// Without the white space at its beginning, its end, or both: what Python's str.strip takes away,
// which is Unicode's White_Space and the separators U+001C to U+001F. `text` is UTF-8; bytes that
// are not are never white space.
std::string_view StripLeft(std::string_view text);
std::string_view StripRight(std::string_view text);
std::string_view Strip(std::string_view text);

// `text` without any `token`: one pass, so that a token which taking others away makes stays.
std::string Without(std::string_view token, std::string_view text);

}  // namespace uffizi

#endif  // UFFIZI_TASKS_STRINGS_H_
