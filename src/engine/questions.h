#ifndef UFFIZI_ENGINE_QUESTIONS_H_
#define UFFIZI_ENGINE_QUESTIONS_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "uffizi/engine.h"
#include "uffizi/task.h"

namespace uffizi {

// What is asked about a picture.
struct Question {
  std::optional<Task> task;  // none: `input` is a prompt as the original processor takes it
  std::string input;
  // Index of the question whose answer is this one's input, always a smaller one. A text goes into
  // a task that takes text; each region into one that takes a region; each label, once, of regions
  // into one that takes text.
  std::optional<size_t> after = std::nullopt;
  // Of a prompt: the task whose answers look like this one's.
  std::optional<Task> answer_as = std::nullopt;
};

// Throws Error(kInvalidPrompt) if the questions could be asked about no picture, and
// Error(kInvalidArgument) if one cannot follow what it is to follow.
void CheckQuestions(std::span<const Question> questions);

// The prompts of questions[index] about a picture. `before` are the results of the question that it
// follows, if it follows one; without text or regions in them there is nothing to ask.
// Throws Error(kInvalidPrompt).
std::vector<Prompt> PromptsOf(const Question& question, std::span<const Result> before, int width,
                              int height);

// "od", or the prompt: what a message calls the question.
std::string NameOf(const Question& question);

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_QUESTIONS_H_
