#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <map>
#include <optional>

#include "commands.h"
#include "dataset/job.h"
#include "dataset/output_names.h"
#include "model_options.h"
#include "progress.h"
#include "table_sink.h"

namespace uffizi::cli {
namespace {

namespace fs = std::filesystem;

enum class Format { kTable, kJson, kJsonl, kCsv };

struct AnnotateOptions {
  std::vector<std::string> pictures;
  dataset::CollectionOptions collection;
  ModelOptions model;
  std::optional<Format> format;
  std::string output, csv, coco, yolo, label_studio, sidecar_folder, draw;
  bool sidecar = false;
  std::string job;
  bool restart = false, drop_invalid = false, quiet = false;
};

// Set by the first Ctrl-C; the second ends the process at once.
std::atomic<bool> stop_requested = false;

void RequestStop(int signal) {
  stop_requested = true;
  std::signal(signal, SIG_DFL);
}

// --format, else what the output's name says: a table only for people.
Format OutputFormat(const AnnotateOptions& options) {
  if (options.format) return *options.format;
  if (options.output.empty()) return Format::kTable;
  const std::string extension = fs::path(options.output).extension().string();
  if (extension == ".csv") return Format::kCsv;
  if (extension == ".json") return Format::kJson;
  return Format::kJsonl;
}

std::unique_ptr<dataset::Sink> MakeOutputSink(const AnnotateOptions& options) {
  switch (OutputFormat(options)) {
    case Format::kTable:
      return MakeTableSink(options.output);
    case Format::kJson:
      return dataset::MakeJsonSink(options.output, dataset::JsonLayout::kList);
    case Format::kCsv:
      return dataset::MakeCsvSink(options.output);
    case Format::kJsonl:
      break;
  }
  return dataset::MakeJsonSink(options.output, dataset::JsonLayout::kLines);
}

// Whether answers go to standard output: not if files were asked for instead.
bool UsesStandardOutput(const AnnotateOptions& options) {
  if (!options.output.empty()) return false;
  const bool files = !options.csv.empty() || !options.coco.empty() || !options.yolo.empty() ||
                     !options.label_studio.empty() || options.sidecar ||
                     !options.sidecar_folder.empty();
  return options.format || !files;
}

// The folder of the journal: beside the first output that can be gone on with; empty if none can.
fs::path JobFolder(const AnnotateOptions& options) {
  if (!options.job.empty()) return options.job;
  for (const std::string* output :
       {&options.output, &options.csv, &options.coco, &options.yolo, &options.label_studio,
        &options.sidecar_folder, &options.draw}) {
    if (output->empty()) continue;
    fs::path path = *output;
    if (!path.has_filename()) path = path.parent_path();  // "drawn/"
    const bool is_file =
        output != &options.yolo && output != &options.sidecar_folder && output != &options.draw;
    if (is_file && !dataset::CanResume(path)) continue;
    return path += ".job";
  }
  return options.sidecar ? "uffizi-sidecars.job" : "";
}

std::vector<std::unique_ptr<dataset::Sink>> MakeSinks(const AnnotateOptions& options,
                                                      const fs::path& job_folder) {
  std::vector<std::unique_ptr<dataset::Sink>> sinks;
  if (!options.output.empty() || UsesStandardOutput(options)) {
    sinks.push_back(MakeOutputSink(options));
  }
  if (!options.csv.empty()) sinks.push_back(dataset::MakeCsvSink(options.csv));
  if (!options.coco.empty()) sinks.push_back(dataset::MakeCocoSink(options.coco, job_folder));
  if (!options.yolo.empty()) sinks.push_back(dataset::MakeYoloSink(options.yolo));
  if (!options.label_studio.empty())
    sinks.push_back(dataset::MakeLabelStudioSink(options.label_studio));
  if (options.sidecar || !options.sidecar_folder.empty()) {
    sinks.push_back(dataset::MakeSidecarSink(options.sidecar_folder));
  }
  if (!options.draw.empty()) sinks.push_back(dataset::MakeDrawingSink(options.draw));
  return sinks;
}

// Sinks of regions alone would stay empty without a task that finds some.
void CheckShapes(const AnnotateOptions& options, const std::vector<dataset::Question>& questions) {
  const bool regions =
      std::any_of(questions.begin(), questions.end(), [](const dataset::Question& question) {
        // A raw prompt may hold a task.
        return !question.task || GetTaskInfo(*question.task).shape != AnswerShape::kText;
      });
  if (regions) return;
  for (const auto& [name, value] :
       {std::pair{"--coco", &options.coco}, {"--yolo", &options.yolo}}) {
    if (!value->empty()) {
      throw Error(
          ErrorCode::kInvalidArgument,
          fmt::format("{} keeps regions, and none of the tasks finds any; --task od", name));
    }
  }
}

dataset::JobOptions Fingerprint(const AnnotateOptions& options,
                                const std::vector<dataset::Question>& questions,
                                const EngineInfo& info,
                                const std::vector<std::unique_ptr<dataset::Sink>>& sinks) {
  const ModelOptions& model = options.model;
  std::string pictures;
  for (const std::string& picture : options.pictures) {
    pictures += (pictures.empty() ? "" : " ") + picture;
  }
  if (pictures.size() > 1000) {
    pictures =
        fmt::format("{} inputs, {:016x}", options.pictures.size(), dataset::HashText(pictures));
  }
  std::string outputs;
  for (const auto& sink : sinks) outputs += (outputs.empty() ? "" : ", ") + sink->description();
  std::error_code ignored;
  return {
      {"pictures", pictures},
      {"tasks", Describe(questions)},
      {"search", Describe(model.generation)},
      {"model", fmt::format("{}, {} bytes of {}", fs::weakly_canonical(info.path, ignored).string(),
                            info.weight_bytes, info.precision)},
      {"adapters", Describe(info.lora)},
      {"compute", info.compute},
      {"decoding", fmt::format("exif {}, alpha {}, {} pixels at most", !model.no_exif,
                               model.drop_alpha ? "dropped" : "over white", model.max_pixels)},
      {"outputs", outputs},
      {"invalid pictures", options.drop_invalid ? "dropped" : "kept"},
      {"csv column", options.collection.csv_column},
  };
}

ProgressDisplay::Style ProgressStyle(const AnnotateOptions& options) {
  if (options.quiet) return ProgressDisplay::Style::kNone;
  if (isatty(STDERR_FILENO) == 0) return ProgressDisplay::Style::kLines;
  const bool mixed = UsesStandardOutput(options) && isatty(STDOUT_FILENO) != 0;
  return mixed ? ProgressDisplay::Style::kNone : ProgressDisplay::Style::kBar;
}

int Conclude(const dataset::JobSummary& summary, std::optional<size_t> total, bool resumable,
             bool quiet) {
  const dataset::JobProgress& progress = summary.progress;
  if (!summary.finished) {
    const std::string of = total ? fmt::format(" of {}", *total) : "";
    fmt::print(stderr, "uffizi: stopped after {}{} pictures; {}\n", progress.done, of,
               resumable ? "the same command goes on from here" : "the answers so far are written");
    return kInterrupted;
  }
  if (progress.failed > 0 && !quiet) {
    fmt::print(stderr, "uffizi: {} of {} pictures failed\n", progress.failed, progress.done);
  }
  return progress.failed > 0 ? kSomeFailed : kOk;
}

int RunAnnotate(const CLI::App& command, AnnotateOptions& options) {
  const std::vector<dataset::Question> questions = MakeQuestions(command, options.model);
  CheckShapes(options, questions);
  for (const std::string* folder : {&options.draw, &options.yolo}) {
    if (!folder->empty()) options.collection.skipped_folders.push_back(*folder);
  }
  const dataset::Collection collection(options.pictures, options.collection);
  const std::optional<size_t> total = collection.Count();
  if (total == size_t{0}) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("{}: no pictures there", options.pictures.front()));
  }
  LoadedModel model = LoadModel(options.model, questions, total);
  dataset::Job job;
  job.collection = &collection;
  job.engine = model.engine;
  job.pipeline = std::move(model.pipeline);
  const fs::path job_folder = JobFolder(options);
  job.sinks = MakeSinks(options, job_folder);
  std::optional<dataset::Journal> journal;
  if (!job_folder.empty()) {
    journal.emplace(job_folder, Fingerprint(options, questions, job.engine->info(), job.sinks),
                    options.restart);
    job.journal = &*journal;
    if (journal->found() && !options.quiet) {
      fmt::print(stderr, "uffizi: going on after {} pictures\n", journal->found()->done);
    }
  }
  job.drop_invalid = options.drop_invalid;
  job.stop = &stop_requested;
  std::signal(SIGINT, RequestStop);
  std::signal(SIGTERM, RequestStop);
  dataset::JobSummary summary;
  try {
    ProgressDisplay display(total, ProgressStyle(options));
    job.progress = [&](const dataset::JobProgress& progress) { display.Show(progress); };
    summary = dataset::RunJob(job);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kIo || job.journal == nullptr) throw;
    throw Error(error.code(),
                std::string(error.what()) + "; the same command goes on from where it stopped");
  }
  return Conclude(summary, total, job.journal != nullptr, options.quiet);
}

