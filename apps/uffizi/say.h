#ifndef UFFIZI_APPS_SAY_H_
#define UFFIZI_APPS_SAY_H_

#include <fmt/format.h>
#include <unistd.h>

#include <exception>
#include <string>

#include "core/write_quietly.h"

namespace uffizi::cli {

// Like fmt::print to standard error, but failures are ignored: a job continues and ends with its
// own exit code, even if nobody reads its messages any more.
template <typename... Args>
void Say(fmt::format_string<Args...> format, Args&&... args) noexcept {
  try {
    WriteQuietly(STDERR_FILENO, fmt::format(format, std::forward<Args>(args)...));
  } catch (const std::exception&) {  // out of memory
  }
}

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_SAY_H_
