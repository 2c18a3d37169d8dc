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
    nlohmann::json adapters = nlohmann::json::array();
    for (const LoraSource& lora : info.lora) {
      adapters.push_back({{"source", lora.source.string()}, {"weight", lora.weight}});
    }
    const nlohmann::json json = {{"model", info.path},
                                 {"lora", adapters},
                                 {"parameters", info.parameters},
                                 {"precision", info.precision},
                                 {"weight_bytes", info.weight_bytes},
                                 {"resident_bytes", info.resident_bytes},
                                 {"compute", info.compute},
                                 {"kernels", info.kernels},
                                 {"threads", info.threads},
                                 {"image_size", {info.image_width, info.image_height}},
                                 {"image_tokens", info.image_tokens},
                                 {"d_model", info.d_model},
                                 {"encoder_layers", info.encoder_layers},
                                 {"decoder_layers", info.decoder_layers},
                                 {"vocab_size", info.vocab_size},
                                 {"max_positions", info.max_positions},
                                 {"tasks", tasks}};
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
