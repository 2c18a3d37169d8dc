#include "server/mcp.h"

#include <algorithm>
#include <array>

#include "server/door.h"
#include "server/mcp_tools.h"
#include "server/problem.h"
#include "server/waiting_job.h"

namespace uffizi::server {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

// From newest to oldest.
constexpr std::array<std::string_view, 4> kVersions = {"2025-11-25", "2025-06-18", "2025-03-26",
                                                       "2024-11-05"};

// JSON-RPC's.
constexpr int kParseError = -32700, kInvalidRequest = -32600, kMethodNotFound = -32601,
              kInvalidParams = -32602;

std::string Dump(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string ErrorAnswer(const ordered_json& id, int code, const std::string& message) {
  return Dump({{"jsonrpc", "2.0"}, {"id", id}, {"error", {{"code", code}, {"message", message}}}});
}

std::string Answer(const ordered_json& id, const ordered_json& result) {
  return Dump({{"jsonrpc", "2.0"}, {"id", id}, {"result", result}});
}

ordered_json Initialize(const json& params) {
  const std::string wanted = params.is_object() ? params.value("protocolVersion", "") : "";
  const bool known = std::find(kVersions.begin(), kVersions.end(), wanted) != kVersions.end();
  return {{"protocolVersion", known ? wanted : std::string(kVersions.front())},
          {"capabilities", {{"tools", {{"listChanged", false}}}}},
          {"serverInfo", {{"name", "uffizi"}, {"title", "Uffizi"}, {"version", UFFIZI_VERSION}}},
          {"instructions",
           "Looks at pictures with Florence-2: describes them, finds and outlines things, reads "
           "text. Coordinates are pixels of the picture, from its top left corner."}};
}

// What went wrong with a call is its result, which the language model can act upon.
ordered_json Failure(const std::string& message) {
  return {{"content", ordered_json::array({{{"type", "text"}, {"text", message}}})},
          {"isError", true}};
}

std::string CallTool(Models& models, const PictureAccess& access, const ordered_json& id,
                     const json& params, HttpRequest& request) {
  const std::string name = params.is_object() ? params.value("name", "") : "";
  try {
    PictureReader pictures(access, request);
    auto call = ReadMcpCall(name, params.value("arguments", json::object()), pictures);
    if (!call) return ErrorAnswer(id, kInvalidParams, "no tool is called \"" + name + "\"");
    const auto waiting = Submit(models, request, std::move(call->annotate));
    const Answered answered = waiting->WaitForEnd();
    return Answer(id, McpResult(*call, waiting->model().name, answered));
  } catch (const std::exception& error) {
    return Answer(id, Failure(ToProblem(error).what()));
  }
}

}  // namespace

std::string McpParseError(const std::string& reason) {
  return ErrorAnswer(nullptr, kParseError, reason);
}

std::optional<std::string> AnswerMcp(Models& models, const PictureAccess& access,
                                     const json& message, HttpRequest& request) {
  if (!message.is_object()) return ErrorAnswer(nullptr, kInvalidRequest, "no request");
  if (message.contains("result") || message.contains("error")) return std::nullopt;
  const json method = message.value("method", json());
  if (!method.is_string() || message.value("jsonrpc", json()) != "2.0") {
    return ErrorAnswer(nullptr, kInvalidRequest, "no request of JSON-RPC 2.0");
  }
  if (!message.contains("id")) return std::nullopt;
  const ordered_json id = message["id"];
  if (!id.is_string() && !id.is_number()) {
    return ErrorAnswer(nullptr, kInvalidRequest, "an id must be a string or a number");
  }
  const json params = message.value("params", json::object());
  if (method == "initialize") return Answer(id, Initialize(params));
  if (method == "ping") return Answer(id, ordered_json::object());
  if (method == "tools/list") return Answer(id, {{"tools", McpTools()}});
  if (method == "tools/call") return CallTool(models, access, id, params, request);
  return ErrorAnswer(id, kMethodNotFound, "no method is called " + method.dump().substr(0, 80));
}

std::vector<Route> McpRoutes(const Door& door) {
  const auto answer = [&door](HttpRequest& request) -> HttpResponse {
    json message;
    try {
      message = TakeJsonBody(request);
    } catch (const Problem& problem) {
      if (problem.status() != 400) throw;
      return {.status = 400, .body = McpParseError(problem.what())};
    }
    if (!message.is_object()) return {.status = 400, .body = McpParseError("no request")};
    auto said = AnswerMcp(door.models, door.access, message, request);
    if (!said) return {.status = 202, .content_type = "", .body = ""};
    return {.body = *std::move(said)};
  };
  return {{"POST", "/mcp", answer, false}};
}

}  // namespace uffizi::server
