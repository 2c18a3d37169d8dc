#ifndef UFFIZI_APPS_SAY_H_
#define UFFIZI_APPS_SAY_H_

#include <fmt/format.h>
#include <unistd.h>

#include <exception>
#include <string>

#include "core/write_quietly.h"

namespace uffizi::cli {

// fmt::print to standard error, but what cannot be written there is no error: a job goes on, and
// ends with its own exit code, whatever has become of who watched it.
template <typename... Args>
void Say(fmt::format_string<Args...> format, Args&&... args) noexcept {
  try {
    WriteQuietly(STDERR_FILENO, fmt::format(format, std::forward<Args>(args)...));
  } catch (const std::exception&) {  // out of memory
  }
}

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_SAY_H_
