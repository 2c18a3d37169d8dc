#include "question_options.h"

#include <fmt/format.h>

#include "commands.h"
#include "dataset/class_files.h"

namespace uffizi::cli {
namespace {

Task TaskNamed(const std::string& name) {
  const auto task = FindTask(name);
  if (task) return *task;
  throw Error(
      ErrorCode::kInvalidArgument,
      "no task is called " + name + "; `uffizi info` lists them, and --prompt takes any text");
}

// Assigns inputs to tasks, and reports unused ones at the end.
class QuestionMaker {
 public:
  explicit QuestionMaker(const QuestionOptions& options)
      : options_(options), texts_(options.texts), regions_(options.regions) {}

  Question FromTask(const std::string& name) {
    Question question{TaskNamed(name), "", std::nullopt};
    const TaskInput input = GetTaskInfo(*question.task).input;
    const AnswerShape shape = GetTaskInfo(*question.task).shape;
    takes_classes_ |= shape != AnswerShape::kText && shape != AnswerShape::kQuads;
    if (*question.task == Task::kOpenVocabularyDetection && !options_.classes.empty()) {
      question.input = fmt::format("{}", fmt::join(options_.classes, ";"));
    } else if (input == TaskInput::kText) {
      question.input = texts_.Next();
      takes_text_ = true;
    } else if (input == TaskInput::kRegion) {
      question.input = regions_.empty() ? texts_.Next() : regions_.Next();
      takes_region_ = true;
    }
    return question;
  }

  void CheckAllUsed() const {
    const auto refuse = [](const char* option) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("none of the tasks takes a {}", option));
    };
    if (!options_.texts.empty() && !takes_text_ && !takes_region_) refuse("--text");
    if (!options_.regions.empty() && !takes_region_) refuse("--region");
    // A prompt may be that of any task.
    const bool any = takes_classes_ || !options_.prompts.empty();
    if (!options_.classes.empty() && !any) refuse("--class");
  }

 private:
  const QuestionOptions& options_;
  TaskInputs texts_, regions_;
  bool takes_text_ = false, takes_region_ = false, takes_classes_ = false;
};

// An option that may be repeated. Each takes one value, so that a picture may follow.
CLI::Option* AddList(CLI::App& command, const char* name, std::vector<std::string>& values,
                     const std::string& help) {
  return command.add_option(name, values, help)->allow_extra_args(false);
}

}  // namespace

void AddQuestionOptions(CLI::App& command, QuestionOptions& options) {
  std::string tasks = "Task to ask; may be repeated:";
  for (const TaskInfo& task : AllTasks()) tasks += fmt::format("\n  {}: {}", task.name, task.help);
  AddTaskOptions(command, options, tasks);
  AddList(command, "--region", options.regions,
          "Input for the next task that takes a region: x1,y1,x2,y2 in pixels, or four <loc_N>");
  AddList(command, "--class", options.classes,
          "Class that open-vocabulary detection looks for; may be repeated. Regions with other "
          "labels are dropped, for all tasks. Classes are numbered in this order")
      ->type_name("NAME");
  command
      .add_option("--classes", options.classes_file,
                  "Classes from a file: one name a line, or a YOLO data.yaml")
      ->type_name("FILE");
  AddList(command, "--prompt", options.prompts,
          "Your own prompt, such as \"<OD>\" or \"<DocVQA>What is the total?\"");
  AddList(command, "--as", options.answer_as,
          "Task as whose answer to parse the answer to the preceding --prompt: --prompt "
          "\"<MY_OD>\" --as od")
      ->type_name("NAME");
}

void AddTaskOptions(CLI::App& command, QuestionOptions& options, const std::string& task_help) {
  AddList(command, "--task", options.tasks, task_help)->type_name("NAME");
  AddList(command, "--then", options.thens,
          "Follow-up task for the answer of the preceding --task or --then: --task caption "
          "--then grounding grounds the caption")
      ->type_name("NAME");
  AddList(command, "--text", options.texts, "Input for the next task that takes text");
}

void ReadClasses(QuestionOptions& options) {
  if (options.classes_file.empty()) return;
  if (!options.classes.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "give classes with --class or --classes, not both");
  }
  options.classes = dataset::ReadClassFile(options.classes_file);
}

std::vector<Question> MakeQuestions(const CLI::App& command, const QuestionOptions& options) {
  QuestionMaker maker(options);
  std::vector<Question> questions;
  size_t task = 0, then = 0, prompt = 0, as = 0;
  for (const CLI::Option* option : command.parse_order()) {
    const std::string name = option->get_name();
    if (name == "--task") {
      questions.push_back(maker.FromTask(options.tasks[task++]));
    } else if (name == "--prompt") {
      questions.push_back({std::nullopt, options.prompts[prompt++]});
    } else if (name == "--as") {
      if (questions.empty() || questions.back().task) {
        throw Error(ErrorCode::kInvalidArgument, "--as must follow a --prompt");
      }
      questions.back().answer_as = TaskNamed(options.answer_as[as++]);
    } else if (name == "--then") {
      if (questions.empty()) {
        throw Error(ErrorCode::kInvalidArgument, "--then must follow a --task");
      }
      questions.push_back({TaskNamed(options.thens[then++]), "", questions.size() - 1});
    }
  }
  maker.CheckAllUsed();
  if (questions.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "say what to ask: --task od, or --prompt \"...\"");
  }
  // An invalid question is invalid for every picture, so it is reported before any work.
  CheckQuestions(questions);
  return questions;
}

}  // namespace uffizi::cli
