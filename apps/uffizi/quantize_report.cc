#include "quantize_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "fidelity_report.h"
#include "megabytes.h"

namespace uffizi::cli {
namespace {

std::string ShapeText(const std::vector<int64_t>& shape) {
  return fmt::format("{}", fmt::join(shape, " x "));
}

size_t CountWidened(const WithinReport& report) {
  return static_cast<size_t>(std::count_if(report.units.begin(), report.units.end(),
                                           [](const auto& unit) { return unit.widened; }));
}

// "int4" of "out/int4/".
std::string FolderName(const std::filesystem::path& folder) {
  return (folder.has_filename() ? folder : folder.parent_path()).filename().string();
}

// What keeping the loss within limits cost.
std::string Cost(const WithinReport& report) {
  const auto change = [](double from, double to) { return 100 * (to / from - 1); };
  const MeasuredFolder &narrow = report.narrow, &written = report.written;
  return fmt::format(
      "{} of {} layers in 8 bits: {:.1f} MB on disk instead of {:.1f}, {:.1f} MB in memory instead "
      "of {:.1f} ({:+.0f} %), {:.3f} s a picture instead of {:.3f} ({:+.0f} %)",
      CountWidened(report), report.units.size(), Megabytes(written.info.weight_bytes),
      Megabytes(narrow.info.weight_bytes), Megabytes(written.info.resident_bytes),
      Megabytes(narrow.info.resident_bytes),
      change(static_cast<double>(narrow.info.resident_bytes),
             static_cast<double>(written.info.resident_bytes)),
      written.fidelity.seconds, narrow.fidelity.seconds,
      change(narrow.fidelity.seconds, written.fidelity.seconds));
}

std::string Verdict(const WithinReport& report) {
  if (report.holds) {
    return fmt::format("The loss is {:.1f} points, within {:.1f}.", report.written.fidelity.Loss(),
                       report.max_loss);
  }
  return fmt::format("The loss is {:.1f} points: {:.1f} is not met even with all layers in 8 bits.",
                     report.written.fidelity.Loss(), report.max_loss);
}

// A row of the card's table.
std::string Row(const std::string& name, const MeasuredFolder& folder) {
  const Fidelity& fidelity = folder.fidelity;
  std::string row = fmt::format("| {} |", name);
  for (const QuestionFidelity& question : fidelity.questions) {
    row += fmt::format(" {} |", FidelityFigure(question));
  }
  const double same = fidelity.tokens == 0 ? 100.0
                                           : 100 * static_cast<double>(fidelity.same_tokens) /
                                                 static_cast<double>(fidelity.tokens);
  return row + fmt::format(" {:.1f} % | {:.4f} | {:.1f} | {:.1f} MB | {:.3f} s |\n", same,
                           fidelity.divergence, fidelity.Loss(),
                           Megabytes(folder.info.resident_bytes), fidelity.seconds);
}

std::string Table(const WithinReport& report, const QuantizeTitle& title) {
  std::string head = "| |", line = "|---|", exact = "| f32, the truth |";
  for (const QuestionFidelity& question : report.written.fidelity.questions) {
    head += fmt::format(" {} |", FidelityTitle(question));
    line += "---|";
    exact += question.has_regions() ? " 100.0 |" : " 0.0 |";
  }
  head += " same next token | KL divergence | loss | in memory | a picture |\n";
  line += "---|---|---|---|---|\n";
  exact += fmt::format(" 100.0 % | 0.0000 | 0.0 | {:.1f} MB | {:.3f} s |\n",
                       Megabytes(title.reference_bytes), title.reference_seconds);
  std::string rows = Row(fmt::format("{} bits", title.weights.bits), report.narrow);
  if (!report.units.empty()) rows += Row("**this folder**, mixed", report.written);
  return head + line + exact + rows;
}

nlohmann::ordered_json MeasuredJson(const MeasuredFolder& measured) {
  nlohmann::ordered_json json = FidelityJson(measured.fidelity);
  json["resident_bytes"] = measured.info.resident_bytes;
  return json;
}

}  // namespace

void PrintQuantizeReport(const FolderReport& report, const QuantizeTitle& title) {
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
             report.layers.size(), title.weights.bits, 100 * mean, 100 * worst,
             title.calibrated ? ", weighted by the inputs measured on the pictures"
             : title.plain    ? ""
                              : ", weighted by the estimated inputs");
  fmt::print("kept matrices are computed in 8 bits; docs/quantization.md explains why\n");
  fmt::print("{:.1f} MB before, {:.1f} MB after: {}\n", Megabytes(report.bytes_before),
             Megabytes(report.bytes_after), title.out);
}

