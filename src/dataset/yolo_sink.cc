#include <algorithm>
#include <system_error>
#include <utility>

#include "core/json_writer.h"
#include "core/mapped_file.h"
#include "dataset/class_files.h"
#include "dataset/class_list.h"
#include "dataset/sink.h"
#include "tasks/region_outline.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

void AppendShare(float value, int whole, std::string& out) {
  out += ' ';
  AppendJsonNumber(value / static_cast<float>(whole), out);
}

// classes.txt and data.yaml of a data set. New classes are added to them if they are ours or the
// user allows it.
class ClassFiles {
 public:
  explicit ClassFiles(const fs::path& folder)
      : list_{folder / "classes.txt", {}, {}}, yaml_{folder / "data.yaml", {}, {}} {}

  // Reads the existing files.
  void Look(const JobFiles& files, Existing existing) {
    const bool own = files.Owns(list_.path) || files.Owns(yaml_.path);
    found_ = ReadDataSetClasses(list_.path.parent_path(), own);
    writable_ = !found_.found || found_.ours || own || existing == Existing::kOverwrite ||
                existing == Existing::kAppend;
    for (File* file : {&list_, &yaml_}) {
      file->seen = IdentityOf(file->path);
      file->text = file->seen ? ReadFile(file->path) : "";
    }
  }

  // The initial classes: the given ones if they match the existing ones, else the existing ones.
  ClassNames Start(const ClassNames& given, Existing existing) const {
    if (!found_.found) return given;
    if (!given.fixed) return {found_.names, !writable_};
    const std::vector<std::string>& there = found_.names;
    const size_t shared = std::min(there.size(), given.names.size());
    const size_t same = static_cast<size_t>(
        std::mismatch(there.begin(), there.begin() + static_cast<std::ptrdiff_t>(shared),
                      given.names.begin())
            .first -
        there.begin());
    const bool equal = there.size() == given.names.size() && same == there.size();
    const bool extends = same == there.size() && writable_;
    if (equal || extends || existing == Existing::kOverwrite) return given;
    throw Error(ErrorCode::kInvalidArgument,
                list_.path.parent_path().string() + ": class " + std::to_string(same) + " is " +
                    (same < there.size() ? there[same] : "none") + " there and " +
                    (same < given.names.size() ? given.names[same] : "none") +
                    " in the list; --existing overwrite replaces its classes");
  }

  bool writable() const { return writable_; }
  bool found() const { return found_.found; }
  std::vector<fs::path> paths() const {
    std::vector<fs::path> paths;
    for (const File* file : {&list_, &yaml_}) {
      if (file->seen) paths.push_back(file->path);
    }
    return paths;
  }

  void Write(JobFiles& files, const std::vector<std::string>& names) {
    if (!writable_ || (found_.found && names == found_.names)) return;
    std::string lines;
    for (const std::string& name : names) lines += name + "\n";
    yaml_.text = WithYamlNames(yaml_.text, names);
    yaml_.seen = files.Write(yaml_.path, yaml_.text, yaml_.seen);
    list_.seen = files.Write(list_.path, lines, list_.seen);
    found_.found = true;
    found_.names = names;
  }

 private:
  struct File {
    fs::path path;
    std::optional<FileIdentity> seen;
    std::string text;
  };

  File list_, yaml_;
  DataSetClasses found_;
  bool writable_ = true;
};

// Labels in Ultralytics' format: a line for each box, "class x y width height" with its centre, or
// for each polygon, "class x y x y ...", as fractions of the picture's size.
class YoloSink : public Sink {
 public:
  YoloSink(const fs::path& folder, const fs::path& work_folder, ClassNames classes)
      : folder_(folder),
        work_file_(work_folder / "yolo-classes"),
        given_(std::move(classes)),
        class_files_(folder) {}

  std::string description() const override { return "yolo " + folder_.string(); }

