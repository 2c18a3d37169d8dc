#include "tasks/result_json.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

using Json = nlohmann::json;

void WritePicture(const PictureLabel& picture, JsonWriter& json) {
  json.Member("image", picture.image);
  if (picture.page > 0) json.Member("page", picture.page);
  if (picture.pages > 1) json.Member("pages", picture.pages);
  if (picture.seconds) json.Key("time").Seconds(*picture.seconds);
}

std::string ErrorRecord(const std::optional<PictureLabel>& picture, std::string_view code,
                        std::string_view message) {
  JsonWriter json;
  json.Object();
  if (picture) WritePicture(*picture, json);
  json.Key("error").Object().Member("code", code).Member("message", message).End();
  return json.End().Take();
}

[[noreturn]] void Fail(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument,
              message + R"(; a line is like {"size": [640, 480], "text": "cat<loc_1><loc_2>..."})");
}

// The member as a string; nothing if it is missing.
std::optional<std::string> StringMember(const Json& line, const char* key) {
  const auto found = line.find(key);
  if (found == line.end() || found->is_null()) return std::nullopt;
  if (!found->is_string()) Fail(std::string(key) + " must be a string");
  return found->get<std::string>();
}

int Side(const Json& value) {
  if (value.is_number_integer()) {
    const double side = value.get<double>();
    if (side >= 1 && side <= std::numeric_limits<int>::max()) return static_cast<int>(side);
  }
  Fail("size must be two whole numbers of pixels above 0");
}

std::vector<float> Logprobs(const Json& line) {
  std::vector<float> logprobs;
  const auto found = line.find("location_logprobs");
  if (found == line.end() || found->is_null()) return logprobs;
  if (!found->is_array()) Fail("location_logprobs must be a list of numbers");
  for (const Json& value : *found) {
    if (!value.is_number()) Fail("location_logprobs must be a list of numbers");
    logprobs.push_back(value.get<float>());
  }
  return logprobs;
}

Task TaskOf(const Json& line, Task otherwise) {
  const std::optional<std::string> name = StringMember(line, "task");
  if (!name) return otherwise;
  const std::optional<Task> task = FindTask(*name);
  if (!task) Fail("no task is called " + *name);
  return *task;
}

// The members "task" and "result".
void WriteAnswer(const Json& line, Task otherwise, JsonWriter& out) {
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
  out.Member("task", info.token).Key("result").Raw(AnswerToJson(answer));
}

}  // namespace

std::string ResultToJson(const PictureLabel& picture, const Result& result) {
  JsonWriter json;
  json.Object();
  WritePicture(picture, json);
  json.Member("width", result.width)
      .Member("height", result.height)
      .Member("task", result.task)
      .Member("prompt", result.prompt)
      .Member("text", result.text);
  json.Key("token_ids").Values(result.token_ids);
  json.Key("result").Raw(AnswerToJson(result.answer));
  if (result.truncated) json.Member("truncated", true);
  json.Key("timings").Object();
  ForEachField(kTimingFields, [&](const auto& field) {
    json.Key(field.name).Seconds(result.timings.*field.member);
  });
  return json.End().End().Take();
}

std::string ErrorToJson(const PictureLabel& picture, std::string_view code,
                        std::string_view message) {
  return ErrorRecord(picture, code, message);
}

ParsedLine ParseAnswerLine(Task task, std::string_view line) {
  std::optional<std::string> image;
  try {
    const Json parsed = ParseJson(line);
    if (!parsed.is_object()) Fail("the line is not a JSON object");
    image = StringMember(parsed, "image");
    JsonWriter out;
    out.Object();
    if (image) out.Member("image", *image);
    WriteAnswer(parsed, task, out);
    return {out.End().Take(), false};
  } catch (const Error& error) {
    return {ErrorRecord(image, Name(error.code()), error.what()), true};
  } catch (const std::exception& error) {
    return {ErrorRecord(image, Name(ErrorCode::kInternal), error.what()), true};
  }
}

}  // namespace uffizi
