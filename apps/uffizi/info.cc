#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "commands.h"
#include "engine_options.h"
#include "uffizi/engine.h"

namespace uffizi::cli {
namespace {

struct InfoOptions {
  std::string model;
  EngineOptions engine;
  bool json = false;
};

constexpr double kMega = 1e6;

int RunInfo(const InfoOptions& options) {
  const EngineInfo info = LoadEngine(options.model, options.engine)->info();
  std::vector<std::string> tasks;
  for (const TaskInfo& task : AllTasks()) tasks.emplace_back(task.name);
  if (options.json) {
    auto json = nlohmann::ordered_json::parse(EngineInfoToJson(info));
    json["model"] = json["path"];
    json["image_size"] = {info.image_width, info.image_height};
    json["tasks"] = tasks;
    fmt::print("{}\n", json.dump());
    return kOk;
  }
  fmt::print("model         {}\n", info.path);
  for (const LoraSource& lora : info.lora) {
    fmt::print("adapter       {}, weight {}\n", lora.source.string(), lora.weight);
  }
  fmt::print("parameters    {:.1f} M, stored as {}, {:.1f} MB\n",
             static_cast<double>(info.parameters) / kMega, info.precision,
             static_cast<double>(info.weight_bytes) / kMega);
  fmt::print("in memory     {:.1f} MB of weights, mapped files included\n",
             static_cast<double>(info.resident_bytes) / kMega);
  fmt::print("computes in   {}, {} kernels, {} threads\n", info.compute, info.kernels,
             info.threads);
  fmt::print("picture       {} x {} pixels, {} tokens\n", info.image_width, info.image_height,
             info.image_tokens);
  fmt::print("text          d_model {}, {}+{} layers, vocabulary {}, {} positions\n", info.d_model,
             info.encoder_layers, info.decoder_layers, info.vocab_size, info.max_positions);
  fmt::print("tasks         {}, or any prompt of your own\n", fmt::join(tasks, ", "));
  return kOk;
}

}  // namespace

Command AddInfo(CLI::App& app) {
  auto options = std::make_shared<InfoOptions>();
  CLI::App* command = app.add_subcommand("info", "Tell a model's size, precision, tasks, memory");
  command->add_option("MODEL", options->model,
                      "Model folder, artifact or name (default: the one that came along)");
  AddEngineOptions(*command, options->engine);
  command->add_flag("--json", options->json, "One JSON object instead of a table");
  return [options] { return RunInfo(*options); };
}

}  // namespace uffizi::cli
