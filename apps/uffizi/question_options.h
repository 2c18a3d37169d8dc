#ifndef UFFIZI_APPS_QUESTION_OPTIONS_H_
#define UFFIZI_APPS_QUESTION_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "engine/questions.h"

namespace uffizi::cli {

// What to ask about each picture, as given on the command line.
struct QuestionOptions {
  std::vector<std::string> tasks, thens, prompts;
  std::vector<std::string> texts, regions, classes, answer_as;
  std::string classes_file;  // to read `classes` from
};

// All of the options.
void AddQuestionOptions(CLI::App& command, QuestionOptions& options);

// Only --task, with this help, --then and --text.
void AddTaskOptions(CLI::App& command, QuestionOptions& options, const std::string& task_help);

// Reads `classes_file`, if there is one. Throws Error.
void ReadClasses(QuestionOptions& options);

// The questions in the order of the command line. Throws Error(kInvalidArgument, kInvalidPrompt).
std::vector<Question> MakeQuestions(const CLI::App& command, const QuestionOptions& options);

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_QUESTION_OPTIONS_H_
