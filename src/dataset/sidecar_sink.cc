#include <algorithm>
#include <utility>

#include "core/mapped_file.h"
#include "dataset/sink.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

// Text unchanged; regions as their distinct labels, "dog, ball".
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

constexpr size_t kMaxSidecar = size_t{64} << 20;

class SidecarSink : public Sink {
 public:
  explicit SidecarSink(SidecarOptions options) : options_(std::move(options)) {}

  std::string description() const override {
    std::string text = "sidecar " + options_.folder.string();
    if (!options_.prefix.empty()) text += " prefix " + options_.prefix;
    if (!options_.suffix.empty()) text += " suffix " + options_.suffix;
    return text;
  }

  std::vector<fs::path> FilesOf(const Record& record) const override {
    fs::path path = options_.folder.empty() ? record.sidecar : options_.folder / record.output_name;
    // Something that could not be listed has no file, and its error is reported anyway.
    if (path.empty() && record.picture.error) return {};
    if (path.empty()) {
      throw Error(ErrorCode::kInvalidArgument,
                  record.picture.name +
                      ": a .txt cannot be written beside a picture in an archive; use "
                      "--sidecar-folder DIR");
    }
    return {path += ".txt"};
  }

  std::vector<fs::path> InTheWayOf(const Record& record) const override {
    const bool adds = existing() == Existing::kAppend || existing() == Existing::kPrepend;
    return adds ? std::vector<fs::path>() : Sink::InTheWayOf(record);
  }

  void Add(const Record& record) override {
    if (record.results.empty()) return;
    std::string text;
    for (const Result& result : record.results) {
      text += options_.prefix + AnswerLine(result.answer) + options_.suffix + "\n";
    }
    for (const fs::path& path : FilesOf(record)) {
      if (existing() == Existing::kAppend || existing() == Existing::kPrepend) {
        Combine(path, std::move(text));
      } else {
        WritePictureFile(path, text);
      }
    }
  }

 protected:
  // The behaviour that tools for captioning training sets have.
  Existing usual_existing() const override { return Existing::kKeep; }

 private:
  void Combine(const fs::path& path, std::string text) const {
    const auto seen = IdentityOf(path);
    if (!seen) {
      job_files().Write(path, text);
      return;
    }
    // Already ours: written by a run that was killed.
    if (job_files().Owns(path)) return;
    std::string before = ReadFile(path, kMaxSidecar);
    if (existing() == Existing::kAppend) {
      if (!before.empty() && before.back() != '\n') before += '\n';
      text = before + text;
    } else {
      text += before;
    }
    job_files().Write(path, text, seen);
  }

  SidecarOptions options_;
};

}  // namespace

std::unique_ptr<Sink> MakeSidecarSink(const SidecarOptions& options) {
  return std::make_unique<SidecarSink>(options);
}

}  // namespace uffizi::dataset
