#include "tasks/result_json.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "core/json_reader.h"
#include "tasks/json_writer.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

using nlohmann::json;

// Opens `"key": ` in the object that `out` ends with.
void AppendKey(std::string_view key, std::string& out) {
  if (out.back() != '{') out += ", ";
  AppendJsonString(key, out);
  out += ": ";
}

void AppendMember(std::string_view key, std::string_view text, std::string& out) {
  AppendKey(key, out);
  AppendJsonString(text, out);
}

void AppendMember(std::string_view key, int number, std::string& out) {
  AppendKey(key, out);
  AppendJsonNumber(number, out);
}

void AppendTimings(const Timings& timings, std::string& out) {
  const std::pair<const char*, double> stages[] = {
      {"decode", timings.decode},
      {"preprocess", timings.preprocess},
      {"vision_encoder", timings.vision_encoder},
      {"text_encoder", timings.text_encoder},
      {"decoder", timings.decoder},
      {"parse", timings.parse},
      {"total", timings.total},
  };
  out += '{';
  for (const auto& [name, seconds] : stages) {
    AppendKey(name, out);
    AppendJsonSeconds(seconds, out);
  }
  out += '}';
}

std::string ErrorRecord(std::optional<std::string_view> image, std::string_view code,
                        std::string_view message) {
  std::string out = "{";
  if (image) AppendMember("image", *image, out);
  AppendKey("error", out);
  out += '{';
  AppendMember("code", code, out);
  AppendMember("message", message, out);
  return out + "}}";
}

[[noreturn]] void Fail(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument,
              message + R"(; a line is like {"size": [640, 480], "text": "cat<loc_1><loc_2>..."})");
}

// The member as a string; nothing if it is missing.
std::optional<std::string> StringMember(const json& line, const char* key) {
  const auto found = line.find(key);
  if (found == line.end() || found->is_null()) return std::nullopt;
  if (!found->is_string()) Fail(std::string(key) + " must be a string");
  return found->get<std::string>();
}

int Side(const json& value) {
  if (value.is_number_integer()) {
    const double side = value.get<double>();
    if (side >= 1 && side <= std::numeric_limits<int>::max()) return static_cast<int>(side);
  }
  Fail("size must be two whole numbers of pixels above 0");
}

std::vector<float> Logprobs(const json& line) {
  std::vector<float> logprobs;
  const auto found = line.find("location_logprobs");
  if (found == line.end() || found->is_null()) return logprobs;
  if (!found->is_array()) Fail("location_logprobs must be a list of numbers");
  for (const json& value : *found) {
    if (!value.is_number()) Fail("location_logprobs must be a list of numbers");
    logprobs.push_back(value.get<float>());
  }
  return logprobs;
}

Task TaskOf(const json& line, Task otherwise) {
  const std::optional<std::string> name = StringMember(line, "task");
  if (!name) return otherwise;
  const std::optional<Task> task = FindTask(*name);
  if (!task) Fail("no task is called " + *name);
  return *task;
}

// {"task", "result"} without the opening brace.
void AppendAnswer(const json& line, Task otherwise, std::string& out) {
  const TaskInfo& info = GetTaskInfo(TaskOf(line, otherwise));
  const std::optional<std::string> text = StringMember(line, "text");
  if (!text) Fail("text is missing");
  int width = 0, height = 0;
  const auto size = line.find("size");
  if (size != line.end() && !size->is_null()) {
    if (!size->is_array() || size->size() != 2) {
      Fail("size must be two whole numbers of pixels above 0");
    }
    width = Side((*size)[0]);
    height = Side((*size)[1]);
  } else if (info.shape != AnswerShape::kText) {
    Fail("size is missing");
  }
  const Answer answer = ParseAnswer(info.task, *text, width, height, Logprobs(line));
  AppendMember("task", info.token, out);
  AppendKey("result", out);
  out += AnswerToJson(answer);
}

}  // namespace

std::string ResultToJson(std::string_view image, const Result& result) {
  std::string out = "{";
  AppendMember("image", image, out);
  AppendMember("width", result.width, out);
  AppendMember("height", result.height, out);
  AppendMember("task", result.task, out);
  AppendMember("prompt", result.prompt, out);
  AppendMember("text", result.text, out);
  AppendKey("token_ids", out);
  AppendJsonNumbers(result.token_ids, out);
  AppendKey("result", out);
  out += AnswerToJson(result.answer);
  if (result.truncated) {
    AppendKey("truncated", out);
    out += "true";
  }
  AppendKey("timings", out);
  AppendTimings(result.timings, out);
  return out + "}";
}

std::string ErrorToJson(std::string_view image, std::string_view code, std::string_view message) {
  return ErrorRecord(image, code, message);
}

ParsedLine ParseAnswerLine(Task task, std::string_view line) {
  std::optional<std::string> image;
  try {
    const json parsed = ParseJson(line);
    if (!parsed.is_object()) Fail("the line is not a JSON object");
    image = StringMember(parsed, "image");
    std::string out = "{";
    if (image) AppendMember("image", *image, out);
    AppendAnswer(parsed, task, out);
    return {out + "}", false};
  } catch (const Error& error) {
    return {ErrorRecord(image, ErrorCodeName(error.code()), error.what()), true};
  } catch (const std::exception& error) {
    return {ErrorRecord(image, ErrorCodeName(ErrorCode::kInternal), error.what()), true};
  }
}

}  // namespace uffizi
