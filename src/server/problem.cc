#include "server/problem.h"

#include <nlohmann/json.hpp>

#include "uffizi/error.h"

namespace uffizi::server {
namespace {

using nlohmann::ordered_json;

int StatusOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kImageTooLarge:
      return 413;
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kInvalidImage:
    case ErrorCode::kInvalidPrompt:
    case ErrorCode::kPromptTooLong:
    case ErrorCode::kUnsupported:
      return 422;
    default:
      return 500;
  }
}

const char* TitleOf(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 505:
      return "HTTP Version Not Supported";
    case 422:
      return "Unprocessable Content";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Internal Server Error";
  }
}

std::string Dump(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace

Problem ShuttingDown() { return Problem(503, "shutting_down", "the server is shutting down"); }

Problem TimedOut() {
  return Problem(504, "timeout", "the answer took longer than the server's limit");
}

Problem ClientGone() { return Problem(499, "cancelled", "the client went away"); }

Problem ToProblem(const std::exception& error) {
  if (const auto* problem = dynamic_cast<const Problem*>(&error)) return *problem;
  if (const auto* ours = dynamic_cast<const Error*>(&error)) {
    return Problem(StatusOf(ours->code()), Name(ours->code()), ours->what());
  }
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    return Problem(503, "overloaded", "the server is out of memory; try again later");
  }
  return Problem(500, Name(ErrorCode::kInternal), error.what());
}

std::string ProblemToJson(const Problem& problem) {
  return Dump({{"type", "about:blank"},
               {"title", TitleOf(problem.status())},
               {"status", problem.status()},
               {"detail", problem.what()},
               {"code", problem.code()}});
}

std::string ProblemToOpenAiJson(const Problem& problem) {
  const char* type = problem.status() == 401   ? "authentication_error"
                     : problem.status() >= 500 ? "server_error"
                                               : "invalid_request_error";
  const ordered_json error = {
      {"message", problem.what()}, {"type", type}, {"param", nullptr}, {"code", problem.code()}};
  return Dump({{"error", error}});
}

HttpResponse ProblemResponse(const Problem& problem, std::string_view path) {
  HttpResponse response;
  response.status = problem.status();
  response.cause = problem.what();
  // Unknown paths may belong to OpenAI's API, so they get its format.
  const bool ours = path == "/v1/annotate" || path == "/v1/limits" || path == "/v1/tasks" ||
                    path == "/v1/thumbnail";
  if (path.starts_with("/api/")) {  // as Ollama has it
    response.body = Dump({{"error", problem.what()}});
  } else if (path.starts_with("/v1/") && !ours) {
    response.body = ProblemToOpenAiJson(problem);
  } else {
    response.content_type = "application/problem+json";
    response.body = ProblemToJson(problem);
  }
  // Long enough for the queue to advance, short enough for a person.
  if (problem.status() == 503 || problem.status() == 429)
    response.headers.emplace_back("Retry-After", "2");
  if (problem.status() == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

}  // namespace uffizi::server
