#ifndef UFFIZI_SERVER_OPENAI_H_
#define UFFIZI_SERVER_OPENAI_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/annotate_request.h"
#include "server/answer_form.h"
#include "server/door.h"
#include "server/json_fields.h"
#include "server/waiting_job.h"

// OpenAI's protocols: the last user message is the question, about the last picture of the
// conversation. docs/doors.md describes what is supported; the rest is refused.
namespace uffizi::server {

// A question in either of OpenAI's protocols.
struct OpenAiRequest {
  std::string model;
  std::string prompt;
  std::vector<ImageFile>
      images;  // of the last message with pictures: one, or several with each_picture
  GenerationOptions generation;
  std::optional<int64_t> max_tokens;
  std::optional<AnswerForm> form;  // none: plain text, regions as JSON
  bool stream = false;
  bool include_usage = false;  // at the end of a stream
};

// Reads a body of POST /v1/chat/completions, or of POST /v1/responses. Throws Problem and Error,
// whose messages name the field.
OpenAiRequest ReadChatRequest(HttpRequest& request, const Door& door);
OpenAiRequest ReadResponsesRequest(HttpRequest& request, const Door& door);

// What both protocols have in common.

// Collects the question of a conversation: the latest text and picture.
class Conversation {
 public:
  Conversation(PictureReader& pictures, bool each_picture)
      : pictures_(pictures), each_picture_(each_picture) {}

  // Adds the next user message's content: text, or a list of parts of the types named here.
  struct PartTypes {
    const char* text;
    const char* image;
  };
  void Read(const nlohmann::json& content, const std::string& name, const PartTypes& types);
  // Reads the pictures. Throws Problem if there is no question or no picture.
  void Finish(OpenAiRequest& request);

 private:
  struct Picture {
    std::string_view url;  // within the JSON
    std::string field;
  };

  PictureReader& pictures_;
  const bool each_picture_;
  std::string prompt_;
  std::vector<Picture> images_;
};

// Reads "model", which must exist. Throws Problem.
std::string ReadModel(JsonFields& fields, const Models& models);
// Reads "temperature", "top_p", "seed" and "options"; returns the first of `limit_names` that
// exists.
std::optional<int64_t> ReadSearch(JsonFields& fields,
                                  std::initializer_list<const char*> limit_names,
                                  GenerationOptions& generation);
// {"type": "text"}, {"type": "json_object"} or {"type": "json_schema", ...}, whose schema is in
// `schema_in` of it if that is not empty.
std::optional<AnswerForm> ReadFormat(const nlohmann::json& format, const std::string& field,
                                     const char* schema_in);
// Refuses unsupported fields that would change the answer, unless they have the value that changes
// nothing.
void RefuseUnsupported(JsonFields& fields,
                       const std::vector<std::pair<const char*, nlohmann::json>>& neutral);

// Makes the request about one of its pictures.
AnnotateRequest ToAnnotate(const OpenAiRequest& request, ImageFile image);
// The assistant's message: text, or the regions as JSON, in the requested form.
std::string ContentOf(const OpenAiRequest& request, const Result& result);
// "chatcmpl-..." with random hexadecimal digits.
std::string NewId(const char* prefix);

// Answer requests.
HttpResponse AnswerChat(const Door& door, HttpRequest& http);
HttpResponse AnswerResponses(const Door& door, HttpRequest& http);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_OPENAI_H_
