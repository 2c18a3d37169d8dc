#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <optional>

#include "commands.h"
#include "output.h"
#include "uffizi/engine.h"
#include "uffizi/image.h"

namespace uffizi::cli {
namespace {

namespace fs = std::filesystem;

struct AnnotateOptions {
  std::vector<std::string> pictures;
  std::vector<std::string> tasks;
  std::vector<std::string> texts;
  std::vector<std::string> regions;
  std::vector<std::string> classes;
  std::vector<std::string> prompts;
  std::string model;
  std::optional<Format> format;
  std::string output, draw;
  Compute compute = Compute::kAuto;
  int threads = 0;
  bool no_exif = false, drop_alpha = false, quiet = false;
  size_t max_pixels = DecodeOptions().max_pixels;
  GenerationOptions generation;
};

// One question of the command line, for every picture.
struct Question {
  std::optional<Task> task;  // none: `input` is a prompt as the original processor takes it
  std::string input;

  Prompt For(int width, int height) const {
    return task ? MakePrompt(*task, input, width, height) : MakePrompt(input, width, height);
  }
};

// Hands out the inputs of one kind (--text, --region) in order; a single one serves all tasks.
class Inputs {
 public:
  explicit Inputs(std::vector<std::string> values) : values_(std::move(values)) {}

  std::string Next() {
    if (values_.empty()) return "";
    return values_[values_.size() == 1 ? 0 : std::min(next_++, values_.size() - 1)];
  }
  bool empty() const { return values_.empty(); }

 private:
  std::vector<std::string> values_;
  size_t next_ = 0;
};

std::vector<Question> MakeQuestions(const AnnotateOptions& options) {
  Inputs texts(options.texts), regions(options.regions);
  std::vector<Question> questions;
  bool takes_text = false, takes_region = false, takes_classes = false;
  for (const std::string& name : options.tasks) {
    const auto task = FindTask(name);
    if (!task) {
      throw Error(ErrorCode::kInvalidArgument,
                  "no task is called " + name +
                      "; `uffizi info` lists them, and --prompt takes any "
                      "text");
    }
    Question question{task, ""};
    if (*task == Task::kOpenVocabularyDetection && !options.classes.empty()) {
      question.input = fmt::format("{}", fmt::join(options.classes, ";"));
      takes_classes = true;
    } else if (GetTaskInfo(*task).input == TaskInput::kText) {
      question.input = texts.Next();
      takes_text = true;
    } else if (GetTaskInfo(*task).input == TaskInput::kRegion) {
      question.input = regions.empty() ? texts.Next() : regions.Next();
      takes_region = true;
    }
    questions.push_back(std::move(question));
  }
  for (const std::string& prompt : options.prompts) questions.push_back({std::nullopt, prompt});
  const auto refuse = [](const char* option) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("none of the tasks takes a {}", option));
  };
  if (!options.texts.empty() && !takes_text && !takes_region) refuse("--text");
  if (!options.regions.empty() && !takes_region) refuse("--region");
  if (!options.classes.empty() && !takes_classes) refuse("--class");
  if (questions.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "say what to ask: --task od, or --prompt \"...\"");
  }
  // Whatever is wrong with a question is wrong for every picture: say so before any work.
  for (const Question& question : questions) question.For(1000, 1000);
  return questions;
}

// How far the job is, on standard error.
class ProgressLine {
 public:
  ProgressLine(size_t total, bool show) : total_(total), show_(show) {}
  ~ProgressLine() {
    if (show_ && done_ > 0) fmt::print(stderr, "\r\033[K");
  }
  void Next() {
    ++done_;
    if (!show_) return;
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    const double rate = static_cast<double>(done_) / seconds;
    fmt::print(stderr, "\r\033[K{}/{} pictures, {:.2f} a second, {:.0f} s left", done_, total_,
               rate, static_cast<double>(total_ - done_) / rate);
  }

