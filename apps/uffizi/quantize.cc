#include <fmt/format.h>

#include "calibration.h"
#include "commands.h"
#include "engine/adapters.h"
#include "engine/quantize_within.h"
#include "fidelity_report.h"
#include "progress.h"
#include "quantize/model_card.h"
#include "quantize/new_model_folder.h"
#include "quantize/quantize_folder.h"
#include "quantize_report.h"
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
  QuestionOptions questions;  // for max_loss
  std::optional<double> max_loss;
  bool replace_card = false, gptq = false;
};

// One run of the command.
class Quantize {
 public:
  Quantize(const CLI::App& command, const QuantizeCommandOptions& options)
      : options_(options), line_(StatusLine::StyleFor(options.quiet)) {
    CheckQuantizeTarget(options.out, options.force);
    fidelity_ = MakeFidelityOptions(command, options.questions);
    model_ = FindModel(options.model, 16);
    CheckQuantizeSource(model_);
    lora_ = FindAdapters(options.lora);
    folder_.weights = {options.bits, options.group_size, !options.asymmetric};
    folder_.overwrite = options.force;
    folder_.smooth = !options.plain;
    folder_.adapters = LoadAdapters(lora_);
    title_.out = options.out;
    title_.model = options.model;
    title_.weights = folder_.weights;
    title_.calibrated = !options.calibrate.empty();
    title_.plain = options.plain;
    title_.gptq = options.gptq;
  }

  int Run() {
    if (!options_.calibrate.empty()) {
      calibration_ = CalibrateWith(model_, lora_, options_.calibrate, failed_,
                                   [&](const std::string& text) { Show(text, {}); });
      folder_.importance = calibration_->mean_squares();
    }
    if (options_.gptq) {
      folder_.products = [&](std::span<const std::string> weights) {
        line_.Show(fmt::format("collecting the inputs of {} layers", weights.size()), {});
        return calibration_->Products(weights);
      };
    }
    return options_.max_loss ? RunWithin() : RunPlain();
  }

 private:
  int RunPlain() {
    folder_.progress = [&](const std::string& name, size_t done, size_t total) {
      Show(name, static_cast<double>(done) / static_cast<double>(total));
    };
    const FolderReport report = QuantizeFolder(model_, options_.out, folder_);
    line_.Clear();
    if (options_.json) {
      PrintQuantizeJson(report, nullptr);
    } else {
      PrintQuantizeReport(report, title_);
    }
    return failed_ > 0 ? kSomeFailed : kOk;
  }

  int RunWithin() {
    const auto reference = AskReference();
    title_.reference_seconds = reference->seconds();
    WithinOptions within;
    within.folder = folder_;
    within.max_loss = *options_.max_loss;
    within.replace_card = options_.replace_card;
    within.progress = [&](const std::string& what, std::optional<double> share) {
      Show(what, share);
    };
    within.card = [&](const WithinReport& report) { return MakeCardSection(report, title_); };
    const fs::path card = fs::path(options_.out) / kCardFile;
    const bool foreign = fs::exists(card) && !IsOwnCard(card) && !options_.replace_card;
    const WithinReport report = QuantizeWithin(model_, options_.out, *reference, within);
    line_.Clear();
    if (options_.json) {
      PrintQuantizeJson(report.folder, &report);
    } else {
      PrintQuantizeReport(report.folder, title_);
      PrintWithinReport(report, title_);
    }
    if (foreign) {
      Say("uffizi: {}: was written or changed by somebody and was kept; --replace-card replaces "
          "it\n",
          card.string());
    }
    return failed_ > 0 || !report.holds ? kSomeFailed : kOk;
  }

  // The model's own answers in float32. What cannot be read was told while calibrating.
  std::unique_ptr<FidelityReference> AskReference() {
    EngineOptions exact;
    exact.compute = Compute::kF32;
    exact.lora = lora_;
    const auto engine = Engine::Load(model_, exact);
    title_.reference_bytes = engine->info().resident_bytes;
    const std::vector<fs::path> pictures = FindPictures(options_.calibrate);
    size_t done = 0;
    return std::make_unique<FidelityReference>(engine, pictures, fidelity_, [&](const Error*) {
      ++done;
      Show("computing the f32 answers",
           static_cast<double>(done) / static_cast<double>(pictures.size()));
    });
  }

