#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include "core/json_writer.h"
#include "dataset/class_list.h"
#include "dataset/geometry.h"
#include "dataset/sink.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

// {"images": [...], "annotations": [...], "categories": [...]}. The pictures go straight into the
// file; annotations and categories wait in files of their own until the pictures' list is closed.
class CocoSink : public Sink {
 public:
  CocoSink(const fs::path& path, const fs::path& work_folder, ClassNames classes)
      : file_(path),
        annotations_(work_folder / "coco-annotations"),
        categories_(work_folder / "coco-categories", std::move(classes)) {}

  std::string description() const override { return "coco " + file_.path().string(); }

  std::vector<AppendFile*> files() override { return {&file_, &annotations_, &categories_.file()}; }

  void Begin() override {
    categories_.Begin();
    std::ifstream in(annotations_.path(), std::ios::binary);  // a line each
    next_annotation_ +=
        static_cast<size_t>(std::count(std::istreambuf_iterator<char>(in), {}, '\n'));
    if (file_.length() == 0) file_.Append(kStart);
  }

  size_t outside() const override { return categories_.outside(); }

  // Pictures that could not be read have no size, and COCO no place for them.
  void Add(const Record& record) override {
    if (record.width == 0) return;
    const size_t image_id = record.index + 1;
    std::string image = file_.length() == kStart.size() ? "\n" : ",\n";
    image += "{\"id\": " + std::to_string(image_id) + ", \"file_name\": ";
    AppendJsonString(record.picture.name, image);
    image += ", \"width\": " + std::to_string(record.width) +
             ", \"height\": " + std::to_string(record.height) + "}";
    file_.Append(image);
    for (const Result& result : record.results) {
      for (const Region& region : result.answer.regions) {
        AddAnnotation(region, image_id, result.width, result.height);
      }
    }
  }

  void Finish() override {
    file_.Append("\n],\n\"annotations\": [");
    annotations_.Flush(false);
    std::ifstream in(annotations_.path(), std::ios::binary);
    std::string piece(1 << 20, '\0');
    while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())), in.gcount() > 0) {
      file_.Append({piece.data(), static_cast<size_t>(in.gcount())});
    }
    if (in.bad()) {
      throw Error(ErrorCode::kIo, annotations_.path().string() + ": cannot be read again");
    }
    std::string categories = "\n],\n\"categories\": [";
    for (size_t i = 0; i < categories_.names().size(); ++i) {
      categories +=
          (i == 0 ? "\n" : ",\n") + ("{\"id\": " + std::to_string(i + 1)) + ", \"name\": ";
      AppendJsonString(categories_.names()[i], categories);
      categories += ", \"supercategory\": \"\"}";
    }
    file_.Append(categories + "\n]}\n");
  }

 private:
  static constexpr std::string_view kStart =
      "{\"info\": {\"description\": \"Annotated by Uffizi\"}, \"licenses\": [],\n\"images\": [";

  void AddAnnotation(const Region& region, size_t image_id, int width, int height) {
    const std::optional<size_t> category = categories_.IdOf(region);
    if (!category) return;
    const Box box = BoundingBox(region, width, height);
    const float box_width = box.x2 - box.x1, box_height = box.y2 - box.y1;
    std::string json = next_annotation_ == 1 ? "\n" : ",\n";
    json += "{\"id\": " + std::to_string(next_annotation_) +
            ", \"image_id\": " + std::to_string(image_id) +
            ", \"category_id\": " + std::to_string(*category + 1) + ", \"bbox\": ";
    AppendJsonNumbers(std::vector<float>{box.x1, box.y1, box_width, box_height}, json);
    const std::vector<Polygon> outlines = Outlines(region);
    if (outlines.empty()) {
      json += ", \"area\": ";
      AppendJsonNumber(box_width * box_height, json);
      json += ", \"segmentation\": []";
    } else {
      const RunLengths mask = EncodeMask(outlines, width, height);
      json += ", \"area\": " + std::to_string(mask.area) + ", \"segmentation\": {\"size\": [" +
              std::to_string(height) + ", " + std::to_string(width) + "], \"counts\": ";
      AppendJsonString(CompressRunLengths(mask.counts), json);
      json += "}";
    }
    json += ", \"iscrowd\": 0, \"score\": ";
    AppendJsonNumber(region.score, json);
    annotations_.Append(json + "}");
    ++next_annotation_;
  }

  AppendFile file_;
  AppendFile annotations_;
  ClassList categories_;
  size_t next_annotation_ = 1;
};

}  // namespace

std::unique_ptr<Sink> MakeCocoSink(const fs::path& path, const fs::path& work_folder,
                                   const ClassNames& classes) {
  return std::make_unique<CocoSink>(path, work_folder, classes);
}

}  // namespace uffizi::dataset
