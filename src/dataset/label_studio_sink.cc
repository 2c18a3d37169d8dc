#include <cctype>
#include <cstring>

#include "core/json_writer.h"
#include "dataset/sink.h"
#include "tasks/label_studio.h"
#include "tasks/region_outline.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

class LabelStudioSink : public Sink {
 public:
  LabelStudioSink(const fs::path& path, const std::string& prefix) : file_(path), prefix_(prefix) {}

  std::string description() const override {
    return "label-studio " + file_.path().string() + (prefix_.empty() ? "" : " with " + prefix_);
  }
  std::vector<AppendFile*> files() override { return {&file_}; }

  void Add(const Record& record) override {
    if (record.width == 0) return;
    std::string json = file_.length() == 0 ? "[\n" : ",\n";
    JsonWriter data;
    data.Object().Member("image", Address(record.picture.name)).End();
    json += "{\"data\": " + data.Take() +
            ", \"predictions\": [{\"model_version\": \"uffizi\", \"result\": [";
    bool first = true;
    int id = 0;
    const auto add = [&](const std::string& item) {
      json += (first ? "\n  " : ",\n  ") + item;
      first = false;
    };
    for (const Result& result : record.results) {
      const auto next_id = [&] {
        return std::to_string(record.index + 1) + "-" + std::to_string(++id);
      };
      const LabelStudioItems items(result);
      if (result.answer.shape == AnswerShape::kText) {
        add(items.Text(next_id(), "text", result.answer.text));
      }
      for (const Region& region : result.answer.regions) {
        const std::vector<Polygon> outlines = Outlines(region);
        if (outlines.empty()) add(items.Box(next_id(), "box", region));
        for (const Polygon& polygon : outlines) {
          add(items.Polygon(next_id(), "polygon", region, polygon));
        }
      }
    }
    file_.Append(json + "]}]}");
  }

  void Finish() override { file_.Append(file_.length() == 0 ? "[]\n" : "\n]\n"); }

 private:
  // The address from which Label Studio fetches the picture.
  std::string Address(const std::string& name) const {
    if (prefix_.empty()) return name;
    static constexpr char kHex[] = "0123456789ABCDEF";
    const std::string path = fs::path(name).relative_path().lexically_normal().string();
    std::string address = prefix_;
    for (const char c : path) {
      const auto byte = static_cast<unsigned char>(c);
      if (std::isalnum(byte) != 0 || std::strchr("/-._~", c) != nullptr) {
        address += c;
      } else {
        address += {'%', kHex[byte >> 4], kHex[byte & 15]};
      }
    }
    return address;
  }

  AppendFile file_;
  std::string prefix_;
};

}  // namespace

std::unique_ptr<Sink> MakeLabelStudioSink(const fs::path& path, const std::string& prefix) {
  return std::make_unique<LabelStudioSink>(path, prefix);
}

}  // namespace uffizi::dataset
