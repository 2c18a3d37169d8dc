#include "model_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "commands.h"
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
  AddQuestionOptions(command, options);
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
