#ifndef UFFIZI_SERVER_ACCESS_LOG_H_
#define UFFIZI_SERVER_ACCESS_LOG_H_

#include <optional>
#include <string>

#include "server/http.h"
#include "server/log_lines.h"

namespace uffizi::server {

// The server's log: a JSON line for each request, if a log file is named, and a line on standard
// error with the cause of each error that is not the client's. Thread-safe; nothing here waits or
// fails.
class AccessLog {
 public:
  // `path`: of the file, "-" for standard output, "" for none. Throws Error(kIo).
  explicit AccessLog(const std::string& path);

  void Write(const HttpExchange& exchange) noexcept;
  // Writes a line to standard error.
  void Say(std::string text) noexcept { errors_.Add("uffizi: " + std::move(text)); }
  void Reopen();

 private:
  LogLines errors_;
  std::optional<LogLines> requests_;
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_ACCESS_LOG_H_
