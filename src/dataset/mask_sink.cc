#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/owned_files.h"
#include "dataset/geometry.h"
#include "dataset/sink.h"
#include "tasks/region_outline.h"
#include "uffizi/image.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

// The polygons of a region; for a box, its corners.
std::vector<Polygon> Shape(const Region& region, int width, int height) {
  std::vector<Polygon> polygons = Outlines(region);
  if (!polygons.empty()) return polygons;
  const Box box = BoundingBox(region, width, height);
  return {{box.x1, box.y1, box.x2, box.y1, box.x2, box.y2, box.x1, box.y2}};
}

// Sets the pixels of a region in `image` ([height, width]) to `value`.
void Paint(const Region& region, int width, int height, uint16_t value,
           std::vector<uint16_t>& image) {
  const RunLengths mask = EncodeMask(Shape(region, width, height), width, height);
  const auto rows = static_cast<size_t>(height), columns = static_cast<size_t>(width);
  size_t at = 0;  // down the columns
  bool one = false;
  for (const uint32_t count : mask.counts) {
    if (one) {
      for (size_t i = at; i < at + count; ++i) image[i % rows * columns + i / rows] = value;
    }
    at += count;
    one = !one;
  }
}

// "od" of "<OD>".
std::string NameOfTask(std::string_view token) {
  if (token.size() < 2) return "raw";
  std::string name(token.substr(1, token.size() - 2));
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return name;
}

class MaskSink : public Sink {
 public:
  MaskSink(const fs::path& folder, MaskLayout layout, const std::vector<Task>& tasks)
      : folder_(folder), layout_(layout) {
    for (const Task task : tasks) {
      const TaskInfo& info = GetTaskInfo(task);
      if (task == Task::kRaw || info.shape != AnswerShape::kText) {
        tasks_.insert(NameOfTask(info.token));
      }
    }
  }

  std::string description() const override {
    return (layout_ == MaskLayout::kRegions ? "masks " : "indexed masks ") + folder_.string();
  }

  // For one file per region, only the first: their number is not known yet.
  std::vector<fs::path> FilesOf(const Record& record) const override {
    std::vector<fs::path> paths;
    for (const std::string& task : tasks_) {
      paths.push_back(PathOf(record, task, layout_ == MaskLayout::kRegions ? 1 : 0));
    }
    return paths;
  }

  void Begin() override { MakeFolders(folder_); }

  void Prepare(const Record& record, const Image&) const override {
    std::map<std::string, int> seen;  // a task may be asked more than once
    for (const Result& result : record.results) {
      std::string task = NameOfTask(result.task);
      const int times = ++seen[task];
      if (times > 1) task += std::to_string(times);
      if (result.answer.shape != AnswerShape::kText) Write(record, result, task);
    }
  }

 private:
  void Write(const Record& record, const Result& result, const std::string& task) const {
    const std::vector<Region>& regions = result.answer.regions;
    const size_t pixels = static_cast<size_t>(result.width) * static_cast<size_t>(result.height);
    if (layout_ == MaskLayout::kRegions) {
      for (size_t i = 0; i < regions.size(); ++i) {
        std::vector<uint16_t> image(pixels);
        Paint(regions[i], result.width, result.height, 255, image);
        WritePictureFile(PathOf(record, task, i + 1),
                         EncodeGreyPng(image, result.width, result.height, 8));
      }
      return;
    }
    // The first region of the answer is painted last, so that it is on top.
    std::vector<uint16_t> image(pixels);
    for (size_t i = std::min<size_t>(regions.size(), UINT16_MAX); i > 0; --i) {
      Paint(regions[i - 1], result.width, result.height, static_cast<uint16_t>(i), image);
    }
    const int depth = regions.size() > UINT8_MAX ? 16 : 8;
    WritePictureFile(PathOf(record, task, 0),
                     EncodeGreyPng(image, result.width, result.height, depth));
  }

  // The file for one region, numbered from 1, or for all.
  fs::path PathOf(const Record& record, const std::string& task, size_t number) const {
    fs::path path = folder_ / record.output_name;
    path += '.';
    path += task;
    if (number > 0) {
      path += '.';
      path += std::to_string(number);
    }
    return path += ".png";
  }

  fs::path folder_;
  MaskLayout layout_;
  std::set<std::string> tasks_;
};

}  // namespace

std::unique_ptr<Sink> MakeMaskSink(const fs::path& folder, MaskLayout layout,
                                   const std::vector<Task>& tasks) {
  return std::make_unique<MaskSink>(folder, layout, tasks);
}

}  // namespace uffizi::dataset
