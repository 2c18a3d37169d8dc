#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "calibration.h"
#include "commands.h"
#include "core/owned_folders.h"
#include "megabytes.h"
#include "progress.h"
#include "uffizi/models.h"

namespace uffizi::cli {
namespace {

namespace fs = std::filesystem;

struct ImportArguments {
  std::string source, out;
  ImportOptions options;
  std::vector<std::string> calibrate;
  bool json = false, quiet = false;
};

std::string Size(uint64_t bytes) {
  return bytes < 100000 ? fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3)
                        : fmt::format("{:.1f} MB", Megabytes(bytes));
}

std::string Percent(double fraction) { return fmt::format("{:.2f} %", 100 * fraction); }

// Prints rows, the first of them headings, in columns as wide as what is in them. The columns
// numbered from `right` on stand at the right.
void PrintTable(const std::vector<std::vector<std::string>>& rows, size_t right) {
  std::vector<size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line += "  ";
      line += i < right ? fmt::format("{:<{}}", row[i], widths[i])
                        : fmt::format("{:>{}}", row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    fmt::print("{}\n", line);
  }
}

void PrintGraphs(const ImportReport& report) {
  std::vector<std::vector<std::string>> rows = {
      {"graph", "traced from", "OpenVINO", "kept", "rounded", "error, at most", "weights"}};
  for (const ImportReport::Graph& graph : report.graphs) {
    std::vector<std::string> precisions;
    for (const auto& [type, bytes] : graph.precisions) {
      precisions.push_back(type + " " + Size(bytes));
    }
    rows.push_back({graph.name, graph.lineage.empty() ? "?" : graph.lineage,
                    graph.exporter.empty() ? "?" : graph.exporter, std::to_string(graph.kept),
                    std::to_string(graph.rounded),
                    graph.rounded == 0 ? "" : Percent(graph.error) + ", " + Percent(graph.worst),
                    fmt::format("{}", fmt::join(precisions, ", "))});
  }
  PrintTable(rows, rows.front().size());
}

void PrintMatrices(const ImportReport& report) {
  std::vector<std::vector<std::string>> rows = {{"matrix", "shape", "stored", "bits", "error"}};
  for (const ImportReport::Matrix& matrix : report.matrices) {
    rows.push_back({matrix.name, fmt::format("{}", fmt::join(matrix.shape, " x ")), matrix.stored,
                    std::to_string(matrix.bits), matrix.exact ? "exact" : Percent(matrix.error)});
  }
  PrintTable(rows, 1);
}

void PrintReport(const ImportReport& report, const ImportArguments& arguments) {
  PrintGraphs(report);
  fmt::print("\n");
  PrintMatrices(report);
  double worst = 0, squares = 0;
  size_t quantized = 0, exact = 0;
  for (const ImportReport::Matrix& matrix : report.matrices) {
    exact += matrix.exact;
    if (matrix.exact || matrix.bits > 8) continue;
    worst = std::max(worst, matrix.error);
    squares += matrix.error * matrix.error;
    ++quantized;
  }
  fmt::print("\n{} of {} matrices exactly as they were", exact, report.matrices.size());
  if (quantized > 0) {
    fmt::print(
        "; {} quantized to {} bits, error {}, at most {}{}", quantized, arguments.options.bits,
        Percent(std::sqrt(squares / static_cast<double>(quantized))), Percent(worst),
        arguments.calibrate.empty() ? "" : ", weighted by the inputs measured on the pictures");
  }
  fmt::print("\n{} before, {} after: {}\n", Size(report.bytes_before), Size(report.bytes_after),
             arguments.out);
}

void PrintJson(const ImportReport& report) {
  nlohmann::json graphs = nlohmann::json::array(), matrices = nlohmann::json::array();
  for (const ImportReport::Graph& graph : report.graphs) {
    graphs.push_back({{"name", graph.name},
                      {"lineage", graph.lineage},
                      {"openvino", graph.exporter},
                      {"precisions", graph.precisions},
                      {"kept", graph.kept},
                      {"rounded", graph.rounded},
                      {"error", graph.error},
                      {"worst", graph.worst}});
  }
  for (const ImportReport::Matrix& matrix : report.matrices) {
    matrices.push_back({{"name", matrix.name},
                        {"graph", matrix.graph},
                        {"shape", matrix.shape},
                        {"stored", matrix.stored},
                        {"bits", matrix.bits},
                        {"exact", matrix.exact},
                        {"error", matrix.error}});
  }
  const nlohmann::json all = {{"bytes_before", report.bytes_before},
                              {"bytes_after", report.bytes_after},
                              {"graphs", graphs},
                              {"matrices", matrices}};
  fmt::print("{}\n", all.dump());
}

int RunImport(ImportArguments arguments) {
  size_t failed = 0;
  ImportReport report;
  {
    StatusLine line(StatusLine::StyleFor(arguments.quiet));
    arguments.options.progress = [&](const ImportProgress& now) {
      if (line.Due() && now.total > 0) {
        line.Show(now.tensor, static_cast<double>(now.done) / static_cast<double>(now.total));
      }
      return true;
    };
    if (!arguments.calibrate.empty() && arguments.options.bits != 16) {
      // The model as it is, only for as long as it looks at the pictures.
      const ScratchFolder scratch(arguments.out);
      ImportOptions exact = arguments.options;
      exact.bits = 16;
      ImportModel(arguments.source, scratch.path() / "exact", exact);
      arguments.options.importance =
          CalibrateWith(scratch.path() / "exact", {}, arguments.calibrate, failed,
                        [&](const std::string& text) { line.Show(text, std::nullopt); })
              ->mean_squares();
    }
    report = ImportModel(arguments.source, arguments.out, arguments.options);
  }
  if (arguments.json) {
    PrintJson(report);
  } else {
    PrintReport(report, arguments);
  }
  return failed > 0 ? kSomeFailed : kOk;
}

}  // namespace

Command AddImport(CLI::App& app) {
  auto arguments = std::make_shared<ImportArguments>();
  CLI::App* command = app.add_subcommand(
      "import", "Convert a Spark NLP or OpenVINO artifact of Florence-2 to a model folder");
  command
      ->add_option("SOURCE", arguments->source,
                   "Spark NLP artifact (zip or folder), or folder of the five IR models")
      ->required();
  command->add_option("OUT", arguments->out, "Folder to write")->required();
  command
      ->add_option("--bits", arguments->options.bits,
                   "Bits for linear layers that SOURCE stores in more: 4, 8, or 16 to round "
                   "nothing. 4-bit layers keep their values")
      ->check(CLI::IsMember({4, 8, 16}))
      ->capture_default_str();
  command->add_option("--calibrate", arguments->calibrate,
                      "Pictures or folders of pictures, on which layer inputs are measured to "
                      "weight the errors");
  command->add_flag("--json", arguments->json, "Print the report as one JSON object");
  command->add_flag("--quiet", arguments->quiet, "Do not show progress on standard error");
  command->footer(
      "Every command that takes a model also takes SOURCE, and imports it into the cache: in 4 "
      "bits, or\n"
      "unquantized for --compute f32. transformers can open the folder (docs/quantization.md).\n"
      "Examples:\n"
      "  uffizi import florence_2_large_int4_en_5.5.1_3.0_1748317523815.zip large-int4\n"
      "  uffizi import path/to/ir base --bits 16");
  return [arguments] { return RunImport(*arguments); };
}

}  // namespace uffizi::cli
