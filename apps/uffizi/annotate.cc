#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <optional>

#include "commands.h"
#include "core/owned_folders.h"
#include "dataset/job.h"
#include "dataset/output_names.h"
#include "model_options.h"
#include "output_options.h"
#include "progress.h"
#include "say.h"

namespace uffizi::cli {
namespace {

namespace fs = std::filesystem;

struct AnnotateOptions {
  std::vector<std::string> pictures;
  dataset::CollectionOptions collection;
  ModelOptions model;
  OutputOptions output;
  bool quiet = false;
};

// Set by the first Ctrl-C; the second ends the process at once.
std::atomic<bool> stop_requested = false;

void RequestStop(int signal) {
  stop_requested = true;
  std::signal(signal, SIG_DFL);
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
      {"decoding", Describe(model.picture)},
      {"outputs", outputs},
      {"classes", fmt::format("{}", fmt::join(model.classes, ", "))},
      {"regions", Describe(model.filter)},
      {"invalid pictures", options.output.drop_invalid ? "dropped" : "kept"},
      {"csv column", options.collection.csv_column},
  };
}

ProgressDisplay::Style ProgressStyle(const AnnotateOptions& options) {
  if (options.quiet) return ProgressDisplay::Style::kNone;
  if (isatty(STDERR_FILENO) == 0) return ProgressDisplay::Style::kLines;
  const bool mixed = UsesStandardOutput(options.output) && isatty(STDOUT_FILENO) != 0;
  return mixed ? ProgressDisplay::Style::kNone : ProgressDisplay::Style::kBar;
}

// Runs the job with its progress on standard error, until it ends or is stopped.
dataset::JobSummary Run(dataset::Job& job, const AnnotateOptions& options,
                        std::optional<size_t> total) {
  job.stop = &stop_requested;
  std::signal(SIGINT, RequestStop);
  std::signal(SIGTERM, RequestStop);
  try {
    ProgressDisplay display(total, ProgressStyle(options));
    job.progress = [&](const dataset::JobProgress& progress) { display.Show(progress); };
    return dataset::RunJob(job);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kIo || job.journal == nullptr) throw;
    throw Error(error.code(), std::string(error.what()) + "; run the same command again to resume");
  }
}

void SayWhatStayed(const dataset::JobSummary& summary) {
  const auto say = [](size_t count, const char* one, const char* many, const char* what) {
    if (count > 0) Say("uffizi: {} {} {}\n", count, count == 1 ? one : many, what);
  };
  say(summary.already_there, "picture", "pictures",
      "skipped because their outputs exist; --existing overwrite replaces them");
  say(summary.kept, "file", "files", "of other pictures kept as they were");
  say(summary.outside, "region", "regions",
      "dropped because their labels are not among the "
      "classes");
}

