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

// What OpenAI's clients ask: the last user message asks, about the last picture of the
// conversation. docs/doors.md says what is taken of the protocol; the rest is refused.
namespace uffizi::server {

// A question of OpenAI's, whichever way it came.
struct OpenAiRequest {
  std::string model;
  std::string prompt;
  std::vector<ImageFile> images;  // of the last message with any: one, or more where each is asked
  GenerationOptions generation;
  std::optional<int64_t> max_tokens;
  std::optional<AnswerForm> form;  // none: text as it is, regions as JSON
  bool stream = false;
  bool include_usage = false;  // at the end of a stream
};

// Reads a body of POST /v1/chat/completions, or of POST /v1/responses. Throws Problem and Error,
// whose messages name the field.
OpenAiRequest ReadChatRequest(HttpRequest& request, const Door& door);
OpenAiRequest ReadResponsesRequest(HttpRequest& request, const Door& door);

// The parts of both that are alike.

// What a conversation asks: the latest of each.
class Conversation {
 public:
  Conversation(PictureReader& pictures, bool each_picture)
      : pictures_(pictures), each_picture_(each_picture) {}

  // The next user message's content: text, or a list of parts of the types that are named here.
  struct PartTypes {
    const char* text;
    const char* image;
  };
  void Read(const nlohmann::json& content, const std::string& name, const PartTypes& types);
  // Reads the pictures. Throws Problem if there is nothing to ask, or nothing to ask about.
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

// "model", which must be known. Throws Problem.
std::string ReadModel(JsonFields& fields, const Models& models);
// "temperature", "top_p", "seed" and "options"; returns the first of `limit_names` that is there.
std::optional<int64_t> ReadSearch(JsonFields& fields,
                                  std::initializer_list<const char*> limit_names,
                                  GenerationOptions& generation);
// {"type": "text"}, {"type": "json_object"} or {"type": "json_schema", ...}, whose schema is in
// `schema_in` of it if that is not empty.
std::optional<AnswerForm> ReadFormat(const nlohmann::json& format, const std::string& field,
                                     const char* schema_in);
// What would change the answer, and cannot be had here, must have the value that changes nothing.
void RefuseUnsupported(JsonFields& fields,
                       const std::vector<std::pair<const char*, nlohmann::json>>& neutral);

// The one question of a request about one of its pictures.
AnnotateRequest ToAnnotate(const OpenAiRequest& request, ImageFile image);
// What the assistant says: text, or the regions as JSON, in the form that was asked for.
std::string ContentOf(const OpenAiRequest& request, const Result& result);
// "chatcmpl-..." with hexadecimal digits at random.
std::string NewId(const char* prefix);

// The whole answers.
HttpResponse AnswerChat(const Door& door, HttpRequest& http);
HttpResponse AnswerResponses(const Door& door, HttpRequest& http);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_OPENAI_H_
