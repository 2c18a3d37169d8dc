#include "output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "tasks/result_json.h"
#include "uffizi/task.h"

namespace uffizi::cli {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void FailWriting(const fs::path& path) {
  throw Error(ErrorCode::kIo, path.empty() ? "standard output: cannot be written"
                                           : path.string() + ": cannot be written");
}

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
  return fmt::format("{:<24} {:.2f}  {}", region.label.empty() ? "(region)" : region.label,
                     region.score, place);
}

// A result as rows of the table: a heading line, then the text or a line for each region.
std::string FormatTable(const Result& result) {
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

}  // namespace

Output::Output(Format format, const fs::path& path) : format_(format), path_(path) {
  if (path_.empty()) return;
  std::error_code error;
  if (path_.has_parent_path()) fs::create_directories(path_.parent_path(), error);
  file_.open(path_, std::ios::binary | std::ios::trunc);
  if (!file_) FailWriting(path_);
}

Output::~Output() = default;

void Output::Write(const std::string& text) {
  if (path_.empty()) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) FailWriting(path_);
  } else {
    file_.write(text.data(), static_cast<std::streamsize>(text.size()));
    if (!file_) FailWriting(path_);
  }
}

void Output::AddJson(const std::string& json) {
  if (format_ == Format::kJsonl) {
    Write(json + "\n");
  } else {
    Write((first_ ? "[\n" : ",\n") + json);
  }
  first_ = false;
}

void Output::Add(const std::string& image, const Result& result) {
  if (format_ != Format::kTable) {
    AddJson(ResultToJson(image, result));
    return;
  }
  if (image != last_image_) {
    Write(fmt::format("{}{}  {} x {}\n", last_image_.empty() ? "" : "\n", image, result.width,
                      result.height));
    last_image_ = image;
  }
  Write(FormatTable(result));
}

void Output::AddError(const std::string& image, const Error& error) {
  if (format_ != Format::kTable) {
    AddJson(ErrorToJson(image, ErrorCodeName(error.code()), error.what()));
    return;
  }
  Write(fmt::format("{}{}\n  error {}: {}\n", last_image_.empty() ? "" : "\n", image,
                    ErrorCodeName(error.code()), error.what()));
  last_image_ = image;
}

void Output::Close() {
  if (format_ == Format::kJson) Write(first_ ? "[]\n" : "\n]\n");
  if (path_.empty()) {
    if (std::fflush(stdout) != 0) FailWriting(path_);
  } else {
    file_.close();
    if (!file_) FailWriting(path_);
  }
}

Drawings::Drawings(const fs::path& folder) : folder_(folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!fs::is_directory(folder)) FailWriting(folder);
}

void Drawings::Add(const fs::path& image_path, ImageView image, const Result& result) {
  std::string task = result.task.empty() ? "<RAW>" : result.task;
  task = task.substr(1, task.size() - 2);
  std::transform(task.begin(), task.end(), task.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::string extension = image_path.extension().string();
  const bool jpeg = extension == ".jpg" || extension == ".jpeg" || extension == ".JPG";
  const std::string base = image_path.stem().string() + "." + task;
  std::string name = base;
  for (int i = 2; !used_.insert(name).second; ++i) name = fmt::format("{}-{}", base, i);
  const fs::path path = folder_ / (name + (jpeg ? ".jpg" : ".png"));
  const Image drawn = DrawAnswer(image, result.answer);
  const std::string bytes = jpeg ? EncodeJpeg(drawn.view()) : EncodePng(drawn.view());
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) FailWriting(path);
}

}  // namespace uffizi::cli
