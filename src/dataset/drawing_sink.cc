#include <map>
#include <set>

#include "core/ascii.h"
#include "core/owned_files.h"
#include "dataset/sink.h"
#include "uffizi/image.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

// "od" of "<OD>".
std::string NameOfTask(std::string_view token) {
  return token.size() < 2 ? "raw" : ToLower(token.substr(1, token.size() - 2));
}

class DrawingSink : public Sink {
 public:
  DrawingSink(const fs::path& folder, const std::vector<std::optional<Task>>& tasks)
      : folder_(folder) {
    for (const auto& task : tasks)
      tasks_.insert(task ? NameOfTask(GetTaskInfo(*task).token) : "raw");
  }

  std::string description() const override { return "draw " + folder_.string(); }
  bool wants_pixels() const override { return true; }

  std::vector<fs::path> FilesOf(const Record& record) const override {
    std::vector<fs::path> paths;
    for (const std::string& task : tasks_) paths.push_back(PathOf(record, task));
    return paths;
  }

  void Begin() override { MakeFolders(folder_); }

  void Prepare(const Record& record, const Image& image) const override {
    std::map<std::string, int> seen;  // a task may be asked more than once
    for (const Result& result : record.results) {
      std::string task = NameOfTask(result.task);
      const int times = ++seen[task];
      if (times > 1) task += std::to_string(times);
      const Image drawn = DrawAnswer(image.view(), result.answer);
      const bool jpeg = IsJpeg(record);
      WritePictureFile(PathOf(record, task),
                       jpeg ? EncodeJpeg(drawn.view()) : EncodePng(drawn.view()));
    }
  }

 private:
  static bool IsJpeg(const Record& record) {
    const std::string extension = ToLower(fs::path(record.picture.name).extension().string());
    return extension == ".jpg" || extension == ".jpeg";
  }

  fs::path PathOf(const Record& record, const std::string& task) const {
    fs::path path = folder_ / record.output_name;
    path += '.';
    path += task;
    path += IsJpeg(record) ? ".jpg" : ".png";
    return path;
  }

  fs::path folder_;
  std::set<std::string> tasks_;
};

}  // namespace

std::unique_ptr<Sink> MakeDrawingSink(const fs::path& folder,
                                      const std::vector<std::optional<Task>>& tasks) {
  return std::make_unique<DrawingSink>(folder, tasks);
}

}  // namespace uffizi::dataset
