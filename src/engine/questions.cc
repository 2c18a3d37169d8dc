#include "engine/questions.h"

#include <algorithm>
#include <set>
#include <utility>

namespace uffizi {
namespace {

// A region's pixels in the form that a region task takes.
std::string RegionInput(const Region& region) {
  float low[2] = {region.box.x1, region.box.y1}, high[2] = {region.box.x2, region.box.y2};
  const Polygon* outline = !region.polygons.empty() ? &region.polygons.front() : &region.quad;
  for (size_t i = 0; i < outline->size(); ++i) {
    const size_t axis = i % 2;
    low[axis] = i < 2 ? (*outline)[i] : std::min(low[axis], (*outline)[i]);
    high[axis] = i < 2 ? (*outline)[i] : std::max(high[axis], (*outline)[i]);
  }
  return std::to_string(low[0]) + "," + std::to_string(low[1]) + "," + std::to_string(high[0]) +
         "," + std::to_string(high[1]);
}

// The inputs that an answer gives to its follow-up question.
std::vector<std::string> InputsFrom(const Answer& answer, TaskInput wanted) {
  if (answer.shape == AnswerShape::kText) {
    if (answer.text.find_first_not_of(" \n\t") == std::string::npos) return {};
    return {answer.text};
  }
  std::vector<std::string> inputs;
  std::set<std::string> seen;
  for (const Region& region : answer.regions) {
    if (wanted == TaskInput::kRegion) {
      inputs.push_back(RegionInput(region));
    } else if (!region.label.empty() && seen.insert(region.label).second) {
      inputs.push_back(region.label);
    }
  }
  return inputs;
}

}  // namespace

std::string NameOf(const Question& question) {
  return question.task ? std::string(GetTaskInfo(*question.task).name) : question.input;
}

void CheckQuestions(std::span<const Question> questions) {
  for (const Question& question : questions) {
    if (!question.after) {
      PromptsOf(question, {}, 1000, 1000);
      continue;
    }
    const Question& before = questions[*question.after];
    const TaskInput input = question.task ? GetTaskInfo(*question.task).input : TaskInput::kNone;
    const AnswerShape shape =
        GetTaskInfo(before.task.value_or(before.answer_as.value_or(Task::kRaw))).shape;
    if (input == TaskInput::kNone) {
      throw Error(ErrorCode::kInvalidArgument, NameOf(question) +
                                                   " takes no input and cannot follow " +
                                                   NameOf(before) + "; ask it with --task");
    }
    if (input == TaskInput::kRegion && shape == AnswerShape::kText) {
      throw Error(ErrorCode::kInvalidArgument, NameOf(question) + " needs regions, and " +
                                                   NameOf(before) + " answers with text");
    }
  }
}

std::vector<Prompt> PromptsOf(const Question& question, std::span<const Result> before, int width,
                              int height) {
  if (!question.after) {
    Prompt prompt = question.task ? MakePrompt(*question.task, question.input, width, height)
                                  : MakePrompt(question.input, width, height);
    prompt.answer_as = question.answer_as;
    return {std::move(prompt)};
  }
  std::vector<Prompt> prompts;
  for (const Result& result : before) {
    for (const std::string& input : InputsFrom(result.answer, GetTaskInfo(*question.task).input)) {
      prompts.push_back(MakePrompt(*question.task, input, width, height));
    }
  }
  return prompts;
}

}  // namespace uffizi
