#ifndef UFFIZI_SERVER_ANNOTATE_REQUEST_H_
#define UFFIZI_SERVER_ANNOTATE_REQUEST_H_

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http.h"
#include "uffizi/engine.h"
#include "uffizi/image.h"
#include "uffizi/task.h"

namespace uffizi::server {

// One question about a picture, as the client asked it.
struct RequestedTask {
  std::optional<Task> task;  // none: `input` is a prompt as the original processor takes it
  std::string input;

  Prompt For(int width, int height) const {
    return task ? MakePrompt(*task, input, width, height) : MakePrompt(input, width, height);
  }
};

// What may be asked of the server; more is refused.
struct RequestLimits {
  size_t max_pixels = 64'000'000;
  size_t max_questions = 16;
  int max_tokens = 1024;  // of an answer
  int max_beams = 16;
};

// A picture and what is asked about it.
struct AnnotateRequest {
  std::string image;       // a picture file's bytes
  std::string image_name;  // in records and messages
  DecodeOptions decode;
  std::vector<RequestedTask> questions;
  GenerationOptions generation;
  bool stream = false;
};

// Reads the body of POST /v1/annotate, JSON or a form; docs/server.md has both. Throws Problem and
// Error, whose messages name the field.
AnnotateRequest ReadAnnotateRequest(const HttpRequest& request, const RequestLimits& limits);

// The bytes of a picture given as base64, alone or in a data URI. URLs are not fetched. Throws
// Problem; `field` names it there.
std::string ReadImageData(std::string_view text, const std::string& field);

// The search options of a request, without the picture's. Throws Problem.
GenerationOptions ReadGenerationOptions(const nlohmann::json& options);

// Sets the limits of a request, and checks that it keeps them. Throws Problem.
void ApplyLimits(const RequestLimits& limits, AnnotateRequest& request);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_ANNOTATE_REQUEST_H_
