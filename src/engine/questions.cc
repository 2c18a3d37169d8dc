#include "engine/questions.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "tasks/region_outline.h"

namespace uffizi {
namespace {

// A region in the form that a region task takes.
std::string RegionInput(const Region& region, int width, int height) {
  const Box box = BoundingBox(region, width, height);
  return std::to_string(box.x1) + "," + std::to_string(box.y1) + "," + std::to_string(box.x2) +
         "," + std::to_string(box.y2);
}

// The inputs that an answer gives to its follow-up question.
std::vector<std::string> InputsFrom(const Answer& answer, TaskInput wanted, int width, int height) {
  if (answer.shape == AnswerShape::kText) {
    if (answer.text.find_first_not_of(" \n\t") == std::string::npos) return {};
    return {answer.text};
  }
  std::vector<std::string> inputs;
  std::set<std::string> seen;
  for (const Region& region : answer.regions) {
    if (wanted == TaskInput::kRegion) {
      inputs.push_back(RegionInput(region, width, height));
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

std::string NameOf(std::span<const Question> questions, size_t index) {
  const Question& question = questions[index];
  if (!question.after) return NameOf(question);
  return NameOf(questions, *question.after) + " > " + NameOf(question);
}

AnswerShape ShapeOf(const Question& question) {
  return GetTaskInfo(question.task.value_or(question.answer_as.value_or(Task::kRaw))).shape;
}

void CheckQuestions(std::span<const Question> questions) {
  for (const Question& question : questions) {
    if (!question.after) {
      PromptsOf(question, {}, 1000, 1000);
      continue;
    }
    const Question& before = questions[*question.after];
    const TaskInput input = question.task ? GetTaskInfo(*question.task).input : TaskInput::kNone;
    if (input == TaskInput::kNone) {
      throw Error(ErrorCode::kInvalidArgument, NameOf(question) +
                                                   " takes no input and cannot follow " +
                                                   NameOf(before) + "; ask it with --task");
    }
    if (input == TaskInput::kRegion && ShapeOf(before) == AnswerShape::kText) {
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
    const TaskInput wanted = GetTaskInfo(*question.task).input;
    for (const std::string& input : InputsFrom(result.answer, wanted, width, height)) {
      prompts.push_back(MakePrompt(*question.task, input, width, height));
    }
  }
  return prompts;
}

std::vector<AskedPrompt> AskInRounds(
    std::span<const Question> questions, int width, int height, size_t most,
    const std::function<std::vector<Result>(std::span<const Prompt>)>& ask) {
  std::vector<AskedPrompt> asked;
  std::vector<size_t> depths(questions.size());  // how many questions each one follows
  std::vector<std::vector<Result>> results(questions.size());
  size_t rounds = 0;
  for (size_t q = 0; q < questions.size(); ++q) {
    if (questions[q].after) depths[q] = depths[*questions[q].after] + 1;
    rounds = std::max(rounds, depths[q] + 1);
  }
  for (size_t round = 0; round < rounds; ++round) {
    std::vector<Prompt> prompts;
    std::vector<size_t> owners;
    for (size_t q = 0; q < questions.size(); ++q) {
      if (depths[q] != round) continue;
      const size_t before = questions[q].after.value_or(q);
      std::vector<Prompt> own = PromptsOf(questions[q], results[before], width, height);
      if (own.size() > most) own.resize(most);
      owners.insert(owners.end(), own.size(), q);
      std::move(own.begin(), own.end(), std::back_inserter(prompts));
    }
    std::vector<Result> answers = ask(prompts);
    for (size_t i = 0; i < answers.size(); ++i) {
      results[owners[i]].push_back(answers[i]);
      asked.push_back({owners[i], std::move(prompts[i]), std::move(answers[i])});
    }
  }
  return asked;
}

}  // namespace uffizi
