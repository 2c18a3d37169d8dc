#ifndef UFFIZI_CORE_WRITE_QUIETLY_H_
#define UFFIZI_CORE_WRITE_QUIETLY_H_

#include <string_view>

namespace uffizi {

// Writes `text` to a descriptor. If that fails, because of a full disk or a pipe that nobody reads
// any more, the rest is dropped without an exception or SIGPIPE. Returns whether everything was
// written.
bool WriteQuietly(int descriptor, std::string_view text) noexcept;

}  // namespace uffizi

#endif  // UFFIZI_CORE_WRITE_QUIETLY_H_
