#include "table_sink.h"

#include <fmt/format.h>

#include "uffizi/task.h"

namespace uffizi::cli {
namespace {

std::string FormatRegion(const Region& region) {
  std::string place;
  if (!region.polygons.empty()) {
    size_t points = 0;
    for (const Polygon& polygon : region.polygons) points += polygon.size() / 2;
    place = fmt::format("{} polygon{} of {} points", region.polygons.size(),
                        region.polygons.size() == 1 ? "" : "s", points);
  } else if (!region.quad.empty()) {
    place = fmt::format("quad {:.0f}", fmt::join(region.quad, " "));
  } else {
    const Box& box = region.box;
    place = fmt::format("box {:.0f} {:.0f} {:.0f} {:.0f}", box.x1, box.y1, box.x2, box.y2);
  }
  const std::string score = region.score ? fmt::format("{:.2f}", *region.score) : "";
  return fmt::format("{:<24} {:4}  {}", region.label.empty() ? "(region)" : region.label, score,
                     place);
}

// A result as rows of the table: a heading line, then the text or a line for each region.
std::string FormatResult(const Result& result) {
  const std::string name =
      result.task.empty()
          ? result.prompt
          : std::string(GetTaskInfo(FindTask(result.task).value_or(Task::kRaw)).name);
  std::string text = fmt::format("  {}  ({:.2f} s{})\n", name, result.timings.total,
                                 result.truncated ? ", cut off at the length limit" : "");
  if (result.answer.shape == AnswerShape::kText) {
    text += fmt::format("    {}\n", result.answer.text);
  } else if (result.answer.regions.empty()) {
    text += "    nothing found\n";
  }
  for (const Region& region : result.answer.regions) text += "    " + FormatRegion(region) + "\n";
  return text;
}

class TableSink : public dataset::Sink {
 public:
  explicit TableSink(const std::filesystem::path& path) : file_(path) {}

  std::string description() const override { return "table " + file_.path().string(); }
  std::vector<dataset::AppendFile*> files() override { return {&file_}; }

  void Add(const dataset::Record& record) override {
    if (record.results.empty() && record.errors.empty()) return;
    std::string text = file_.length() == 0 ? "" : "\n";
    text += record.picture.name;
    if (record.width > 0) text += fmt::format("  {} x {}", record.width, record.height);
    if (record.picture.pages > 1 && record.picture.page == 0) {
      text +=
          fmt::format("  (the first of {} pages; use --pages all for all)", record.picture.pages);
    }
    text += "\n";
    for (const Result& result : record.results) text += FormatResult(result);
    for (const Error& error : record.errors) {
      text += fmt::format("  error {}: {}\n", Name(error.code()), error.what());
    }
    file_.Append(text);
    if (file_.path().empty()) file_.Flush(false);  // so that the user sees it at once
  }

 private:
  dataset::AppendFile file_;
};

}  // namespace

std::unique_ptr<dataset::Sink> MakeTableSink(const std::filesystem::path& path) {
  return std::make_unique<TableSink>(path);
}

}  // namespace uffizi::cli
