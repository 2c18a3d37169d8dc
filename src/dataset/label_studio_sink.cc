#include <cctype>
#include <cstring>

#include "core/json_writer.h"
#include "dataset/geometry.h"
#include "dataset/sink.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

// What every item of a prediction begins with.
std::string ItemStart(const Result& result, const std::string& id, const char* from,
                      const char* type) {
  return "{\"id\": \"" + id + "\", \"from_name\": \"" + from +
         "\", \"to_name\": \"image\", \"type\": \"" + type +
         "\", \"original_width\": " + std::to_string(result.width) +
         ", \"original_height\": " + std::to_string(result.height) + ", \"image_rotation\": 0, ";
}

// Percent of a side, Label Studio's unit.
float Percent(float pixels, int side) { return 100 * pixels / static_cast<float>(side); }

std::string TextItem(const Result& result, const std::string& id, const std::string& text) {
  std::string json = ItemStart(result, id, "text", "textarea") + "\"value\": {\"text\": [";
  AppendJsonString(text, json);
  return json + "]}}";
}

void AppendLabels(const char* key, const Region& region, std::string& json) {
  json += std::string(", \"") + key + "\": [";
  AppendJsonString(region.label.empty() ? "object" : region.label, json);
  json += "]}, \"score\": ";
  AppendJsonNumber(region.score, json);
  json += "}";
}

std::string BoxItem(const Result& result, const std::string& id, const Region& region) {
  const Box box = BoundingBox(region, result.width, result.height);
  std::string json = ItemStart(result, id, "box", "rectanglelabels") + "\"value\": {";
  const std::pair<const char*, float> sides[] = {
      {"x", Percent(box.x1, result.width)},
      {"y", Percent(box.y1, result.height)},
      {"width", Percent(box.x2 - box.x1, result.width)},
      {"height", Percent(box.y2 - box.y1, result.height)}};
  for (const auto& [name, value] : sides) {
    json += std::string("\"") + name + "\": ";
    AppendJsonNumber(value, json);
    json += ", ";
  }
  json += "\"rotation\": 0";
  AppendLabels("rectanglelabels", region, json);
  return json;
}

std::string PolygonItem(const Result& result, const std::string& id, const Region& region,
                        const Polygon& polygon) {
  std::string json =
      ItemStart(result, id, "polygon", "polygonlabels") + "\"value\": {\"points\": [";
  for (size_t i = 0; i + 1 < polygon.size(); i += 2) {
    if (i > 0) json += ", ";
    AppendJsonNumbers(std::vector<float>{Percent(polygon[i], result.width),
                                         Percent(polygon[i + 1], result.height)},
                      json);
  }
  json += "], \"closed\": true";
  AppendLabels("polygonlabels", region, json);
  return json;
}

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
    json += "{\"data\": {\"image\": ";
    AppendJsonString(Address(record.picture.name), json);
    json += "}, \"predictions\": [{\"model_version\": \"uffizi\", \"result\": [";
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
      if (result.answer.shape == AnswerShape::kText) {
        add(TextItem(result, next_id(), result.answer.text));
      }
      for (const Region& region : result.answer.regions) {
        const std::vector<Polygon> outlines = Outlines(region);
        if (outlines.empty()) add(BoxItem(result, next_id(), region));
        for (const Polygon& polygon : outlines) {
          add(PolygonItem(result, next_id(), region, polygon));
        }
      }
    }
    file_.Append(json + "]}]}");
  }

  void Finish() override { file_.Append(file_.length() == 0 ? "[]\n" : "\n]\n"); }

 private:
  // What Label Studio fetches the picture by.
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