void AddOutputOptions(CLI::App& command, AnnotateOptions& options) {
  const std::string group = "Outputs (several at a time)";
  const auto add = [&](const char* name, std::string& value, const char* type, const char* help) {
    command.add_option(name, value, help)->group(group)->type_name(type);
  };
  const std::map<std::string, Format> formats = {{"table", Format::kTable},
                                                 {"json", Format::kJson},
                                                 {"jsonl", Format::kJsonl},
                                                 {"csv", Format::kCsv}};
  command
      .add_option("--format", options.format,
                  "Of --output: table, json, jsonl or csv (default: as its name ends, else jsonl; "
                  "table on standard output)")
      ->transform(CLI::CheckedTransformer(formats).description(""))
      ->type_name("FORMAT")
      ->group(group);
  add("--output", options.output, "FILE", "The answers (default: standard output)");
  add("--csv", options.csv, "FILE", "A row for each region or text");
  add("--coco", options.coco, "FILE", "COCO detection and segmentation, masks as run lengths");
  add("--yolo", options.yolo, "DIR", "YOLO labels, links to the pictures, data.yaml");
  add("--label-studio", options.label_studio, "FILE", "Tasks with predictions for Label Studio");
  command.add_flag("--sidecar", options.sidecar, "A .txt with the answers beside each picture")
      ->group(group);
  add("--sidecar-folder", options.sidecar_folder, "DIR", "The same, in a folder of their own");
  add("--draw", options.draw, "DIR", "Annotated pictures");
  command.add_flag("--drop-invalid", options.drop_invalid, "Leave error records out")->group(group);
  add("--job", options.job, "DIR",
      "Where the job's journal is kept (default: beside the first output)");
  command.add_flag("--restart", options.restart, "Begin an unfinished job again")->group(group);
}

}  // namespace