 private:
  size_t total_, done_ = 0;
  bool show_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// Everything about one picture. Throws Error if it cannot be read or asked about.
void AnnotatePicture(const std::string& path, const std::vector<Question>& questions,
                     const AnnotateOptions& options, Session& session, Output& output,
                     Drawings* drawings) {
  const auto start = std::chrono::steady_clock::now();
  DecodeOptions decode;
  decode.apply_exif_orientation = !options.no_exif;
  decode.alpha = options.drop_alpha ? AlphaMode::kDrop : AlphaMode::kWhite;
  decode.max_pixels = options.max_pixels;
  const Image image = ReadImage(path, decode);
  const double decode_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const EncodedImage encoded = session.Encode(image.view());
  std::vector<Query> queries;
  for (const Question& question : questions) {
    queries.push_back(session.engine().MakeQuery(encoded, question.For(image.width, image.height),
                                                 options.generation));
  }
  std::vector<Result> results = session.Run(queries);
  for (size_t i = 0; i < results.size(); ++i) {
    Timings& timings = results[i].timings;
    if (i == 0) {
      timings.decode = decode_seconds;
      timings.total += decode_seconds;
    } else {  // the picture was decoded and encoded once, for the first
      timings.total -= timings.preprocess + timings.vision_encoder;
      timings.preprocess = timings.vision_encoder = 0;
    }
    output.Add(path, results[i]);
    if (drawings != nullptr) drawings->Add(path, image.view(), results[i]);
  }
}

int RunAnnotate(const AnnotateOptions& options) {
  const std::vector<Question> questions = MakeQuestions(options);
  const auto engine = Engine::Load(options.model.empty() ? DefaultModel() : fs::path(options.model),
                                   {options.compute, options.threads});
  Session session(engine);
  const Format format =
      options.format.value_or(options.output.empty() ? Format::kTable : Format::kJsonl);
  Output output(format, options.output);
  std::optional<Drawings> drawings;
  if (!options.draw.empty()) drawings.emplace(options.draw);
  size_t failed = 0;
  {
    ProgressLine progress(options.pictures.size(),
                          !options.quiet && isatty(STDERR_FILENO) != 0 && !options.output.empty());
    for (const std::string& path : options.pictures) {
      try {
        AnnotatePicture(path, questions, options, session, output, drawings ? &*drawings : nullptr);
      } catch (const Error& error) {
        if (error.code() == ErrorCode::kInvalidArgument) throw;  // of an option, not the picture
        output.AddError(path, error);
        ++failed;
      }
      progress.Next();
    }
  }
  output.Close();
  if (failed > 0 && !options.quiet) {
    fmt::print(stderr, "uffizi: {} of {} pictures failed\n", failed, options.pictures.size());
  }
  return failed > 0 ? kSomeFailed : kOk;
}

void AddSearchOptions(CLI::App& command, GenerationOptions& generation) {
  const std::string group = "Search (defaults: the model's generation_config.json)";
  const auto add = [&](const char* name, auto& value, const char* help) {
    return command.add_option(name, value, help)->group(group);
  };
  add("--beams", generation.num_beams, "Beams; 1 is greedy")->check(CLI::Range(1, 64));
  add("--no-repeat-ngram", generation.no_repeat_ngram_size,
      "Never repeat this many tokens; 0 = may");
  add("--min-length", generation.min_length, "Tokens at least, <s> and </s> counted");
  add("--max-length", generation.max_length, "Tokens at most, the start token counted");
  add("--length-penalty", generation.length_penalty, "Beams: over 0 prefers longer answers");
  add("--repetition-penalty", generation.repetition_penalty, "Over 1 discourages repetition");
  add("--early-stopping", generation.early_stopping, "Beams: on, off or never")
      ->check(CLI::IsMember({"on", "off", "never"}));
  const std::map<std::string, bool> on_off = {{"on", true}, {"off", false}};
  add("--forced-bos", generation.forced_bos, "Force <s> first: on or off")
      ->transform(CLI::CheckedTransformer(on_off).description(""));
  add("--forced-eos", generation.forced_eos, "Force </s> at the length limit: on or off")
      ->transform(CLI::CheckedTransformer(on_off).description(""));
  command.add_flag("--sample", generation.do_sample, "Draw tokens at random")->group(group);
  add("--temperature", generation.temperature, "Sampling: under 1 is bolder");
  add("--top-k", generation.top_k, "Sampling: among this many; 0 = all");
  add("--top-p", generation.top_p, "Sampling: among the likeliest of this probability");
  add("--seed", generation.seed, "Sampling: same seed, same answer");
}

}  // namespace