  void Use(JobFiles& files, std::optional<Existing> existing) override {
    Sink::Use(files, existing);
    class_files_.Look(files, this->existing());
    classes_.emplace(work_file_, class_files_.Start(given_, this->existing()));
  }

  std::vector<AppendFile*> files() override { return {&classes_->file()}; }
  void Begin() override { classes_->Begin(); }
  size_t outside() const override { return classes_->outside(); }

  // With append, classes may be added, and pictures that have labels keep them.
  bool Keeps() const override {
    return existing() == Existing::kKeep || existing() == Existing::kAppend;
  }

  std::vector<fs::path> InTheWay() override {
    const bool must_write = class_files_.found() && !given_.fixed;
    if (class_files_.writable() || !must_write || Keeps()) return {};
    return class_files_.paths();
  }

  std::vector<fs::path> FilesOf(const Record& record) const override {
    std::vector<fs::path> paths = {LabelPath(record)};
    const fs::path link = LinkPath(record);
    if (!link.empty() && !IsLinked(record, link)) paths.push_back(link);
    return paths;
  }

  // A picture is never replaced by a link to another.
  std::vector<fs::path> InTheWayOf(const Record& record) const override {
    const fs::path link = LinkPath(record);
    std::error_code ignored;
    if (existing() == Existing::kOverwrite && !link.empty() && !IsLinked(record, link) &&
        fs::exists(fs::symlink_status(link, ignored)) && !fs::is_symlink(link, ignored)) {
      return {link};
    }
    return Sink::InTheWayOf(record);
  }

  void Add(const Record& record) override {
    if (record.width == 0) return;
    if (Keeps()) {
      for (const fs::path& path : FilesOf(record)) {
        if (job_files().IsOthers(path)) return CountKept();
      }
    }
    std::string lines;
    for (const Result& result : record.results) {
      for (const Region& region : result.answer.regions) {
        AddRegion(region, record.width, record.height, lines);
      }
    }
    WritePictureFile(LabelPath(record), lines);
    Link(record);
  }

  void Checkpoint() override {
    if (!classes_->names().empty()) class_files_.Write(job_files(), classes_->names());
  }
  void Finish() override { class_files_.Write(job_files(), classes_->names()); }

 private:
  fs::path LabelPath(const Record& record) const {
    fs::path path = folder_ / "labels" / record.yolo_name;
    return path += ".txt";
  }

  // Training programs expect the pictures in a folder beside the labels. Those in archives have no
  // file to link to, and those that are already there need no link.
  fs::path LinkPath(const Record& record) const {
    if (record.picture.file.empty() || record.in_data_set) return {};
    fs::path path = folder_ / "images" / record.yolo_name;
    return path += record.picture.file.extension();
  }

  static bool IsLinked(const Record& record, const fs::path& link) {
    std::error_code ignored;
    return fs::equivalent(link, record.picture.file, ignored);
  }

  void AddRegion(const Region& region, int width, int height, std::string& lines) {
    const std::optional<size_t> number = classes_->IdOf(region);
    if (!number) return;
    const std::string id = std::to_string(*number);
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

  void Link(const Record& record) const {
    const fs::path link = LinkPath(record);
    if (link.empty() || IsLinked(record, link)) return;
    std::error_code error;
    std::optional<FileIdentity> over;
    if (existing() == Existing::kOverwrite && fs::is_symlink(link, error)) over = IdentityOf(link);
    job_files().Link(fs::absolute(record.picture.file, error), link, over);
  }

  fs::path folder_, work_file_;
  ClassNames given_;
  ClassFiles class_files_;
  std::optional<ClassList> classes_;
};

}  // namespace

std::unique_ptr<Sink> MakeYoloSink(const fs::path& folder, const fs::path& work_folder,
                                   const ClassNames& classes) {
  return std::make_unique<YoloSink>(folder, work_folder, classes);
}

}  // namespace uffizi::dataset