  void Show(const std::string& text, std::optional<double> share) {
    if (line_.Due()) line_.Show(text, share);
  }

  const QuantizeCommandOptions& options_;
  StatusLine line_;
  fs::path model_;
  std::vector<LoraSource> lora_;
  FidelityOptions fidelity_;
  QuantizeFolderOptions folder_;
  QuantizeTitle title_;
  std::unique_ptr<Calibration> calibration_;
  size_t failed_ = 0;
};

void AddWithinOptions(CLI::App& command, QuantizeCommandOptions& options) {
  CLI::Option* calibrate = command.get_option("--calibrate");
  CLI::Option* max_loss =
      command
          .add_option("--max-loss", options.max_loss,
                      "Maximum loss of answers about the pictures compared with f32, in points "
                      "(AP50 of boxes, edits for each 100 characters of text; see `uffizi "
                      "check`). Layers are widened to 8 bits, the worst first, until it is met, "
                      "and OUT gets a README.md with the figures")
          ->check(CLI::Range(0.0, 100.0).description(""))
          ->type_name("POINTS")
          ->needs(calibrate);
  AddFidelityOptions(command, options.questions, "For --max-loss: task to measure");
  for (const char* name : {"--task", "--then", "--text"}) {
    command.get_option(name)->needs(max_loss);
  }
  command
      .add_flag("--replace-card", options.replace_card,
                "For --max-loss: replace OUT's README.md even if somebody wrote or changed it")
      ->needs(max_loss);
}

}  // namespace

Command AddQuantize(CLI::App& app) {
  auto options = std::make_shared<QuantizeCommandOptions>();
  CLI::App* command = app.add_subcommand("quantize", "Write a model folder in 4 or 8 bits");
  command->add_option("MODEL", options->model, "Model folder in full precision")->required();
  command->add_option("OUT", options->out, "Folder to write")->required();
  AddLoraOption(*command, options->lora);
  command->add_option("--bits", options->bits, "Bits per weight: 4 or 8")
      ->check(CLI::IsMember({4, 8}))
      ->capture_default_str();
  command->add_option("--group-size", options->group_size, "Weights that share a scale")
      ->check(CLI::IsMember({32, 64, 128}))
      ->capture_default_str();
  command->add_flag("--asymmetric", options->asymmetric,
                    "Use zero points: slightly less error, slightly larger and slower");
  command->add_option("--calibrate", options->calibrate,
                      "Pictures or folders of pictures, on which layer inputs are measured to "
                      "weight the errors");
  command
      ->add_flag(
          "--gptq", options->gptq,
          "With --calibrate: round by GPTQ, where each weight compensates for the rounding of "
          "previous ones; slower, with less loss")
      ->needs(command->get_option("--calibrate"));
  AddWithinOptions(*command, *options);
  command->add_flag("--no-smoothing", options->plain,
                    "Do not smooth channels; this loses accuracy if some are outliers");
  command->add_flag(
      "--force", options->force,
      "Replace the model in OUT, if it is a model folder; other files in it are kept");
  command->add_flag("--json", options->json, "Print the report as one JSON object");
  command->add_flag("--quiet", options->quiet, "Do not show progress on standard error");
  command->footer(
      "The folder has compressed-tensors' pack-quantized format, which transformers can open.\n"
      "Examples:\n"
      "  uffizi quantize Florence-2-large Florence-2-large-int4\n"
      "  uffizi quantize Florence-2-base out --group-size 32 --calibrate photos/\n"
      "  uffizi quantize Florence-2-large out --calibrate photos/ --max-loss 1.0");
  return [options, command] { return Quantize(*command, *options).Run(); };
}

}  // namespace uffizi::cli
