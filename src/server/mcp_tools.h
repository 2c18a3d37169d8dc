#ifndef UFFIZI_SERVER_MCP_TOOLS_H_
#define UFFIZI_SERVER_MCP_TOOLS_H_

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "server/annotate_request.h"
#include "server/waiting_job.h"

// The tools that Uffizi offers to MCP's clients: each asks one question about one picture.
namespace uffizi::server {

// The list of tools/list: names, descriptions, schemas.
const nlohmann::ordered_json& McpTools();

// What a call asks.
struct McpCall {
  AnnotateRequest annotate;
  bool draw = false;  // a picture of the answer is wanted
};

// Reads the arguments of a tool; nothing if there is no such tool. Throws Problem and Error, whose
// messages name the argument.
std::optional<McpCall> ReadMcpCall(const std::string& tool, const nlohmann::json& arguments,
                                   PictureReader& pictures);

// The result of a call: structured content, the same as text, and the drawn picture.
nlohmann::ordered_json McpResult(const McpCall& call, const std::string& model,
                                 const Answered& answered);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_MCP_TOOLS_H_
