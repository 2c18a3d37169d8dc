#ifndef UFFIZI_SERVER_ANNOTATE_REQUEST_H_
#define UFFIZI_SERVER_ANNOTATE_REQUEST_H_

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/questions.h"
#include "server/http.h"
#include "server/json_fields.h"
#include "server/picture_input.h"
#include "uffizi/engine.h"
#include "uffizi/image.h"
#include "uffizi/task.h"

namespace uffizi::server {

// Limits of a request; anything beyond is refused.
struct RequestLimits {
  size_t max_body = 32u << 20;  // bytes, enforced by HttpOptions
  size_t max_pixels = 64'000'000;
  size_t max_questions = 16;
  int max_tokens = 1024;  // of an answer
  int max_beams = 16;
  size_t max_cost = 65'536;    // tokens times beams, of all questions together
  size_t max_tiles = 64;       // of a picture
  size_t max_name = 255;       // bytes
  size_t max_prompt = 32'768;  // bytes of a question's text
  // The model's defaults, if a request does not give them.
  int usual_beams = 1, usual_tokens = 1;
  int model_tokens = 1024;  // of an answer, at most
};

// A picture and questions about it.
struct AnnotateRequest {
  std::string model = {};  // by its name; "": the first
  ImageFile image;
  std::string image_name;  // in records and messages
  DecodeOptions decode;
  TileOptions tiles;
  std::vector<Question> questions;
  GenerationOptions generation;
  std::optional<int64_t> max_tokens = {};  // capped at the limits, unlike generation.max_length
  RegionFilter filter = {};
  std::function<void(const Image&, const std::function<bool()>&)> look = {};  // see Ask
  bool stream = false;
  bool keep_pixels = false;  // the answer is drawn
  // Start of the request's time limit, which includes fetching its pictures.
  std::chrono::steady_clock::time_point arrived = std::chrono::steady_clock::now();
};

// Reads the body of POST /v1/annotate, JSON or a form (docs/server.md), and moves it out of
// `request`. Throws Problem and Error, whose messages name the field.
AnnotateRequest ReadAnnotateRequest(HttpRequest& request, const RequestLimits& limits,
                                    PictureReader& pictures);

// The form, as multipart/form-data.
AnnotateRequest ReadAnnotateForm(HttpRequest& request, const RequestLimits& limits,
                                 PictureReader& pictures);

// Parses a JSON body and frees its text, to save memory. Throws Problem(415) for another media
// type.
nlohmann::json TakeJsonBody(HttpRequest& request);

// A region as a list of four numbers, or as text. Throws Problem(400); `field` names it there.
std::string ReadRegionField(const nlohmann::json& value, const std::string& field);

// The task of this name. Throws Problem(400).
Task TaskNamed(const std::string& name);

// Reads the search options of a request, without those for the picture. Throws Problem.
GenerationOptions ReadGenerationOptions(const nlohmann::json& options);

// Reads "options": for the search, the picture and the regions. Throws Problem.
void ReadOptions(const nlohmann::json& object, AnnotateRequest& request);

// Reads the options for decoding a picture: drop_alpha, no_exif, page, truncated. Throws Problem.
DecodeOptions ReadDecodeOptions(JsonFields& fields);

// Throws Problem if a picture's name is too long.
void CheckImageName(const RequestLimits& limits, const std::string& name);

// The message of a 400 for too many questions.
std::string TooManyQuestions(const RequestLimits& limits, size_t count);

// Applies the limits to a request, which is one of `pictures` asked together, and checks it against
// them. Throws Problem.
void ApplyLimits(const RequestLimits& limits, AnnotateRequest& request, size_t pictures = 1);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_ANNOTATE_REQUEST_H_