Command AddAnnotate(CLI::App& app) {
  auto options = std::make_shared<AnnotateOptions>();
  CLI::App* command = app.add_subcommand("annotate", "Ask a model about pictures");
  command
      ->add_option("PICTURE", options->pictures,
                   "JPEG, PNG, WebP, GIF or TIFF files; folders, with all below them; globs; .tar "
                   "archives; .csv files with a column of paths; - for a list on standard input")
      ->required();
  command->add_option("--csv-column", options->collection.csv_column,
                      "The column of paths in a .csv (default: path, image, file, ...)");
  AddModelOptions(*command, options->model);
  AddOutputOptions(*command, *options);
  command->add_flag("--quiet", options->quiet, "Nothing on standard error but failures");
  command->footer(
      "Examples:\n"
      "  uffizi annotate photo.jpg --task od --task caption --draw drawn/\n"
      "  uffizi annotate *.jpg --task open-vocabulary --class car --class \"traffic light\"\n"
      "  uffizi annotate photo.jpg --task region-to-category --region 10,20,300,400\n"
      "  uffizi annotate photos/ --task caption --then grounding --output a.jsonl --coco b.json\n"
      "A job with output files that was stopped goes on when the same command is given again.\n"
      "Exit codes: 0 all answered, 1 some pictures failed, 2 wrong usage, 3 bad model, 4 output\n"
      "cannot be written, 130 stopped.");
  return [options, command] { return RunAnnotate(*command, *options); };
}

}  // namespace uffizi::cli
