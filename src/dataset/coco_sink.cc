#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "core/json_writer.h"
#include "core/mapped_file.h"
#include "core/owned_files.h"
#include "dataset/class_list.h"
#include "dataset/coco_file.h"
#include "dataset/geometry.h"
#include "dataset/sink.h"
#include "tasks/region_outline.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

// {"images": [...], "annotations": [...], "categories": [...]}. The pictures are written directly
// to the file; annotations and categories are kept in separate files until the list of pictures is
// closed.
class CocoSink : public Sink {
 public:
  CocoSink(const fs::path& path, const fs::path& work_folder, ClassNames classes)
      : path_(path),
        work_folder_(work_folder),
        given_(std::move(classes)),
        annotations_(work_folder / "coco-annotations") {}

  std::string description() const override { return "coco " + path_.string(); }

  // An existing file that is extended (append) is kept until the job ends; the new one grows in the
  // job's folder.
  void Use(JobFiles& files, std::optional<Existing> existing) override {
    Sink::Use(files, existing);
    const fs::path grown = work_folder_ / "coco-images";
    const bool goes_on = this->existing() == Existing::kAppend && !IsStream(path_) &&
                         (files.IsOthers(path_) || IdentityOf(grown));
    if (goes_on && !before_) before_ = ReadCocoFile(path_);
    if (goes_on) CheckClasses();
    file_.emplace(goes_on ? grown : path_);
    ClassNames classes = given_;
    if (goes_on && !given_.fixed) classes.names = before_->category_names;
    categories_.emplace(work_folder_ / "coco-categories", std::move(classes));
    seen_ = IdentityOf(path_);
  }

  std::vector<AppendFile*> files() override {
    return {&*file_, &annotations_, &categories_->file()};
  }

  bool Keeps() const override { return Sink::Keeps() || before_; }
  bool Has(const Record& record) const override {
    return before_ && before_->pictures.contains(record.picture.name);
  }

  void Begin() override {
    categories_->Begin();
    if (before_) {
      head_ = before_->head;
      first_image_ = before_->last_image + 1;
      next_annotation_ = before_->last_annotation + 1;
    }
    if (file_->length() == 0) {
      file_->Append(head_);
      if (before_) file_->Append(before_->images);
      if (before_) annotations_.Append(before_->annotations);
      return;
    }
    std::ifstream in(annotations_.path(), std::ios::binary);  // a line each
    next_annotation_ += std::count(std::istreambuf_iterator<char>(in), {}, '\n');
    if (before_) next_annotation_ -= before_->annotation_count;
  }

  size_t outside() const override { return categories_->outside(); }

  // Pictures that could not be read have no size, which COCO requires.
  void Add(const Record& record) override {
    if (record.width == 0) return;
    if (Has(record)) return CountKept();
    const int64_t image_id = first_image_ + static_cast<int64_t>(record.index);
    JsonWriter image;
    image.Object().Member("id", image_id).Member("file_name", record.picture.name);
    image.Member("width", record.width).Member("height", record.height).End();
    file_->Append((file_->length() == head_.size() ? "\n" : ",\n") + image.Take());
    for (const Result& result : record.results) {
      for (const Region& region : result.answer.regions) {
        AddAnnotation(region, image_id, result.width, result.height);
      }
    }
  }

  void Finish() override {
    file_->Append("\n],\n\"annotations\": [");
    annotations_.Flush(false);
    std::ifstream in(annotations_.path(), std::ios::binary);
    std::string piece(1 << 20, '\0');
    while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())), in.gcount() > 0) {
      file_->Append({piece.data(), static_cast<size_t>(in.gcount())});
    }
    if (in.bad()) {
      throw Error(ErrorCode::kIo, annotations_.path().string() + ": cannot be read again");
    }
    std::string categories = "\n],\n\"categories\": [";
    for (size_t i = 0; i < categories_->names().size(); ++i) {
      categories += i == 0 ? "\n" : ",\n";
      if (before_ && i < before_->categories.size()) {
        categories += before_->categories[i];
        continue;
      }
      JsonWriter category;
      category.Object().Member("id", CategoryId(i)).Member("name", categories_->names()[i]);
      categories += category.Member("supercategory", "").End().Take();
    }
    file_->Append(categories + "\n]}\n");
    if (!before_) return;
    file_->Flush(false);
    job_files().Write(path_, ReadFile(file_->path(), kMaxFile), seen_);
  }

 private:
  static constexpr size_t kMaxFile = size_t{4} << 30;

  int64_t CategoryId(size_t number) const {
    if (before_ && number < before_->category_ids.size()) return before_->category_ids[number];
    const size_t old = before_ ? before_->category_ids.size() : 0;
    return (before_ ? before_->last_category : 0) + static_cast<int64_t>(number - old) + 1;
  }

  // A given list must begin with the existing classes, under the same numbers.
  void CheckClasses() const {
    if (!given_.fixed) return;
    for (size_t i = 0; i < before_->category_names.size(); ++i) {
      const bool same = i < given_.names.size() && given_.names[i] == before_->category_names[i] &&
                        before_->category_ids[i] == static_cast<int64_t>(i) + 1;
      if (same) continue;
      throw Error(ErrorCode::kInvalidArgument, path_.string() + ": category " +
                                                   std::to_string(before_->category_ids[i]) +
                                                   " is " + before_->category_names[i] +
                                                   ", which differs from the list of "
                                                   "classes");
    }
  }

  void AddAnnotation(const Region& region, int64_t image_id, int width, int height) {
    const std::optional<size_t> category = categories_->IdOf(region);
    if (!category) return;
    const Box box = BoundingBox(region, width, height);
    const float box_width = box.x2 - box.x1, box_height = box.y2 - box.y1;
    JsonWriter json;
    json.Object().Member("id", next_annotation_).Member("image_id", image_id);
    json.Member("category_id", CategoryId(*category)).Key("bbox");
    json.Values(std::vector<float>{box.x1, box.y1, box_width, box_height});
    const std::vector<Polygon> outlines = Outlines(region);
    if (outlines.empty()) {
      json.Member("area", box_width * box_height).Key("segmentation").List().End();
    } else {
      const RunLengths mask = EncodeMask(outlines, width, height);
      json.Member("area", mask.area).Key("segmentation").Object();
      json.Key("size").List().Value(height).Value(width).End();
      json.Member("counts", CompressRunLengths(mask.counts)).End();
    }
    json.Member("iscrowd", 0);
    if (region.score) json.Member("score", *region.score);
    json.End();
    annotations_.Append((annotations_.length() == 0 ? "\n" : ",\n") + json.Take());
    ++next_annotation_;
  }

  fs::path path_, work_folder_;
  ClassNames given_;
  std::optional<CocoFile> before_;  // the file that is extended
  std::optional<FileIdentity> seen_;
  std::string head_ =
      "{\"info\": {\"description\": \"Annotated by Uffizi\"}, \"licenses\": [],\n\"images\": [";
  std::optional<AppendFile> file_;
  AppendFile annotations_;
  std::optional<ClassList> categories_;
  int64_t first_image_ = 1, next_annotation_ = 1;
};

}  // namespace

std::unique_ptr<Sink> MakeCocoSink(const fs::path& path, const fs::path& work_folder,
                                   const ClassNames& classes) {
  return std::make_unique<CocoSink>(path, work_folder, classes);
}

}  // namespace uffizi::dataset
