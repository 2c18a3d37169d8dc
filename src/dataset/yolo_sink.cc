#include <system_error>

#include "core/json_writer.h"
#include "dataset/class_list.h"
#include "dataset/geometry.h"
#include "dataset/sink.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

void AppendShare(float value, int whole, std::string& out) {
  out += ' ';
  AppendJsonNumber(value / static_cast<float>(whole), out);
}

// As Ultralytics reads them: a line for each box, "class x y width height" around its centre, or
// for each polygon, "class x y x y ...", as shares of the picture's size.
class YoloSink : public Sink {
 public:
  explicit YoloSink(const fs::path& folder) : folder_(folder), classes_(folder / "classes.txt") {}

  std::string description() const override { return "yolo " + folder_.string(); }
  std::vector<AppendFile*> files() override { return {&classes_.file()}; }
  void Begin() override { classes_.Load(); }

  void Add(const Record& record) override {
    if (record.width == 0) return;
    std::string lines;
    for (const Result& result : record.results) {
      for (const Region& region : result.answer.regions) {
        AddRegion(region, record.width, record.height, lines);
      }
    }
    WriteWholeFile(OutputPath(record, "labels", ".txt"), lines);
    Link(record);
  }

  void Finish() override {
    std::string yaml = "path: .\ntrain: images\nval: images\nnames:\n";
    for (size_t i = 0; i < classes_.names().size(); ++i) {
      yaml += "  " + std::to_string(i) + ": ";
      AppendJsonString(classes_.names()[i], yaml);  // YAML takes JSON's strings
      yaml += "\n";
    }
    WriteWholeFile(folder_ / "data.yaml", yaml);
  }

 private:
  fs::path OutputPath(const Record& record, const char* kind, const std::string& extension) const {
    fs::path path = folder_ / kind / record.output_name;
    path += extension;
    return path;
  }

  void AddRegion(const Region& region, int width, int height, std::string& lines) {
    const std::string id = std::to_string(classes_.IdOf(region));
    const std::vector<Polygon> outlines = Outlines(region);
    for (const Polygon& polygon : outlines) {
      lines += id;
      for (size_t i = 0; i + 1 < polygon.size(); i += 2) {
        AppendShare(polygon[i], width, lines);
        AppendShare(polygon[i + 1], height, lines);
      }
      lines += '\n';
    }
    if (outlines.empty()) {
      const Box box = BoundingBox(region, width, height);
      lines += id;
      AppendShare((box.x1 + box.x2) / 2, width, lines);
      AppendShare((box.y1 + box.y2) / 2, height, lines);
      AppendShare(box.x2 - box.x1, width, lines);
      AppendShare(box.y2 - box.y1, height, lines);
      lines += '\n';
    }
  }

  // The training programs want the pictures in a folder beside the labels. Those in archives have
  // no file to link to.
  void Link(const Record& record) {
    if (record.picture.file.empty()) return;
    const fs::path link = OutputPath(record, "images", record.picture.file.extension().string());
    std::error_code error;
    fs::create_directories(link.parent_path(), error);
    const fs::path target = fs::absolute(record.picture.file, error);
    if (fs::read_symlink(link, error) == target) return;
    fs::remove(link, error);
    fs::create_symlink(target, link, error);
    if (error) throw Error(ErrorCode::kIo, link.string() + ": cannot be made: " + error.message());
  }

  fs::path folder_;
  ClassList classes_;
};

}  // namespace

std::unique_ptr<Sink> MakeYoloSink(const fs::path& folder) {
  return std::make_unique<YoloSink>(folder);
}

}  // namespace uffizi::dataset
