#ifndef UFFIZI_SERVER_PROBLEM_H_
#define UFFIZI_SERVER_PROBLEM_H_

#include <stdexcept>
#include <string>
#include <string_view>

#include "server/http.h"

namespace uffizi::server {

// A request that gets an error for its answer. `code` is one of ErrorCode's names, or a word of the
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

// The server is about to end; the request took too long; whoever sent it is gone.
Problem ShuttingDown();
Problem TimedOut();
Problem ClientGone();

// What `error` is for a client: a Problem as it is, an Error by its code, anything else a 500.
Problem ToProblem(const std::exception& error);

// {"type", "title", "status", "detail", "code"} of RFC 9457.
std::string ProblemToJson(const Problem& problem);

// {"error": {"message", "type", "param", "code"}}, as OpenAI's clients read it.
std::string ProblemToOpenAiJson(const Problem& problem);

// The answer to a request of `path`, in the shape that its clients know.
HttpResponse ProblemResponse(const Problem& problem, std::string_view path);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_PROBLEM_H_