void PrintWithinReport(const WithinReport& report, const QuantizeTitle& title) {
  const size_t pictures = report.written.fidelity.pictures;
  fmt::print("\nagainst {} in f32, {} pictures:\n", title.model, pictures);
  if (!report.units.empty()) {
    fmt::print("in {} bits\n", title.weights.bits);
    for (const std::string& line : FidelityLines(report.narrow.fidelity))
      fmt::print("  {}\n", line);
    fmt::print("as written\n");
  }
  for (const std::string& line : FidelityLines(report.written.fidelity)) fmt::print("  {}\n", line);
  if (!report.units.empty()) fmt::print("{}\n", Cost(report));
  fmt::print("{}\n", Verdict(report));
}

void PrintQuantizeJson(const FolderReport& report, const WithinReport* within) {
  nlohmann::ordered_json layers = nlohmann::ordered_json::array();
  for (const LayerReport& layer : report.layers) {
    layers.push_back({{"name", layer.name},
                      {"shape", layer.shape},
                      {"bits", layer.bits},
                      {"error", layer.error}});
  }
  nlohmann::ordered_json json = {{"bytes_before", report.bytes_before},
                                 {"bytes_after", report.bytes_after},
                                 {"layers", layers}};
  if (within != nullptr) {
    nlohmann::ordered_json widened = nlohmann::ordered_json::array();
    for (const WithinReport::Unit& unit : within->units) {
      if (unit.widened) widened.push_back({{"name", unit.name}, {"gain", unit.gain}});
    }
    json["max_loss"] = within->max_loss;
    json["holds"] = within->holds;
    json["narrow"] = MeasuredJson(within->narrow);
    json["written"] = MeasuredJson(within->written);
    json["widened"] = widened;
  }
  fmt::print("{}\n", json.dump());
}

std::string MakeCardSection(const WithinReport& report, const QuantizeTitle& title) {
  std::string how =
      fmt::format("{} bits in groups of {}{}", title.weights.bits, title.weights.group_size,
                  title.weights.symmetric ? "" : ", with zero points");
  if (!title.plain) how += ", smoothed";
  if (title.gptq) how += ", rounded by GPTQ";
  std::string card = fmt::format(
      "# {}\n"
      "\n"
      "Made from {} by `uffizi quantize`: linear layers in {}. transformers and Uffizi can open "
      "it.\n"
      "\n"
      "The table compares answers about {} pictures, on which the model was also calibrated, with "
      "the float32 answers. AP50 and same next token: higher is better. Edits (for each 100 "
      "characters), KL divergence (nats) and loss (the largest of 100 - AP50 and of edits): lower "
      "is better. Seconds are for the machine on which it was made. `uffizi check` measures the "
      "same on other pictures.\n"
      "\n",
      FolderName(title.out), title.model, how, report.written.fidelity.pictures);
  card += fmt::format("{}\n{}\n", Table(report, title), Verdict(report));
  if (report.units.empty()) return card;
  card += fmt::format(
      "\n"
      "{}. Layers in 8 bits are stored in 16, since transformers can open only folders whose "
      "packed layers all have the same scheme. In the order in which they were widened, with the "
      "change of the divergence when only that layer is widened:\n"
      "\n"
      "| layer | divergence |\n"
      "|---|---|\n",
      Cost(report));
  for (const WithinReport::Unit& unit : report.units) {
    if (unit.widened) card += fmt::format("| {} | {:+.5f} |\n", unit.name, -unit.gain);
  }
  return card;
}

}  // namespace uffizi::cli