// "7 other files in the folders skipped (4 .txt, 3 .mp4)".
std::string Describe(const dataset::LeftOut& left_out) {
  constexpr size_t kMost = 8;
  std::vector<std::pair<size_t, std::string>> kinds;
  size_t all = 0;
  for (const auto& [extension, count] : left_out) {
    all += count;
    kinds.emplace_back(count, extension.empty() ? "without extension" : extension);
  }
  std::stable_sort(kinds.begin(), kinds.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string list;
  for (size_t i = 0; i < std::min(kMost, kinds.size()); ++i) {
    list += fmt::format("{}{} {}", i == 0 ? "" : ", ", kinds[i].first, kinds[i].second);
  }
  if (kinds.size() > kMost) list += ", ...";
  return fmt::format("{} other file{} in the folders skipped ({})", all, all == 1 ? "" : "s", list);
}

int Conclude(const dataset::JobSummary& summary, std::optional<size_t> total, bool resumable,
             bool quiet) {
  const dataset::JobProgress& progress = summary.progress;
  if (!summary.finished) {
    const std::string of = total ? fmt::format(" of {}", *total) : "";
    Say("uffizi: stopped after {}{} pictures; {}\n", progress.done, of,
        resumable ? "run the same command again to resume"
                  : "the answers so far have been written");
    return kInterrupted;
  }
  if (!quiet) SayWhatStayed(summary);
  if (progress.failed > 0 && !quiet) {
    Say("uffizi: {} of {} pictures failed\n", progress.failed, progress.done);
  }
  if (!summary.left_out.empty() && !quiet) {
    fmt::print(stderr, "uffizi: {}\n", Describe(summary.left_out));
  }
  return progress.failed > 0 ? kSomeFailed : kOk;
}

// All other inputs than the pictures.
dataset::OtherInputs OtherInputs(const AnnotateOptions& options) {
  dataset::OtherInputs inputs;
  for (const std::string& picture : options.pictures) {
    std::error_code ignored;
    if (picture == "-") {
      inputs.emplace_back("/dev/stdin");
    } else if (!fs::is_directory(picture, ignored)) {
      inputs.emplace_back(picture);
    }
  }
  const ModelOptions& model = options.model;
  if (!model.classes_file.empty()) inputs.emplace_back(model.classes_file);
  if (!model.model.empty()) inputs.emplace_back(model.model);
  for (const LoraSource& lora : model.engine.lora) inputs.push_back(lora.source);
  return inputs;
}

// Drawings among the pictures would be taken for pictures the next time.
void CheckDrawFolder(const AnnotateOptions& options) {
  for (const std::string& picture : options.pictures) {
    std::error_code ignored;
    if (!options.output.draw.empty() && fs::is_directory(picture, ignored) &&
        fs::equivalent(picture, options.output.draw, ignored)) {
      throw Error(ErrorCode::kInvalidArgument,
                  options.output.draw + ": is an input and cannot also be the folder of --draw");
    }
  }
}

int RunAnnotate(const CLI::App& command, AnnotateOptions& options) {
  ReadClasses(options.model);
  const dataset::ClassNames classes = options.model.classes.empty()
                                          ? dataset::ClassNames()
                                          : dataset::FixedClasses(options.model.classes);
  const std::vector<dataset::Question> questions = MakeQuestions(command, options.model);
  CheckOutputOptions(options.output, questions);
  CheckDrawFolder(options);
  const fs::path job_folder = JobFolder(options.output);
  const std::vector<dataset::NamedOutput> outputs = NamedOutputs(options.output, job_folder);
  dataset::CheckOutputs(outputs, OtherInputs(options));
  options.collection.skipped_folders = SkippedFolders(options.output);
  options.collection.pages = MakePageSelection(options.model.picture);
  options.collection.decode = MakeDecodeOptions(options.model.picture);
  options.collection.fetch.attempts = kPatientAttempts;
  const dataset::Collection collection(options.pictures, options.collection);
  std::optional<dataset::Journal> journal;
  std::optional<ScratchFolder> scratch;  // temporary data of sinks, if there is no journal
  if (!job_folder.empty()) {
    journal.emplace(job_folder, options.output.job.empty());
  } else {
    scratch.emplace(fs::temp_directory_path() / "uffizi");
  }
  dataset::Job job;
  job.collection = &collection;
  job.sinks = MakeSinks(options.output, journal ? job_folder : scratch->path(), classes, questions);
  job.journal = journal ? &*journal : nullptr;
  job.existing = options.output.existing;
  job.naming = {options.output.sidecar, options.output.yolo};
  job.drop_invalid = options.output.drop_invalid;
  const std::optional<size_t> total = dataset::Survey(job, outputs);
  if (total == size_t{0}) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("{}: contains no pictures", options.pictures.front()));
  }
  LoadedModel model = LoadModel(options.model, questions, total);
  job.engine = model.engine;
  job.pipeline = std::move(model.pipeline);
  if (classes.fixed) job.pipeline.classes = std::make_shared<dataset::ClassIndex>(classes);
  if (journal) {
    journal->Begin(Fingerprint(options, questions, job.engine->info(), job.sinks),
                   options.output.restart);
    if (journal->found() && !options.quiet) {
      Say("uffizi: resuming after {} pictures\n", journal->found()->done);
    }
  }
  return Conclude(Run(job, options, total), total, journal.has_value(), options.quiet);
}

}  // namespace

Command AddAnnotate(CLI::App& app) {
  auto options = std::make_shared<AnnotateOptions>();
  CLI::App* command = app.add_subcommand("annotate", "Ask a model about pictures");
  command
      ->add_option(
          "PICTURE", options->pictures,
          "Picture files (JPEG, PNG, WebP, GIF, TIFF, BMP, HEIC, AVIF, PDF and others), folders, "
          "which are searched recursively, glob patterns, .tar archives, .csv files with a column "
          "of paths, videos (with --every), or - for a list of paths on standard input")
      ->required();
  command->add_option("--csv-column", options->collection.csv_column,
                      "The column of paths in a .csv (default: path, image, file, ...)");
  command->add_flag("--allow-private-urls", options->collection.fetch.allow_private,
                    "Fetch http(s) pictures from private networks and through proxies too");
  AddModelOptions(*command, options->model);
  AddOutputOptions(*command, options->output);
  command->add_flag("--quiet", options->quiet, "Print only failures on standard error");
  command->footer(
      "Examples:\n"
      "  uffizi annotate photo.jpg --task od --task caption --draw drawn/\n"
      "  uffizi annotate *.jpg --task open-vocabulary --class car --class \"traffic light\"\n"
      "  uffizi annotate photo.jpg --task region-to-category --region 10,20,300,400\n"
      "  uffizi annotate photos/ --task caption --then grounding --output a.jsonl --coco b.json\n"
      "  uffizi annotate photos/ --task detailed-caption --sidecar --prefix \"ohwx, \"\n"
      "  uffizi annotate ds/images --task od --classes classes.txt --yolo ds\n"
      "Existing files are not replaced unless --existing says so.\n"
      "To resume an interrupted job with output files, run the same command again.\n"
      "Exit codes: 0 all answered, 1 some pictures failed, 2 usage error, 3 the model cannot be\n"
      "loaded, 4 the output cannot be written, 130 interrupted.");
  return [options, command] { return RunAnnotate(*command, *options); };
}

}  // namespace uffizi::cli
