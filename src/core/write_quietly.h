#ifndef UFFIZI_CORE_WRITE_QUIETLY_H_
#define UFFIZI_CORE_WRITE_QUIETLY_H_

#include <string_view>

namespace uffizi {

// Writes all of `text` to a descriptor if it can. What cannot be written, to a full disk or a pipe
// that nobody reads any more, is lost and harms nobody: no exception, no SIGPIPE. Returns whether
// all was written.
bool WriteQuietly(int descriptor, std::string_view text) noexcept;

}  // namespace uffizi

#endif  // UFFIZI_CORE_WRITE_QUIETLY_H_
