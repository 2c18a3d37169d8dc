#include "engine_options.h"

#include <filesystem>

#include "commands.h"

namespace uffizi::cli {

void AddEngineOptions(CLI::App& command, EngineOptions& engine) {
  AddLoraOption(command, engine.lora);
  command
      .add_option("--compute", engine.compute,
                  "Precision of the computation: " + AllNames<Compute>())
      ->transform(OneOf<Compute>())
      ->type_name("KIND");
  command.add_option("--threads", engine.threads, "Threads (default: all cores)")
      ->check(CLI::Range(0, 1024));
  command
      .add_option("--engine", engine.kind,
                  "Engine that runs the model: native, or openvino, which needs an artifact with "
                  "IR graphs")
      ->transform(OneOf<EngineKind>())
      ->type_name("NAME");
  command
      .add_option("--device", engine.device,
                  "Device of --engine openvino: CPU, GPU, NPU, "
                  "GPU.1, ...")
      ->capture_default_str();
}

std::shared_ptr<const Engine> LoadEngine(const std::string& model, EngineOptions options) {
  options.lora = FindAdapters(options.lora);
  if (options.kind == EngineKind::kNative) {
    const bool exact = options.compute == Compute::kF32 || !options.lora.empty();
    return Engine::Load(FindModel(model, exact ? 16 : 4), options);
  }
  // Uses the artifact itself: its imported folder has no graphs.
  return Engine::Load(model.empty() ? DefaultModel() : std::filesystem::path(model), options);
}

}  // namespace uffizi::cli
