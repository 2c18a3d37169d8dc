#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "calibration.h"
#include "commands.h"
#include "engine/adapters.h"
#include "quantize/quantize_folder.h"
#include "say.h"
#include "uffizi/error.h"

namespace uffizi::cli {
namespace {

namespace fs = std::filesystem;

struct QuantizeCommandOptions {
  std::string model, out;
  std::vector<LoraSource> lora;
  int bits = 4;
  size_t group_size = 64;
  bool asymmetric = false, plain = false, force = false, json = false, quiet = false;
  std::vector<std::string> calibrate;
};

constexpr double kMega = 1e6;

// A line on standard error that is written over.
class StatusLine {
 public:
  explicit StatusLine(bool show) : show_(show && isatty(STDERR_FILENO) != 0) {}
  ~StatusLine() {
    if (show_) cli::Say("\r\033[K");
  }
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;
  void Say(const std::string& text) const {
    if (show_) cli::Say("\r\033[K{}", text);
  }

 private:
  bool show_;
};

std::string ShapeText(const std::vector<int64_t>& shape) {
  return fmt::format("{}", fmt::join(shape, " x "));
}

void PrintReport(const FolderReport& report, const QuantizeCommandOptions& options) {
  double worst = 0, squares = 0;
  size_t quantized = 0;
  fmt::print("{:<66} {:>16} {:>5} {:>8}\n", "matrix", "shape", "bits", "error");
  for (const LayerReport& layer : report.layers) {
    fmt::print("{:<66} {:>16} {:>5} {:>8}\n", layer.name, ShapeText(layer.shape), layer.bits,
               layer.bits == 16 ? "kept" : fmt::format("{:.2f} %", 100 * layer.error));
    if (layer.bits == 16) continue;
    worst = std::max(worst, layer.error);
    squares += layer.error * layer.error;
    ++quantized;
  }
  const double mean = quantized == 0 ? 0 : std::sqrt(squares / static_cast<double>(quantized));
  fmt::print("{} of {} matrices in {} bits, error {:.2f} %, at most {:.2f} %{}\n", quantized,
             report.layers.size(), options.bits, 100 * mean, 100 * worst,
             !options.calibrate.empty() ? ", weighted by what the pictures put in"
             : options.plain            ? ""
                                        : ", weighted by what is estimated to enter");
  fmt::print("kept matrices are computed with in 8 bits; docs/quantization.md says why\n");
  fmt::print("{:.1f} MB before, {:.1f} MB after: {}\n",
             static_cast<double>(report.bytes_before) / kMega,
             static_cast<double>(report.bytes_after) / kMega, options.out);
}

void PrintJson(const FolderReport& report) {
  nlohmann::json layers = nlohmann::json::array();
  for (const LayerReport& layer : report.layers) {
    layers.push_back({{"name", layer.name},
                      {"shape", layer.shape},
                      {"bits", layer.bits},
                      {"error", layer.error}});
  }
  const nlohmann::json json = {{"bytes_before", report.bytes_before},
                               {"bytes_after", report.bytes_after},
                               {"layers", layers}};
  fmt::print("{}\n", json.dump());
}

int RunQuantize(const QuantizeCommandOptions& options) {
  QuantizeFolderOptions folder;
  folder.weights = {options.bits, options.group_size, !options.asymmetric};
  folder.overwrite = options.force;
  folder.smooth = !options.plain;
  size_t failed = 0;
  CheckQuantizeTarget(options.out, options.force);
  const fs::path model = FindModel(options.model, 16);
  const std::vector<LoraSource> lora = FindAdapters(options.lora);
  folder.adapters = LoadAdapters(lora);
  {
    const StatusLine status(!options.quiet);
    if (!options.calibrate.empty()) {
      folder.importance = CalibrateWith(model, lora, options.calibrate, failed,
                                        [&](const std::string& text) { status.Say(text); });
    }
    folder.progress = [&](const std::string& name, size_t done, size_t total) {
      status.Say(fmt::format("{:3.0f} %  {}",
                             100 * static_cast<double>(done) / static_cast<double>(total), name));
    };
    const FolderReport report = QuantizeFolder(model, options.out, folder);
    status.Say("");
    if (options.json) {
      PrintJson(report);
    } else {
      PrintReport(report, options);
    }
  }
  return failed > 0 ? kSomeFailed : kOk;
}

}  // namespace

Command AddQuantize(CLI::App& app) {
  auto options = std::make_shared<QuantizeCommandOptions>();
  CLI::App* command = app.add_subcommand("quantize", "Write a model folder in 4 or 8 bits");
  command->add_option("MODEL", options->model, "Model folder in full precision")->required();
  command->add_option("OUT", options->out, "Folder to make")->required();
  AddLoraOption(*command, options->lora);
  command->add_option("--bits", options->bits, "Of a weight: 4 or 8")
      ->check(CLI::IsMember({4, 8}))
      ->capture_default_str();
  command->add_option("--group-size", options->group_size, "Weights that share a scale")
      ->check(CLI::IsMember({32, 64, 128}))
      ->capture_default_str();
  command->add_flag("--asymmetric", options->asymmetric,
                    "Zero points: a little less error, a little larger and slower");
  command->add_option("--calibrate", options->calibrate,
                      "Pictures, or folders of them: errors count by what these put into a layer");
  command->add_flag("--no-smoothing", options->plain,
                    "Leave norms and columns as they are; answers are lost where channels differ");
  command->add_flag("--force", options->force,
                    "Replace the model in OUT, if it is a model folder; all else in it stays");
  command->add_flag("--json", options->json, "The report as one JSON object");
  command->add_flag("--quiet", options->quiet, "No progress on standard error");
  command->footer(
      "The folder is in compressed-tensors' pack-quantized form, which transformers opens too.\n"
      "Examples:\n"
      "  uffizi quantize Florence-2-large Florence-2-large-int4\n"
      "  uffizi quantize Florence-2-base out --group-size 32 --calibrate photos/");
  return [options] { return RunQuantize(*options); };
}

}  // namespace uffizi::cli
