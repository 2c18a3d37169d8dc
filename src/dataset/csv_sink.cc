#include "core/json_writer.h"
#include "dataset/csv.h"
#include "dataset/sink.h"
#include "tasks/region_outline.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kHeader =
    "image,width,height,task,text,label,score,x1,y1,x2,y2,points,error,message\n";

std::string Number(float value) {
  std::string text;
  AppendJsonNumber(value, text);
  return text;
}

// "x y x y ...", with ';' between polygons.
std::string Points(const Region& region) {
  std::string text;
  for (const Polygon& polygon : Outlines(region)) {
    if (!text.empty()) text += ';';
    for (size_t i = 0; i < polygon.size(); ++i) {
      if (i > 0) text += ' ';
      AppendJsonNumber(polygon[i], text);
    }
  }
  return text;
}

class CsvSink : public Sink {
 public:
  explicit CsvSink(const fs::path& path) : file_(path) {}

  std::string description() const override { return "csv " + file_.path().string(); }
  std::vector<AppendFile*> files() override { return {&file_}; }

  void Begin() override {
    if (file_.length() == 0) file_.Append(kHeader);
  }

  void Add(const Record& record) override {
    for (const Result& result : record.results) AddResult(record.picture.name, result);
    for (const Error& error : record.errors) {
      Row({record.picture.name, "", "", "", "", "", "", "", "", "", "", "", Name(error.code()),
           error.what()});
    }
  }

 private:
  void AddResult(const std::string& name, const Result& result) {
    const std::string width = std::to_string(result.width), height = std::to_string(result.height);
    const std::string task = result.task.empty() ? result.prompt : result.task;
    if (result.answer.regions.empty()) {
      Row({name, width, height, task, result.answer.text, "", "", "", "", "", "", "", "", ""});
    }
    for (const Region& region : result.answer.regions) {
      const Box box = BoundingBox(region, result.width, result.height);
      Row({name, width, height, task, "", region.label, region.score ? Number(*region.score) : "",
           Number(box.x1), Number(box.y1), Number(box.x2), Number(box.y2), Points(region), "", ""});
    }
  }

  void Row(std::initializer_list<std::string> fields) {
    std::string row;
    for (const std::string& field : fields) {
      if (!row.empty()) row += ',';
      AppendCsvField(field, row);
    }
    file_.Append(row + "\n");
  }

  AppendFile file_;
};

}  // namespace

std::unique_ptr<Sink> MakeCsvSink(const fs::path& path) { return std::make_unique<CsvSink>(path); }

}  // namespace uffizi::dataset
