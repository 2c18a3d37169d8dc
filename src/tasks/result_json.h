#ifndef UFFIZI_TASKS_RESULT_JSON_H_
#define UFFIZI_TASKS_RESULT_JSON_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "uffizi/task.h"
#include "uffizi/types.h"

// The records that all interfaces write, each one line of JSON without a line break.
namespace uffizi {

// A record's information about its picture.
struct PictureLabel {
  PictureLabel(std::string_view name) : image(name) {}    // NOLINT: a name is all that most have
  PictureLabel(const std::string& name) : image(name) {}  // NOLINT
  PictureLabel(const char* name) : image(name) {}         // NOLINT
  PictureLabel(std::string_view name, size_t of_page, size_t of_pages, std::optional<double> time)
      : image(name), page(of_page), pages(of_pages), seconds(time) {}

  std::string_view image;         // its name
  size_t page = 0;                // its number in a file of several, from 1; 0: none was chosen
  size_t pages = 0;               // in the file; 0: unknown
  std::optional<double> seconds;  // of a frame
};

// {"image", "width", "height", "task", "prompt", "text", "token_ids", "result", "timings"}, and
// "truncated": true if the answer hit the length limit. "image" is followed by "page", "pages" and
// "time" where they apply (only "pages" if the first of several was used by default).
std::string ResultToJson(const PictureLabel& picture, const Result& result);

// {"image", "error": {"code", "message"}}; `code` is a name of ErrorCode.
std::string ErrorToJson(const PictureLabel& picture, std::string_view code,
                        std::string_view message);

struct ParsedLine {
  std::string json;
  bool failed = false;  // json is an error record
};

// One line of `uffizi parse`. In: {"text": the raw answer, "size": [width, height] in pixels, and
// if wanted "task": instead of `task`, "image": any name, "location_logprobs": [for each <loc_N>]};
// other keys are ignored. "size" may be missing where the answer is text. Out: {"image" if given,
// "task", "result"} or {"image" if given, "error": {"code", "message"}}. Throws nothing.
ParsedLine ParseAnswerLine(Task task, std::string_view line);

}  // namespace uffizi

#endif  // UFFIZI_TASKS_RESULT_JSON_H_
