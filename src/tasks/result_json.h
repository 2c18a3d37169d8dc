#ifndef UFFIZI_TASKS_RESULT_JSON_H_
#define UFFIZI_TASKS_RESULT_JSON_H_

#include <string>
#include <string_view>

#include "uffizi/task.h"
#include "uffizi/types.h"

// The records that the doors write, each one line of JSON without a line break.
namespace uffizi {

// {"image", "width", "height", "task", "prompt", "text", "token_ids", "result", "timings"}, and
// "truncated": true if the answer hit the length limit. `image` is whatever names the picture.
std::string ResultToJson(std::string_view image, const Result& result);

// {"image", "error": {"code", "message"}}; `code` is a name of ErrorCode.
std::string ErrorToJson(std::string_view image, std::string_view code, std::string_view message);

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
