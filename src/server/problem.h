#ifndef UFFIZI_SERVER_PROBLEM_H_
#define UFFIZI_SERVER_PROBLEM_H_

#include <stdexcept>
#include <string>
#include <string_view>

#include "server/http.h"

namespace uffizi::server {

// A request that is answered with an error. `code` is one of ErrorCode's names or one of the
// server's own; docs/server.md lists them.
class Problem : public std::runtime_error {
 public:
  Problem(int status, std::string code, const std::string& detail)
      : std::runtime_error(detail), status_(status), code_(std::move(code)) {}
  int status() const { return status_; }
  const std::string& code() const { return code_; }

 private:
  int status_;
  std::string code_;
};

// The server is shutting down; the request timed out; the client disconnected.
Problem ShuttingDown();
Problem TimedOut();
Problem ClientGone();

// Converts an exception for a client: a Problem stays as it is, an Error is mapped by its code,
// anything else becomes a 500.
Problem ToProblem(const std::exception& error);

// {"type", "title", "status", "detail", "code"} of RFC 9457.
std::string ProblemToJson(const Problem& problem);

// {"error": {"message", "type", "param", "code"}}, the format of OpenAI's clients.
std::string ProblemToOpenAiJson(const Problem& problem);

// The error response for `path`, in the format of its clients.
HttpResponse ProblemResponse(const Problem& problem, std::string_view path);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_PROBLEM_H_
