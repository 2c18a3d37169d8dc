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

// What the sinks are made for.
struct SinkContext {
  const OutputOptions& options;
  const fs::path& work_folder;
  const dataset::ClassNames& classes;
  const std::vector<dataset::Question>& questions;
};

std::unique_ptr<dataset::Sink> MakeDrawings(const SinkContext& context) {
  std::vector<std::optional<Task>> tasks;
  for (const dataset::Question& question : context.questions) tasks.push_back(question.task);
  return dataset::MakeDrawingSink(context.options.draw, tasks);
}

std::unique_ptr<dataset::Sink> MakeMasks(const SinkContext& context) {
  std::vector<Task> tasks;
  for (const dataset::Question& question : context.questions) {
    tasks.push_back(question.task.value_or(Task::kRaw));
  }
  return dataset::MakeMaskSink(context.options.masks, context.options.mask_layout, tasks);
}

std::unique_ptr<dataset::Sink> MakeSidecars(const SinkContext& context, const fs::path& folder) {
  return dataset::MakeSidecarSink({folder, context.options.prefix, context.options.suffix});
}

// An output that has a place of its own.
struct Output {
  const char* option;
  std::string OutputOptions::*place;
  bool is_folder;
  bool has_answers;   // nothing goes to standard output then
  bool has_pictures;  // which are not taken for input
  bool only_regions;  // stays empty for other tasks
  const char* help;
  std::unique_ptr<dataset::Sink> (*make)(const SinkContext& context);
};

constexpr Output kOutputs[] = {
    {"--output", &OutputOptions::output, false, true, false, false,
     "File for the answers (default: standard output)",
     [](const SinkContext& context) { return MakeOutputSink(context.options); }},
    {"--csv", &OutputOptions::csv, false, true, false, false,
     "CSV with a row per region or text answer",
     [](const SinkContext& context) { return dataset::MakeCsvSink(context.options.csv); }},
    {"--coco", &OutputOptions::coco, false, true, false, true,
     "COCO annotations; masks as run lengths",
     [](const SinkContext& context) {
       return dataset::MakeCocoSink(context.options.coco, context.work_folder, context.classes);
     }},
    {"--yolo", &OutputOptions::yolo, true, true, true, true,
     "YOLO data set: labels, links to the pictures (none for those in DIR/images), data.yaml",
     [](const SinkContext& context) {
       return dataset::MakeYoloSink(context.options.yolo, context.work_folder, context.classes);
     }},
    {"--label-studio", &OutputOptions::label_studio, false, true, false, false,
     "Tasks with predictions for Label Studio",
     [](const SinkContext& context) {
       return dataset::MakeLabelStudioSink(context.options.label_studio,
                                           context.options.label_studio_prefix);
     }},
    {"--sidecar-folder", &OutputOptions::sidecar_folder, true, true, false, false,
     "A .txt with the answers for each picture, in this folder",
     [](const SinkContext& context) {
       return MakeSidecars(context, context.options.sidecar_folder);
     }},
    {"--draw", &OutputOptions::draw, true, false, true, false, "Folder for annotated pictures",
     MakeDrawings},
    {"--masks", &OutputOptions::masks, true, false, true, true,
     "Folder for masks of the regions, as PNG files, white on black", MakeMasks},
};

// Those that were asked for.
std::vector<const Output*> Chosen(const OutputOptions& options) {
  std::vector<const Output*> chosen;
  for (const Output& output : kOutputs) {
    if (!(options.*output.place).empty()) chosen.push_back(&output);
  }
  return chosen;
}

}  // namespace

bool UsesStandardOutput(const OutputOptions& options) {
  if (!options.output.empty()) return false;
  if (options.format) return true;
  const std::vector<const Output*> chosen = Chosen(options);
  return !options.sidecar && std::none_of(chosen.begin(), chosen.end(),
                                          [](const Output* output) { return output->has_answers; });
}

std::vector<dataset::NamedOutput> NamedOutputs(const OutputOptions& options,
                                               const fs::path& job_folder) {
  std::vector<dataset::NamedOutput> outputs;
  for (const Output* output : Chosen(options)) {
    outputs.push_back({output->option, options.*output->place, output->is_folder});
  }
  if (!options.yolo.empty()) {
    for (const char* name : {"classes.txt", "data.yaml"}) {
      outputs.push_back({"--yolo", fs::path(options.yolo) / name, false});
    }
  }
  if (!job_folder.empty()) outputs.push_back({"--job", job_folder, true});
  return outputs;
}

fs::path JobFolder(const OutputOptions& options) {
  if (!options.job.empty()) return options.job;
  for (const Output* output : Chosen(options)) {
    fs::path path = options.*output->place;
    if (!path.has_filename()) path = path.parent_path();  // "drawn/"
    if (!output->is_folder && dataset::IsStream(path)) continue;
    return path += ".job";
  }
  return options.sidecar ? "uffizi-sidecars.job" : "";
}

std::vector<fs::path> SkippedFolders(const OutputOptions& options) {
  std::vector<fs::path> folders;
  for (const Output* output : Chosen(options)) {
    if (output->has_pictures) folders.emplace_back(options.*output->place);
  }
  return folders;
}

std::vector<std::unique_ptr<dataset::Sink>> MakeSinks(
    const OutputOptions& options, const fs::path& work_folder, const dataset::ClassNames& classes,
    const std::vector<dataset::Question>& questions) {
  const SinkContext context = {options, work_folder, classes, questions};
  std::vector<std::unique_ptr<dataset::Sink>> sinks;
  if (UsesStandardOutput(options)) sinks.push_back(MakeOutputSink(options));
  if (options.sidecar) sinks.push_back(MakeSidecars(context, ""));
  for (const Output* output : Chosen(options)) sinks.push_back(output->make(context));
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
    if (text->find('\n') != std::string::npos) {
      refuse("--prefix and --suffix must be a single line");
    }
  }
  // Sinks for regions only would stay empty without a task that finds some.
  const bool regions =
      std::any_of(questions.begin(), questions.end(), [](const dataset::Question& question) {
        // A raw prompt may contain a task.
        return !question.task || GetTaskInfo(*question.task).shape != AnswerShape::kText;
      });
  if (regions) return;
  for (const Output* output : Chosen(options)) {
    if (!output->only_regions) continue;
    refuse(fmt::format("{} needs a task that finds regions, such as --task od", output->option));
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
  for (const Output& output : kOutputs) {
    add(output.option, options.*output.place, output.is_folder ? "DIR" : "FILE", output.help);
  }
  command
      .add_flag("--sidecar", options.sidecar, "Write a .txt with the answers beside each picture")
      ->group(group);
  add("--prefix", options.prefix, "TEXT",
      "Text to put before each line of a .txt, such as a trigger word: \"ohwx, \"");
  add("--suffix", options.suffix, "TEXT", "Text to put after each line of a .txt");
  add("--label-studio-prefix", options.label_studio_prefix, "TEXT",
      "Prefix of data.image, such as /data/local-files/?d= or an address");
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
