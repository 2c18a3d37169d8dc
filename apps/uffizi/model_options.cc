#include "model_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "commands.h"
#include "dataset/class_files.h"
#include "engine_options.h"

namespace uffizi::cli {
namespace {

namespace fs = std::filesystem;

// A flag's name: by default "--" and the field's name with hyphens for underscores.
template <typename F>
std::string FlagOf(const F& field) {
  std::string flag = std::string("--") + (*field.flag != '\0' ? field.flag : field.name);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

void AddSearchOptions(CLI::App& command, GenerationOptions& generation) {
  const std::string group = "Search (defaults: the model's generation_config.json)";
  const std::map<std::string, bool> on_off = {{"on", true}, {"off", false}};
  ForEachField(kGenerationFields, [&](const auto& field) {
    auto& value = generation.*field.member;
    using Value = std::decay_t<decltype(*value)>;
    if (field.name == std::string_view("do_sample")) {
      command
          .add_flag_callback(
              FlagOf(field), [&generation] { generation.do_sample = true; }, field.help)
          ->group(group);
      return;
    }
    CLI::Option* option = command.add_option(FlagOf(field), value, field.help)->group(group);
    if constexpr (std::is_same_v<Value, bool>) {
      option->transform(CLI::CheckedTransformer(on_off).description(""));
    } else if constexpr (std::is_same_v<Value, std::vector<int>>) {
      option->delimiter(',')->allow_extra_args(false)->type_name("IDS");
    } else if constexpr (std::is_arithmetic_v<Value>) {
      option->check(CLI::Range(field.low, field.high).description(""));
    }
  });
}

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
  explicit QuestionMaker(const ModelOptions& options)
      : options_(options), texts_(options.texts), regions_(options.regions) {}

  dataset::Question FromTask(const std::string& name) {
    dataset::Question question{TaskNamed(name), "", std::nullopt};
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
  const ModelOptions& options_;
  TaskInputs texts_, regions_;
  bool takes_text_ = false, takes_region_ = false, takes_classes_ = false;
};

std::string DescribeOne(const dataset::Question& question) {
  if (!question.task) {
    return question.answer_as
               ? question.input + " as " + std::string(GetTaskInfo(*question.answer_as).name)
               : question.input;
  }
  std::string name(GetTaskInfo(*question.task).name);
  if (!question.input.empty()) name += " \"" + question.input + "\"";
  return name;
}

}  // namespace

void AddModelOptions(CLI::App& command, ModelOptions& options) {
  std::string tasks = "Task to ask; may be repeated:";
  for (const TaskInfo& task : AllTasks()) tasks += fmt::format("\n  {}: {}", task.name, task.help);
  // Each takes one value, so that a picture may follow.
  const auto add_list = [&](const char* name, std::vector<std::string>& values,
                            const std::string& help) {
    return command.add_option(name, values, help)->allow_extra_args(false);
  };
  add_list("--task", options.tasks, tasks)->type_name("NAME");
  add_list("--then", options.thens,
           "Follow-up task for the answer of the preceding --task or --then: --task caption "
           "--then grounding grounds the caption")
      ->type_name("NAME");
  add_list("--text", options.texts, "Input for the next task that takes text");
  add_list("--region", options.regions,
           "Input for the next task that takes a region: x1,y1,x2,y2 in pixels, or four <loc_N>");
  add_list("--class", options.classes,
           "Class that open-vocabulary detection looks for; may be repeated. Regions with other "
           "labels are dropped, for all tasks. Classes are numbered in this order")
      ->type_name("NAME");
  command
      .add_option("--classes", options.classes_file,
                  "Classes from a file: one name a line, or a YOLO data.yaml")
      ->type_name("FILE");
  add_list("--prompt", options.prompts,
           "Your own prompt, such as \"<OD>\" or \"<DocVQA>What is the total?\"");
  add_list("--as", options.answer_as,
           "Task as whose answer to parse the answer to the preceding --prompt: --prompt "
           "\"<MY_OD>\" --as od")
      ->type_name("NAME");
  command
      .add_option("--min-score", options.filter.min_score,
                  "Drop regions with a lower score, and those without one (default: 0; 0.5 for "
                  "objects found in --tiles)")
      ->check(CLI::Range(0.0, 1.0));
  command
      .add_option("--labels", options.filter.labels,
                  "Keep only regions with one of these labels: car,\"traffic light\"; may be "
                  "repeated")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option(
      "--model", options.model,
      "Model folder, artifact or name (default: $UFFIZI_MODEL, else the included model)");
  AddEngineOptions(command, options.engine);
  command
      .add_option("--workers", options.workers,
                  "Pictures processed at once, which share the threads (default: one per thread)")
      ->check(CLI::Range(0, 1024));
  command
      .add_option("--batch", options.batch,
                  "Pictures whose answers are generated together (default: up to 8, depending on "
                  "memory)")
      ->check(CLI::Range(0, 1024));
  AddPictureOptions(command, options.picture);
  AddSearchOptions(command, options.generation);
}

void ReadClasses(ModelOptions& options) {
  if (options.classes_file.empty()) return;
  if (!options.classes.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "give classes with --class or --classes, not both");
  }
  options.classes = dataset::ReadClassFile(options.classes_file);
}

std::vector<dataset::Question> MakeQuestions(const CLI::App& command, const ModelOptions& options) {
  QuestionMaker maker(options);
  std::vector<dataset::Question> questions;
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
  dataset::CheckQuestions(questions);
  return questions;
}

std::string Describe(const std::vector<dataset::Question>& questions) {
  std::string text;
  for (const dataset::Question& question : questions) {
    if (!text.empty()) text += question.after ? " > " : "; ";
    text += DescribeOne(question);
  }
  return text;
}

std::string Describe(const RegionFilter& filter) {
  if (!filter.min_score && filter.labels.empty()) return "all";
  std::string text = fmt::format("score {} or more", filter.min_score.value_or(0));
  if (!filter.labels.empty()) text += fmt::format(", only {}", fmt::join(filter.labels, ", "));
  return text;
}

std::string Describe(const GenerationOptions& generation) {
  std::string text;
  const auto add = [&](const char* name, const auto& value) {
    if (value) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, *value);
  };
  add("beams", generation.num_beams);
  add("early stopping", generation.early_stopping);
  add("length penalty", generation.length_penalty);
  add("no-repeat n-gram", generation.no_repeat_ngram_size);
  add("repetition penalty", generation.repetition_penalty);
  add("min length", generation.min_length);
  add("max length", generation.max_length);
  add("sample", generation.do_sample);
  add("temperature", generation.temperature);
  add("top-k", generation.top_k);
  add("top-p", generation.top_p);
  add("seed", generation.seed);
  add("forced bos", generation.forced_bos);
  add("forced eos", generation.forced_eos);
  return text;
}

