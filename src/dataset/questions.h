#ifndef UFFIZI_DATASET_QUESTIONS_H_
#define UFFIZI_DATASET_QUESTIONS_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "uffizi/engine.h"
#include "uffizi/task.h"

namespace uffizi::dataset {

// What is asked about every picture of a job.
struct Question {
  std::optional<Task> task;  // none: `input` is a prompt as the original processor takes it
  std::string input;
  // Index of the question whose answer is this one's input, always a smaller one. A text goes into
  // a task that takes text; each region into one that takes a region; each label, once, of regions
  // into one that takes text.
  std::optional<size_t> after;
};

// Throws Error(kInvalidPrompt) if the questions could be asked about no picture, and
// Error(kInvalidArgument) if one cannot follow what it is to follow.
void CheckQuestions(std::span<const Question> questions);

// The prompts of questions[index] about a picture. `before` are the results of the question that it
// follows, if it follows one; without text or regions in them there is nothing to ask.
// Throws Error(kInvalidPrompt).
std::vector<Prompt> PromptsOf(const Question& question, std::span<const Result> before, int width,
                              int height);

// Several questions about several pictures at once.
struct AskedPicture {
  const EncodedImage* image = nullptr;
  std::vector<std::vector<Result>> results;  // of each question
  std::vector<Error> errors;
};

// Answers all questions about all pictures, cascades level by level, so that all prompts of a level
// are decoded together. What fails costs its own picture an error and the others nothing. Throws
// Error(kInvalidArgument) if an option makes no sense for any picture.
void AskAll(Session& session, std::span<const Question> questions,
            const GenerationOptions& generation, std::span<AskedPicture> pictures);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_QUESTIONS_H_
