#ifndef UFFIZI_SERVER_OLLAMA_H_
#define UFFIZI_SERVER_OLLAMA_H_

#include <string>
#include <string_view>

#include "engine/questions.h"
#include "server/door.h"

// What Ollama's clients ask: a prompt about a picture. docs/doors.md says what is taken of the
// protocol.
namespace uffizi::server {

// What a person's sentence asks the model. Florence-2 knows its tasks and no prose: a sentence that
// speaks of describing, reading or finding goes to the task that does that, by the table in
// docs/doors.md. `prose` says so; every other text is a prompt as it is.
struct ProseQuestion {
  Question question;
  bool prose = false;
};
ProseQuestion QuestionOfProse(std::string_view text);

// GET /api/tags, /api/ps, /api/version and POST /api/show.
std::vector<Route> OllamaModelRoutes(const Door& door);

// A model's name without the ":latest" that Ollama's clients add.
std::string_view WithoutTag(std::string_view name);
// "2026-01-02T03:04:05.678901Z"
std::string Timestamp(int64_t microseconds_since_1970);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_OLLAMA_H_
