#include <algorithm>

#include "dataset/output_names.h"
#include "dataset/sink.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

// A text as it is; regions as their labels, "dog, ball", each once.
std::string AnswerLine(const Answer& answer) {
  if (answer.shape == AnswerShape::kText) return answer.text;
  std::vector<std::string> labels;
  for (const Region& region : answer.regions) {
    if (!region.label.empty() &&
        std::find(labels.begin(), labels.end(), region.label) == labels.end()) {
      labels.push_back(region.label);
    }
  }
  std::string line;
  for (const std::string& label : labels) line += (line.empty() ? "" : ", ") + label;
  return line;
}

class SidecarSink : public Sink {
 public:
  explicit SidecarSink(const fs::path& folder) : folder_(folder) {}

  std::string description() const override { return "sidecar " + folder_.string(); }

  void Skip(const Record& record) override {
    if (folder_.empty()) PathOf(record);
  }

  void Add(const Record& record) override {
    const fs::path path = PathOf(record);
    if (record.results.empty()) return;
    std::string text;
    for (const Result& result : record.results) text += AnswerLine(result.answer) + "\n";
    WriteWholeFile(path, text);
  }

 private:
  fs::path PathOf(const Record& record) {
    fs::path path = folder_ / record.output_name;
    if (folder_.empty()) {
      if (record.picture.file.empty()) {
        throw Error(ErrorCode::kInvalidArgument,
                    record.picture.name +
                        ": no .txt can stand beside a picture in an archive; --sidecar-folder DIR "
                        "says where");
      }
      // Two pictures side by side may differ in their extension alone.
      fs::path stem = record.picture.file;
      path = names_.Give(stem.replace_extension(), record.picture.file);
    }
    path += ".txt";
    return path;
  }

  fs::path folder_;
  OutputNames names_;  // of files beside their pictures
};

}  // namespace

std::unique_ptr<Sink> MakeSidecarSink(const fs::path& folder) {
  return std::make_unique<SidecarSink>(folder);
}

}  // namespace uffizi::dataset
