#include "output_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "table_sink.h"

namespace uffizi::cli {
namespace {

namespace fs = std::filesystem;
using dataset::Existing;

const std::map<std::string, Existing>& ExistingNames() {
  static const std::map<std::string, Existing> names = {{"keep", Existing::kKeep},
                                                        {"overwrite", Existing::kOverwrite},
                                                        {"append", Existing::kAppend},
                                                        {"prepend", Existing::kPrepend}};
  return names;
}

// --format, else by the output's extension; a table only on standard output.
Format OutputFormat(const OutputOptions& options) {
  if (options.format) return *options.format;
  if (options.output.empty()) return Format::kTable;
  const std::string extension = fs::path(options.output).extension().string();
  if (extension == ".csv") return Format::kCsv;
  if (extension == ".json") return Format::kJson;
  return Format::kJsonl;
}

std::unique_ptr<dataset::Sink> MakeOutputSink(const OutputOptions& options) {
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

}  // namespace

bool UsesStandardOutput(const OutputOptions& options) {
  if (!options.output.empty()) return false;
  const bool files = !options.csv.empty() || !options.coco.empty() || !options.yolo.empty() ||
                     !options.label_studio.empty() || options.sidecar ||
                     !options.sidecar_folder.empty();
  return options.format || !files;
}

std::vector<dataset::NamedOutput> NamedOutputs(const OutputOptions& options,
                                               const fs::path& job_folder) {
  std::vector<dataset::NamedOutput> outputs;
  const auto add = [&](const char* option, const fs::path& path, bool is_folder) {
    if (!path.empty()) outputs.push_back({option, path, is_folder});
  };
  add("--output", options.output, false);
  add("--csv", options.csv, false);
  add("--coco", options.coco, false);
  add("--label-studio", options.label_studio, false);
  add("--yolo", options.yolo, true);
  if (!options.yolo.empty()) {
    for (const char* name : {"classes.txt", "data.yaml"}) {
      add("--yolo", fs::path(options.yolo) / name, false);
    }
  }
  add("--sidecar-folder", options.sidecar_folder, true);
  add("--draw", options.draw, true);
  add("--masks", options.masks, true);
  add("--job", job_folder, true);
  return outputs;
}

fs::path JobFolder(const OutputOptions& options) {
  if (!options.job.empty()) return options.job;
  for (const std::string* output :
       {&options.output, &options.csv, &options.coco, &options.yolo, &options.label_studio,
        &options.sidecar_folder, &options.draw, &options.masks}) {
    if (output->empty()) continue;
    fs::path path = *output;
    if (!path.has_filename()) path = path.parent_path();  // "drawn/"
    const bool is_file = output != &options.yolo && output != &options.sidecar_folder &&
                         output != &options.draw && output != &options.masks;
    if (is_file && dataset::IsStream(path)) continue;
    return path += ".job";
  }
  return options.sidecar ? "uffizi-sidecars.job" : "";
}

std::vector<fs::path> SkippedFolders(const OutputOptions& options) {
  std::vector<fs::path> folders;
  for (const std::string* folder : {&options.draw, &options.yolo, &options.masks}) {
    if (!folder->empty()) folders.emplace_back(*folder);
  }
  return folders;
}

std::vector<std::unique_ptr<dataset::Sink>> MakeSinks(
    const OutputOptions& options, const fs::path& work_folder, const dataset::ClassNames& classes,
    const std::vector<dataset::Question>& questions) {
  std::vector<std::unique_ptr<dataset::Sink>> sinks;
  if (!options.output.empty() || UsesStandardOutput(options)) {
    sinks.push_back(MakeOutputSink(options));
  }
  if (!options.csv.empty()) sinks.push_back(dataset::MakeCsvSink(options.csv));
  if (!options.coco.empty()) {
    sinks.push_back(dataset::MakeCocoSink(options.coco, work_folder, classes));
  }
  if (!options.yolo.empty()) {
    sinks.push_back(dataset::MakeYoloSink(options.yolo, work_folder, classes));
  }
  if (!options.label_studio.empty())
    sinks.push_back(
        dataset::MakeLabelStudioSink(options.label_studio, options.label_studio_prefix));
  if (options.sidecar)
    sinks.push_back(dataset::MakeSidecarSink({"", options.prefix, options.suffix}));
  if (!options.sidecar_folder.empty()) {
    sinks.push_back(
        dataset::MakeSidecarSink({options.sidecar_folder, options.prefix, options.suffix}));
  }
  if (!options.draw.empty()) {
    std::vector<std::optional<Task>> tasks;
    for (const dataset::Question& question : questions) tasks.push_back(question.task);
    sinks.push_back(dataset::MakeDrawingSink(options.draw, tasks));
  }
  if (!options.masks.empty()) {
    std::vector<Task> tasks;
    for (const dataset::Question& question : questions) {
      tasks.push_back(question.task.value_or(Task::kRaw));
    }
    sinks.push_back(dataset::MakeMaskSink(options.masks, options.mask_layout, tasks));
  }
  return sinks;
}

void CheckOutputOptions(const OutputOptions& options,
                        const std::vector<dataset::Question>& questions) {
  const auto refuse = [](const std::string& reason) {
    throw Error(ErrorCode::kInvalidArgument, reason);
  };
  const bool sidecars = options.sidecar || !options.sidecar_folder.empty();
  if (!sidecars && !(options.prefix.empty() && options.suffix.empty())) {
    refuse("--prefix and --suffix need .txt sidecars: --sidecar or --sidecar-folder DIR");
  }
  for (const std::string* text : {&options.prefix, &options.suffix}) {
    if (text->find('\n') != std::string::npos)
      refuse("--prefix and --suffix must be a single line");
  }
  // Sinks for regions only would stay empty without a task that finds some.
  const bool regions =
      std::any_of(questions.begin(), questions.end(), [](const dataset::Question& question) {
        // A raw prompt may contain a task.
        return !question.task || GetTaskInfo(*question.task).shape != AnswerShape::kText;
      });
  if (regions) return;
  for (const auto& [name, value] : {std::pair{"--coco", &options.coco},
                                    {"--yolo", &options.yolo},
                                    {"--masks", &options.masks}}) {
    if (!value->empty()) {
      refuse(fmt::format("{} needs a task that finds regions, such as --task od", name));
    }
  }
}

void AddOutputOptions(CLI::App& command, OutputOptions& options) {
  const std::string group = "Outputs (any combination)";
  const auto add = [&](const char* name, std::string& value, const char* type, const char* help) {
    command.add_option(name, value, help)->group(group)->type_name(type);
  };
  const std::map<std::string, Format> formats = {{"table", Format::kTable},
                                                 {"json", Format::kJson},
                                                 {"jsonl", Format::kJsonl},
                                                 {"csv", Format::kCsv}};
  command
      .add_option("--format", options.format,
                  "Format of --output: table, json, jsonl or csv (default: by the file's "
                  "extension, else jsonl; table on standard output)")
      ->transform(CLI::CheckedTransformer(formats).description(""))
      ->type_name("FORMAT")
      ->group(group);
  add("--output", options.output, "FILE", "File for the answers (default: standard output)");
  add("--csv", options.csv, "FILE", "CSV with a row per region or text answer");
  add("--coco", options.coco, "FILE", "COCO annotations; masks as run lengths");
  add("--yolo", options.yolo, "DIR",
      "YOLO data set: labels, links to the pictures (none for those in DIR/images), data.yaml");
  add("--label-studio", options.label_studio, "FILE", "Tasks with predictions for Label Studio");
  command
      .add_flag("--sidecar", options.sidecar,
                "Write a .txt with the answers beside each "
                "picture")
      ->group(group);
  add("--sidecar-folder", options.sidecar_folder, "DIR", "Write these .txt files into DIR instead");
  add("--prefix", options.prefix, "TEXT",
      "Text to put before each line of a .txt, such as a trigger word: \"ohwx, \"");
  add("--suffix", options.suffix, "TEXT", "Text to put after each line of a .txt");
  add("--label-studio-prefix", options.label_studio_prefix, "TEXT",
      "Prefix of data.image, such as /data/local-files/?d= or an address");
  add("--draw", options.draw, "DIR", "Folder for annotated pictures");
  add("--masks", options.masks, "DIR",
      "Folder for masks of the regions, as PNG files, white on "
      "black");
  command
      .add_option("--mask-layout", options.mask_layout,
                  "Layout of --masks: a file for each region (regions), or one file of region "
                  "numbers (indexed)")
      ->transform(CLI::CheckedTransformer(std::map<std::string, dataset::MaskLayout>{
                                              {"regions", dataset::MaskLayout::kRegions},
                                              {"indexed", dataset::MaskLayout::kIndexed}})
                      .description(""))
      ->type_name("LAYOUT")
      ->group(group);
  command.add_flag("--drop-invalid", options.drop_invalid, "Leave out error records")->group(group);
  command
      .add_option("--existing", options.existing,
                  "What to do with outputs that exist and were not made by this job: keep (skip "
                  "their pictures), overwrite, or, for a .txt, append or prepend (default: keep a "
                  ".txt, refuse others)")
      ->transform(CLI::CheckedTransformer(ExistingNames()).description(""))
      ->type_name("keep|overwrite|append|prepend")
      ->group(group);
  add("--job", options.job, "DIR",
      "Folder for the job's journal, which must be empty or new (default: beside the first "
      "output)");
  command.add_flag("--restart", options.restart, "Start an unfinished job over")->group(group);
}

}  // namespace uffizi::cli
