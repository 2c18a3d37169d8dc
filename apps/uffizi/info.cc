#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "calibration.h"
#include "commands.h"
#include "engine/activation_peaks.h"
#include "engine_options.h"
#include "megabytes.h"
#include "progress.h"
#include "uffizi/engine.h"

namespace uffizi::cli {
namespace {

struct InfoOptions {
  std::string model;
  EngineOptions engine;
  std::vector<std::string> pictures;
  bool json = false;
};

// Of each layer, how far activations peak over their root mean square: measured on pictures, or
// estimated. Empty where nobody can tell: of OpenVINO's graphs.
std::map<std::string, double> FindPeaks(const InfoOptions& options, const EngineInfo& info,
                                        size_t& failed) {
  if (options.engine.kind != EngineKind::kNative) return {};
  if (options.pictures.empty()) return EstimatePeaks(info.path, info.lora);
  StatusLine line(StatusLine::StyleFor(false));
  return CalibrateWith(info.path, info.lora, options.pictures, failed,
                       [&](const std::string& text) {
                         if (line.Due()) line.Show(text, std::nullopt);
                       })
      ->peaks();
}

// The layers with outliers, the worst first.
std::vector<std::pair<std::string, double>> Outliers(const std::map<std::string, double>& peaks) {
  std::vector<std::pair<std::string, double>> outliers;
  for (const auto& layer : peaks) {
    if (layer.second > kPeakToWarnOf) outliers.push_back(layer);
  }
  std::stable_sort(outliers.begin(), outliers.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return outliers;
}

void PrintOutliers(const std::vector<std::pair<std::string, double>>& outliers, bool measured) {
  if (outliers.empty()) return;
  constexpr size_t kShown = 5;
  fmt::print(
      "warning       {} layer{} take{} activations that peak over {:.0f} times their rms, {}:\n",
      outliers.size(), outliers.size() == 1 ? "" : "s", outliers.size() == 1 ? "s" : "",
      kPeakToWarnOf, measured ? "on these pictures" : "estimated from weights and norms");
  for (size_t i = 0; i < std::min(kShown, outliers.size()); ++i) {
    fmt::print("              {} {:.0f}\n", outliers[i].first, outliers[i].second);
  }
  if (outliers.size() > kShown) {
    fmt::print("              and {} more\n", outliers.size() - kShown);
  }
  fmt::print(
      "              such layers are smoothed in 4 bits; `uffizi check` measures the loss\n");
}

int RunInfo(const InfoOptions& options) {
  const EngineInfo info = LoadEngine(options.model, options.engine)->info();
  size_t failed = 0;
  const std::map<std::string, double> peaks = FindPeaks(options, info, failed);
  const auto outliers = Outliers(peaks);
  std::vector<std::string> tasks;
  for (const TaskInfo& task : AllTasks()) tasks.emplace_back(task.name);
  if (options.json) {
    auto json = nlohmann::ordered_json::parse(EngineInfoToJson(info));
    json["model"] = json["path"];
    json["image_size"] = {info.image_width, info.image_height};
    json["tasks"] = tasks;
    double greatest = 0;
    for (const auto& [name, peak] : peaks) greatest = std::max(greatest, peak);
    json["activation_peak"] = greatest;
    json["activation_outliers"] = nlohmann::ordered_json::object();
    for (const auto& [name, peak] : outliers) json["activation_outliers"][name] = peak;
    fmt::print("{}\n", json.dump());
    return failed > 0 ? kSomeFailed : kOk;
  }
  fmt::print("model         {}\n", info.path);
  for (const LoraSource& lora : info.lora) {
    fmt::print("adapter       {}, weight {}\n", lora.source.string(), lora.weight);
  }
  fmt::print("parameters    {:.1f} M, stored as {}, {:.1f} MB\n",
             static_cast<double>(info.parameters) / 1e6, info.precision,
             Megabytes(info.weight_bytes));
  fmt::print("in memory     {:.1f} MB of weights, mapped files included\n",
             Megabytes(info.resident_bytes));
  fmt::print("computes in   {}, {} kernels, {} threads\n", info.compute, info.kernels,
             info.threads);
  fmt::print("picture       {} x {} pixels, {} tokens\n", info.image_width, info.image_height,
             info.image_tokens);
  fmt::print("text          d_model {}, {}+{} layers, vocabulary {}, {} positions\n", info.d_model,
             info.encoder_layers, info.decoder_layers, info.vocab_size, info.max_positions);
  fmt::print("tasks         {}, or your own prompt\n", fmt::join(tasks, ", "));
  PrintOutliers(outliers, !options.pictures.empty());
  return failed > 0 ? kSomeFailed : kOk;
}

}  // namespace

Command AddInfo(CLI::App& app) {
  auto options = std::make_shared<InfoOptions>();
  CLI::App* command = app.add_subcommand("info",
                                         "Print a model's size, precision, tasks and "
                                         "memory use");
  command->add_option("MODEL", options->model,
                      "Model folder, artifact or name (default: the included model)");
  AddEngineOptions(*command, options->engine);
  command->add_option("--pictures", options->pictures,
                      "Pictures or folders of pictures on which to measure, in f32, how far each "
                      "layer's activations peak above their root mean square");
  command->add_flag("--json", options->json, "Print one JSON object instead of a table");
  command->footer(fmt::format(
      "Warns of layers whose activations peak above {:.0f} times their root mean square. Beside "
      "such\npeaks, a few bits cannot represent the other values, unless columns are smoothed, as "
      "Uffizi does.\nPeaks are estimated from weights and norms, which is immediate; --pictures "
      "measures them.\n"
      "Examples:\n"
      "  uffizi info Florence-2-large\n"
      "  uffizi info Florence-2-large --pictures photos/",
      kPeakToWarnOf));
  return [options] { return RunInfo(*options); };
}

}  // namespace uffizi::cli
