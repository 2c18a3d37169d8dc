#ifndef UFFIZI_ENGINE_QUESTIONS_H_
#define UFFIZI_ENGINE_QUESTIONS_H_

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "uffizi/engine.h"
#include "uffizi/task.h"
#include "uffizi/types.h"

namespace uffizi {

// A question about a picture.
struct Question {
  std::optional<Task> task;  // none: `input` is a prompt as the original processor takes it
  std::string input;
  // Index of the question whose answer is this one's input; always a smaller index. A task that
  // takes text gets the answer's text, or is asked once for each distinct label of its regions. A
  // task that takes a region is asked about each region.
  std::optional<size_t> after = std::nullopt;
  // For a prompt: the task as whose answer to parse this one's.
  std::optional<Task> answer_as = std::nullopt;
};

// Throws Error(kInvalidPrompt) if a question is invalid for any picture, and
// Error(kInvalidArgument) if one cannot follow the question that it refers to.
void CheckQuestions(std::span<const Question> questions);

// The prompts of questions[index] about a picture. `before` are the results of the question that it
// follows, if any. If these have no text or regions, there is nothing to ask.
// Throws Error(kInvalidPrompt).
std::vector<Prompt> PromptsOf(const Question& question, std::span<const Result> before, int width,
                              int height);

// A prompt that was asked about a picture: its question's index, and the result.
struct AskedPrompt {
  size_t question;
  Prompt prompt;
  Result result;
};

// Asks `questions` about a picture, each with at most `most` prompts: first those that follow no
// other, then those that follow these, and so on. `ask` gets all prompts of a round together and
// returns their results. Throws Error(kInvalidPrompt), and what `ask` throws.
std::vector<AskedPrompt> AskInRounds(
    std::span<const Question> questions, int width, int height, size_t most,
    const std::function<std::vector<Result>(std::span<const Prompt>)>& ask);

// The inputs of one kind (texts, regions), assigned to tasks in order; a single one is used for all
// tasks.
class TaskInputs {
 public:
  explicit TaskInputs(std::vector<std::string> values = {}) : values_(std::move(values)) {}

  void Add(std::string value) { values_.push_back(std::move(value)); }
  // The next task's input; empty if there are none, the last again if there are too few.
  std::string Next() {
    if (values_.empty()) return "";
    return values_[values_.size() == 1 ? 0 : std::min(next_++, values_.size() - 1)];
  }
  bool empty() const { return values_.empty(); }

 private:
  std::vector<std::string> values_;
  size_t next_ = 0;
};

// "od", or the prompt: what a message calls the question.
std::string NameOf(const Question& question);

// The same with the questions that it follows: "caption > caption_to_phrase_grounding".
std::string NameOf(std::span<const Question> questions, size_t index);

AnswerShape ShapeOf(const Question& question);

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_QUESTIONS_H_
