#ifndef UFFIZI_SERVER_ANNOTATE_REQUEST_H_
#define UFFIZI_SERVER_ANNOTATE_REQUEST_H_

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/questions.h"
#include "server/http.h"
#include "server/json_fields.h"
#include "uffizi/engine.h"
#include "uffizi/image.h"
#include "uffizi/task.h"

namespace uffizi::server {

// What may be asked of the server; more is refused.
struct RequestLimits {
  size_t max_body = 32u << 20;  // bytes, which HttpOptions holds it to
  size_t max_pixels = 64'000'000;
  size_t max_questions = 16;
  int max_tokens = 1024;  // of an answer
  int max_beams = 16;
  size_t max_cost = 65'536;    // tokens times beams, of all questions together
  size_t max_tiles = 64;       // of a picture
  size_t max_name = 255;       // bytes
  size_t max_prompt = 32'768;  // bytes of a question's text
  // Of the model, where a request says nothing.
  int usual_beams = 1, usual_tokens = 1;
};

// A picture file's bytes, where they came: in a form's body or decoded from base64.
struct ImageFile {
  std::shared_ptr<const std::string> holder;
  std::string_view bytes;  // within the holder
  ByteLease lease;         // of what they take

  void Release() { *this = {}; }
};

// A picture and what is asked about it.
struct AnnotateRequest {
  ImageFile image;
  std::string image_name;  // in records and messages
  DecodeOptions decode;
  TileOptions tiles;
  std::vector<Question> questions;
  GenerationOptions generation;
  std::function<void(const Image&, const std::function<bool()>&)> look;  // see Ask
  bool stream = false;
};

// Reads the body of POST /v1/annotate, JSON or a form, and takes it out of `request`;
// docs/server.md has both. Throws Problem and Error, whose messages name the field.
AnnotateRequest ReadAnnotateRequest(HttpRequest& request, const RequestLimits& limits);

// Parses a JSON body and lets go of its text, whose memory is wanted for what it holds.
nlohmann::json TakeJsonBody(HttpRequest& request);

// The bytes of a picture given as base64, alone or in a data URI. URLs are not fetched. Throws
// Problem; `field` names it there.
std::string ReadImageData(std::string_view text, const std::string& field);

// The search options of a request, without the picture's. Throws Problem.
GenerationOptions ReadGenerationOptions(const nlohmann::json& options);

// The options of how a picture is read: drop_alpha, no_exif, page, truncated. Throws Problem.
DecodeOptions ReadDecodeOptions(JsonFields& fields);

// Holds decoded bytes under what is left of the body's lease.
ImageFile HoldImage(std::string bytes, HttpRequest& request);

// Throws Problem if a picture is called too long a name.
void CheckImageName(const RequestLimits& limits, const std::string& name);

// Sets the limits of a request, and checks that it keeps them. Throws Problem.
void ApplyLimits(const RequestLimits& limits, AnnotateRequest& request);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_ANNOTATE_REQUEST_H_