std::string Describe(const std::vector<LoraSource>& lora) {
  std::string text;
  for (const LoraSource& adapter : lora) {
    std::error_code ignored;
    text += fmt::format("{}{} times {}", text.empty() ? "" : ", ", adapter.weight,
                        fs::weakly_canonical(adapter.source, ignored).string());
  }
  return text;
}

LoadedModel LoadModel(const ModelOptions& options, std::vector<dataset::Question> questions,
                      std::optional<size_t> pictures) {
  const dataset::WorkPlan plan =
      dataset::PlanWork(pictures, options.engine.threads, options.workers);
  LoadedModel loaded;
  EngineOptions engine = options.engine;
  engine.threads = plan.session_threads;
  loaded.engine = LoadEngine(options.model, engine);
  dataset::PipelineOptions& pipeline = loaded.pipeline;
  pipeline.questions = std::move(questions);
  pipeline.generation = options.generation;
  pipeline.decode = MakeDecodeOptions(options.picture);
  pipeline.filter = options.filter;
  pipeline.tiles = TileOptions::Parse(options.picture.tiles);
  pipeline.workers = plan.workers;
  pipeline.threads = plan.workers * plan.session_threads;
  pipeline.batch = options.batch > 0 ? static_cast<size_t>(options.batch)
                                     : dataset::DefaultBatch(loaded.engine->info(),
                                                             options.generation, plan.workers);
  return loaded;
}

}  // namespace uffizi::cli
