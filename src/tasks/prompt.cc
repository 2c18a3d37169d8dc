#include <algorithm>
#include <vector>

#include "core/utf8.h"
#include "tasks/region_input.h"
#include "tasks/strings.h"
#include "uffizi/error.h"
#include "uffizi/task.h"

namespace uffizi {
namespace {

constexpr std::string_view kInputMark = "{input}";
constexpr std::string_view kClassSeparator = "<and>";

[[noreturn]] void Fail(const std::string& message) {
  throw Error(ErrorCode::kInvalidPrompt, message);
}

// "<OD>" or, for a raw prompt, "a raw prompt": the subject of a message.
std::string Subject(const TaskInfo& task) {
  return task.token.empty() ? "a raw prompt" : std::string(task.token);
}

// The end of a message: "for example: <TASK>input".
std::string Example(const TaskInfo& task) {
  return "for example: " + std::string(task.token) + std::string(task.example);
}

// `text` within quotes, short and on one line.
std::string Quote(std::string_view text) {
  constexpr size_t kMaxBytes = 80;
  size_t end = std::min(text.size(), kMaxBytes);
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  std::string quoted(text.substr(0, end));
  for (char& c : quoted) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return '"' + quoted + (end < text.size() ? "..." : "") + '"';
}

void CheckUtf8(const TaskInfo& task, std::string_view text) {
  if (!IsUtf8(text)) Fail("the text of " + Subject(task) + " is not valid UTF-8");
}

std::string WithInput(const TaskInfo& task, std::string_view input) {
  std::string prompt(task.prompt);
  return prompt.replace(prompt.find(kInputMark), kInputMark.size(), input);
}

// A second task in a task's input would be meaningless to the model.
void CheckNoTaskIn(const TaskInfo& task, std::string_view input) {
  for (const TaskInfo& other : AllTasks()) {
    if (input.find(other.token) == std::string_view::npos) continue;
    Fail("a prompt can have only one task, but " + Subject(task) + " has " +
         std::string(other.token) + " in its input; ask them separately");
  }
}

// The classes of open-vocabulary detection as the model takes them: "car <and> building".
std::string JoinClasses(const TaskInfo& task, std::string_view input) {
  std::string joined;
  const auto add = [&](std::string_view name) {
    name = Strip(name);
    if (name.empty()) return;
    if (!joined.empty()) joined.append(" ").append(kClassSeparator).append(" ");
    joined += name;
  };
  size_t begin = 0;  // of the class
  for (size_t at = 0; at < input.size();) {
    const size_t separator = input[at] == ';' ? 1
                             : input.substr(at).starts_with(kClassSeparator)
                                 ? kClassSeparator.size()
                                 : 0;
    if (separator > 0) {
      add(input.substr(begin, at - begin));
      begin = at + separator;
    }
    at += std::max<size_t>(separator, 1);
  }
  add(input.substr(begin));
  if (joined.empty()) Fail(Subject(task) + " got separators but no class; " + Example(task));
  return joined;
}

std::string RegionInput(const TaskInfo& task, std::string_view input, int width, int height) {
  if (auto region = ReadRegion(input, width, height)) return *region;
  Fail(Subject(task) + " needs a region, not " + Quote(input) +
       ": give four locations from 0 to 999, <loc_x1><loc_y1><loc_x2><loc_y2>, or four numbers in "
       "pixels, x1,y1,x2,y2; " +
       Example(task) + " or " + std::string(task.token) + "64,96,384,384");
}

}  // namespace

Prompt MakePrompt(Task task, std::string_view input, int width, int height) {
  const TaskInfo& info = GetTaskInfo(task);
  CheckUtf8(info, input);
  const std::string_view stripped = Strip(input);
  if (info.input == TaskInput::kNone) {
    if (stripped.empty()) return {task, std::string(info.prompt)};
    Fail(Subject(info) + " takes no input, but got " + Quote(stripped) + "; give " + Subject(info) +
         " alone");
  }
  if (stripped.empty()) {
    const char* missing = info.input == TaskInput::kRegion ? " needs a region; " : " needs text; ";
    Fail(Subject(info) + missing + Example(info));
  }
  if (task == Task::kRaw) return {task, std::string(input)};
  CheckNoTaskIn(info, stripped);
  if (info.input == TaskInput::kRegion) {
    return {task, WithInput(info, RegionInput(info, stripped, width, height))};
  }
  if (task == Task::kOpenVocabularyDetection) {
    return {task, WithInput(info, JoinClasses(info, stripped))};
  }
  return {task, WithInput(info, stripped)};
}

Prompt MakePrompt(std::string_view text_with_task_token, int width, int height) {
  for (const TaskInfo& info : AllTasks()) {
    if (text_with_task_token.find(info.token) == std::string_view::npos) continue;
    // The token may be anywhere and occur more than once, as in the original processor.
    const std::string input = Without(info.token, text_with_task_token);
    if (info.input == TaskInput::kNone && text_with_task_token != info.token) {
      CheckUtf8(info, input);
      Fail(Subject(info) + " takes no input and must be the whole prompt, but got " +
           Quote(text_with_task_token));
    }
    return MakePrompt(info.task, input, width, height);
  }
  return MakePrompt(Task::kRaw, text_with_task_token, width, height);
}

}  // namespace uffizi
