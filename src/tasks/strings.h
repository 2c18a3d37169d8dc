#ifndef UFFIZI_TASKS_STRINGS_H_
#define UFFIZI_TASKS_STRINGS_H_

#include <string>
#include <string_view>

namespace uffizi {

// Without the white space at its beginning, its end, or both: the same characters as Python's
// str.strip(), which are Unicode's White_Space and the separators U+001C to U+001F. `text` is
// UTF-8; invalid bytes are never white space.
std::string_view StripLeft(std::string_view text);
std::string_view StripRight(std::string_view text);
std::string_view Strip(std::string_view text);

// `text` without any `token`, in one pass: a token that appears because others were removed stays.
std::string Without(std::string_view token, std::string_view text);

}  // namespace uffizi

#endif  // UFFIZI_TASKS_STRINGS_H_
