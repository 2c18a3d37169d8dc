#ifndef UFFIZI_APPS_OUTPUT_OPTIONS_H_
#define UFFIZI_APPS_OUTPUT_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataset/job.h"
#include "dataset/survey.h"
#include "engine/questions.h"

namespace uffizi::cli {

enum class Format { kTable, kJson, kJsonl, kCsv };

// The outputs of `annotate`.
struct OutputOptions {
  std::optional<Format> format;
  std::string output, csv, coco, yolo, label_studio, sidecar_folder, draw, masks;
  std::string label_studio_prefix;
  dataset::MaskLayout mask_layout = dataset::MaskLayout::kRegions;
  bool sidecar = false;
  std::string prefix, suffix;  // of sidecars
  std::string job;
  std::optional<dataset::Existing> existing;
  bool restart = false, drop_invalid = false;
};

void AddOutputOptions(CLI::App& command, OutputOptions& options);

// Throws Error(kInvalidArgument) for options that do not match each other or the questions.
void CheckOutputOptions(const OutputOptions& options,
                        const std::vector<dataset::Question>& questions);

// Whether answers go to standard output: not if files were requested instead.
bool UsesStandardOutput(const OutputOptions& options);

// The folder of the journal: beside the first output that can be resumed; empty if none can.
std::filesystem::path JobFolder(const OutputOptions& options);

// All outputs, including the journal's folder.
std::vector<dataset::NamedOutput> NamedOutputs(const OutputOptions& options,
                                               const std::filesystem::path& job_folder);

// Folders of outputs, which are not searched for pictures.
std::vector<std::filesystem::path> SkippedFolders(const OutputOptions& options);

std::vector<std::unique_ptr<dataset::Sink>> MakeSinks(
    const OutputOptions& options, const std::filesystem::path& work_folder,
    const dataset::ClassNames& classes, const std::vector<dataset::Question>& questions);

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_OUTPUT_OPTIONS_H_
