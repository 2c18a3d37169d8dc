#include "dataset/sink.h"
#include "tasks/result_json.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

class JsonSink : public Sink {
 public:
  JsonSink(const fs::path& path, JsonLayout layout) : file_(path), layout_(layout) {}

  std::string description() const override {
    return (layout_ == JsonLayout::kLines ? "jsonl " : "json ") + file_.path().string();
  }

  std::vector<AppendFile*> files() override { return {&file_}; }

  void Add(const Record& record) override {
    const PictureRef& picture = record.picture;
    const PictureLabel label{picture.name, picture.page, picture.pages, picture.seconds};
    for (const Result& result : record.results) {
      AddJson(ResultToJson(label, result));
    }
    for (const Error& error : record.errors) {
      AddJson(ErrorToJson(label, Name(error.code()), error.what()));
    }
  }

  void Finish() override {
    if (layout_ == JsonLayout::kList) file_.Append(file_.length() == 0 ? "[]\n" : "\n]\n");
  }

 private:
  void AddJson(const std::string& json) {
    if (layout_ == JsonLayout::kLines) {
      file_.Append(json + "\n");
    } else {
      file_.Append((file_.length() == 0 ? "[\n" : ",\n") + json);
    }
  }

  AppendFile file_;
  JsonLayout layout_;
};

}  // namespace

std::unique_ptr<Sink> MakeJsonSink(const fs::path& path, JsonLayout layout) {
  return std::make_unique<JsonSink>(path, layout);
}

}  // namespace uffizi::dataset
