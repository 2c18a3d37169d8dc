#ifndef UFFIZI_SERVER_ACCESS_LOG_H_
#define UFFIZI_SERVER_ACCESS_LOG_H_

#include <optional>
#include <string>

#include "server/http.h"
#include "server/log_lines.h"

namespace uffizi::server {

// What the server tells of its requests: a JSON line for each, if a file for them is named, and on
// standard error a line with the cause of each answer that was no client's fault. Any thread may
// use it; nothing here waits or fails.
class AccessLog {
 public:
  // `path`: of the file, "-" for standard output, "" for none. Throws Error(kIo).
  explicit AccessLog(const std::string& path);

  void Write(const HttpExchange& exchange) noexcept;
  // A line on standard error.
  void Say(std::string text) noexcept { errors_.Add("uffizi: " + std::move(text)); }
  void Reopen();

 private:
  LogLines errors_;
  std::optional<LogLines> requests_;
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_ACCESS_LOG_H_