Command AddAnnotate(CLI::App& app) {
  auto options = std::make_shared<AnnotateOptions>();
  CLI::App* command = app.add_subcommand("annotate", "Ask a model about pictures");
  command->add_option("PICTURE", options->pictures, "JPEG, PNG, WebP, GIF or TIFF files")
      ->required();
  std::string tasks = "What to do; may be repeated:";
  for (const TaskInfo& task : AllTasks()) {
    tasks += fmt::format("\n  {}: {}", task.name, task.help);
  }
  command->add_option("--task", options->tasks, tasks)->type_name("NAME");
  command->add_option("--text", options->texts,
                      "Input of a task that takes text, in order of tasks");
  command->add_option("--region", options->regions,
                      "Input of a region task: x1,y1,x2,y2 in pixels, or four <loc_N>");
  command->add_option("--class", options->classes,
                      "What open-vocabulary detection looks for; may be repeated");
  command->add_option("--prompt", options->prompts,
                      "A prompt of your own, such as \"<OD>\" or \"<DocVQA>What is the total?\"");
  command->add_option("--model", options->model,
                      "Model folder (default: $UFFIZI_MODEL, else the one that came along)");
  const std::map<std::string, Format> formats = {
      {"table", Format::kTable}, {"json", Format::kJson}, {"jsonl", Format::kJsonl}};
  command
      ->add_option("--format", options->format,
                   "table, json or jsonl (default: table; jsonl "
                   "with --output)")
      ->transform(CLI::CheckedTransformer(formats).description(""))
      ->type_name("FORMAT");
  command->add_option("--output", options->output,
                      "File for the answers (default: standard output)");
  command->add_option("--draw", options->draw, "Folder for annotated pictures");
  const std::map<std::string, Compute> computes = {
      {"auto", Compute::kAuto}, {"f32", Compute::kF32}, {"int4", Compute::kInt4}};
  command->add_option("--compute", options->compute, "Arithmetic: auto, f32 or int4")
      ->transform(CLI::CheckedTransformer(computes).description(""))
      ->type_name("KIND");
  command->add_option("--threads", options->threads, "Threads (default: all cores)")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--no-exif", options->no_exif, "Do not turn pictures as their EXIF says");
  command->add_flag("--drop-alpha", options->drop_alpha,
                    "Ignore transparency, as Pillow does, instead of composing over white");
  command->add_option("--max-pixels", options->max_pixels, "Refuse larger pictures")
      ->capture_default_str();
  command->add_flag("--quiet", options->quiet, "Nothing on standard error but failures");
  AddSearchOptions(*command, options->generation);
  command->footer(
      "Examples:\n"
      "  uffizi annotate photo.jpg --task od --task caption --draw drawn/\n"
      "  uffizi annotate *.jpg --task open-vocabulary --class car --class \"traffic light\"\n"
      "  uffizi annotate photo.jpg --task region-to-category --region 10,20,300,400\n"
      "Exit codes: 0 all answered, 1 some pictures failed, 2 wrong usage, 3 bad model, 4 output\n"
      "cannot be written.");
  return [options] { return RunAnnotate(*options); };
}

}  // namespace uffizi::cli
