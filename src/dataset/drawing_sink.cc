#include <algorithm>
#include <map>

#include "dataset/sink.h"
#include "uffizi/image.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(c < 128 ? std::tolower(c) : c); });
  return text;
}

// "od" of "<OD>".
std::string TaskName(const Result& result) {
  return result.task.size() < 2 ? "raw" : Lower(result.task.substr(1, result.task.size() - 2));
}

class DrawingSink : public Sink {
 public:
  explicit DrawingSink(const fs::path& folder) : folder_(folder) {}

  std::string description() const override { return "draw " + folder_.string(); }
  bool wants_pixels() const override { return true; }

  void Begin() override {
    std::error_code error;
    fs::create_directories(folder_, error);
    if (!fs::is_directory(folder_, error)) {
      throw Error(ErrorCode::kIo, folder_.string() + ": cannot be written: not a folder");
    }
  }

  void Prepare(const Record& record, const Image& image) const override {
    const std::string extension = Lower(fs::path(record.picture.name).extension().string());
    const bool jpeg = extension == ".jpg" || extension == ".jpeg";
    std::map<std::string, int> seen;  // a task may be asked more than once
    for (const Result& result : record.results) {
      const std::string task = TaskName(result);
      const int times = ++seen[task];
      fs::path path = folder_ / record.output_name;
      path += '.';
      path += task;
      if (times > 1) path += std::to_string(times);
      path += jpeg ? ".jpg" : ".png";
      const Image drawn = DrawAnswer(image.view(), result.answer);
      WriteWholeFile(path, jpeg ? EncodeJpeg(drawn.view()) : EncodePng(drawn.view()));
    }
  }

 private:
  fs::path folder_;
};

}  // namespace

std::unique_ptr<Sink> MakeDrawingSink(const fs::path& folder) {
  return std::make_unique<DrawingSink>(folder);
}

}  // namespace uffizi::dataset
