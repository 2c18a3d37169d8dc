#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "calibration.h"
#include "commands.h"
#include "engine_options.h"
#include "fidelity_report.h"
#include "megabytes.h"
#include "progress.h"
#include "say.h"

namespace uffizi::cli {
namespace {

namespace fs = std::filesystem;

struct CheckOptions {
  std::string model, against;
  std::vector<std::string> pictures;
  QuestionOptions questions;
  EngineOptions engine;
  bool json = false, quiet = false;
};

// Asks a model in float32 and then frees it.
FidelityReference AskReference(const CheckOptions& options, FidelityOptions fidelity,
                               std::span<const fs::path> pictures, StatusLine& line, size_t& failed,
                               EngineInfo& info) {
  EngineOptions exact = options.engine;
  exact.compute = Compute::kF32;
  exact.kind = EngineKind::kNative;
  const auto engine = LoadEngine(options.against, exact);
  info = engine->info();
  size_t done = 0;
  return {engine, pictures, std::move(fidelity), [&](const Error* error) {
            if (error != nullptr) {
              ++failed;
              Say("uffizi: {}\n", error->what());
            }
            ++done;
            if (!line.Due()) return;
            line.Show(fmt::format("{} of {} pictures answered in f32", done, pictures.size()),
                      static_cast<double>(done) / static_cast<double>(pictures.size()));
          }};
}

void Print(const EngineInfo& truth, double truth_seconds, const EngineInfo& info,
           const Fidelity& fidelity) {
  fmt::print("{} in {} against {} in f32, {} picture{}\n", info.path, info.compute, truth.path,
             fidelity.pictures, fidelity.pictures == 1 ? "" : "s");
  for (const std::string& line : FidelityLines(fidelity)) fmt::print("{}\n", line);
  fmt::print("{}{:.2f} s per picture and {:.1f} MB of weights in memory; f32 {:.2f} s, {:.1f} MB\n",
             FidelityName(fidelity, "cost"), fidelity.seconds, Megabytes(info.resident_bytes),
             truth_seconds, Megabytes(truth.resident_bytes));
}

void PrintJson(const EngineInfo& truth, double truth_seconds, const EngineInfo& info,
               const Fidelity& fidelity, size_t failed) {
  nlohmann::ordered_json json = {
      {"model", info.path}, {"compute", info.compute}, {"against", truth.path}};
  json["pictures_failed"] = failed;
  json.update(FidelityJson(fidelity));
  json["resident_bytes"] = info.resident_bytes;
  json["weight_bytes"] = info.weight_bytes;
  json["against_seconds_per_picture"] = truth_seconds;
  json["against_resident_bytes"] = truth.resident_bytes;
  json["against_weight_bytes"] = truth.weight_bytes;
  fmt::print("{}\n", json.dump());
}

int RunCheck(const CLI::App& command, CheckOptions options) {
  FidelityOptions asked = MakeFidelityOptions(command, options.questions);
  if (options.against.empty()) {
    options.against = options.model;
    if (options.engine.compute == Compute::kAuto) options.engine.compute = Compute::kInt4;
  }
  const std::vector<fs::path> pictures = FindPictures(options.pictures);
  size_t failed = 0;
  EngineInfo truth, info;
  Fidelity fidelity;
  double truth_seconds = 0;
  {
    StatusLine line(StatusLine::StyleFor(options.quiet));
    const FidelityReference reference =
        AskReference(options, std::move(asked), pictures, line, failed, truth);
    truth_seconds = reference.seconds();
    if (options.against != options.model) options.engine.lora.clear();  // already merged into it
    const auto engine = LoadEngine(options.model, options.engine);
    info = engine->info();
    size_t done = 0;
    fidelity = reference.Compare(engine, [&] {
      ++done;
      if (!line.Due()) return;
      line.Show(fmt::format("{} of {} pictures compared", done, reference.pictures()),
                static_cast<double>(done) / static_cast<double>(reference.pictures()));
    });
  }
  if (options.json) {
    PrintJson(truth, truth_seconds, info, fidelity, failed);
  } else {
    Print(truth, truth_seconds, info, fidelity);
  }
  return failed > 0 ? kSomeFailed : kOk;
}

}  // namespace

Command AddCheck(CLI::App& app) {
  auto options = std::make_shared<CheckOptions>();
  CLI::App* command =
      app.add_subcommand("check", "Measure how 4-bit weights change a model's answers");
  command->add_option("MODEL", options->model, "Model folder, artifact or name to check")
      ->required();
  command
      ->add_option("PICTURES", options->pictures,
                   "Pictures or folders of pictures: at least 20, typical of the model's use")
      ->required();
  command
      ->add_option("--against", options->against,
                   "Model whose f32 answers are the reference (default: MODEL itself, which is "
                   "then checked in int4)")
      ->allow_extra_args(false);
  AddFidelityOptions(*command, options->questions, "Task to compare");
  AddEngineOptions(*command, options->engine);
  command->add_flag("--json", options->json, "Print the report as one JSON object");
  command->add_flag("--quiet", options->quiet, "Do not show progress on standard error");
  command->footer(
      "No labels are needed: both models answer the same questions as `annotate` would, and the "
      "f32\n"
      "answers are the reference. Regions are compared by COCO's AP50 of their boxes, and "
      "captions\n"
      "and text by edit distance. Next-token predictions along the f32 answers are compared by "
      "agreement and KL\n"
      "divergence. --lora merges adapters into the reference model.\n"
      "Examples:\n"
      "  uffizi check Florence-2-large photos/\n"
      "  uffizi check Florence-2-large photos/ --task od --task caption --then grounding\n"
      "  uffizi check Florence-2-large-int4 --against Florence-2-large photos/ --json");
  return [options, command] { return RunCheck(*command, *options); };
}

}  // namespace uffizi::cli
