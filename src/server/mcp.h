#ifndef UFFIZI_SERVER_MCP_H_
#define UFFIZI_SERVER_MCP_H_

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "server/http.h"
#include "server/models.h"
#include "server/picture_input.h"

// The Model Context Protocol: tools for programs in which language models look at pictures.
// docs/doors.md says what is there.
namespace uffizi::server {

// The answer to one message of a client, as a line of JSON; nothing to a notification. `request`
// counts the memory of its pictures, and knows whether its sender still waits. Throws nothing.
std::optional<std::string> AnswerMcp(Models& models, const PictureAccess& access,
                                     const nlohmann::json& message, HttpRequest& request);

// The answer to a text that is no message.
std::string McpParseError(const std::string& reason);

// Answers a client over standard input and output, a message a line, until the input ends. Calls
// are answered side by side.
void ServeMcp(Models& models, const PictureAccess& access, size_t max_message_bytes);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_MCP_H_
