#include "tasks/label_studio.h"

#include <optional>
#include <utility>
#include <vector>

#include "core/json_writer.h"
#include "tasks/region_outline.h"

namespace uffizi {
namespace {

// Percent of a side, Label Studio's unit.
float Percent(float pixels, int side) { return 100 * pixels / static_cast<float>(side); }

// `, "score": 0.5}`: the end of an item. Without the score where none is known.
std::string ScoreEnd(std::optional<float> score) {
  if (!score) return "}";
  std::string json = ", \"score\": ";
  AppendJsonNumber(*score, json);
  return json + "}";
}

// `KEY: ["label"]}` before that.
std::string LabelsEnd(const char* key, std::string_view label, std::optional<float> score) {
  std::string json = std::string(", \"") + key + "\": [";
  AppendJsonString(label.empty() ? "object" : label, json);
  return json + "]}" + ScoreEnd(score);
}

}  // namespace

// The beginning of every item.
std::string LabelStudioItems::Start(const std::string& id, std::string_view from,
                                    const char* type) const {
  std::string json = "{\"id\": \"" + id + "\", \"from_name\": ";
  AppendJsonString(from, json);
  json += ", \"to_name\": ";
  AppendJsonString(to_, json);
  return json + ", \"type\": \"" + type +
         "\", \"original_width\": " + std::to_string(result_.width) +
         ", \"original_height\": " + std::to_string(result_.height) + ", \"image_rotation\": 0, ";
}

std::string LabelStudioItems::Text(const std::string& id, std::string_view from,
                                   std::string_view text) const {
  std::string json = Start(id, from, "textarea") + "\"value\": {\"text\": [";
  AppendJsonString(text, json);
  return json + "]}}";
}

// `"value": {"x": ..., "rotation": 0`, open for more.
std::string LabelStudioItems::BoxValue(const Region& region) const {
  const uffizi::Box box = BoundingBox(region, result_.width, result_.height);
  std::string json = "\"value\": {";
  const std::pair<const char*, float> sides[] = {
      {"x", Percent(box.x1, result_.width)},
      {"y", Percent(box.y1, result_.height)},
      {"width", Percent(box.x2 - box.x1, result_.width)},
      {"height", Percent(box.y2 - box.y1, result_.height)}};
  for (const auto& [name, value] : sides) {
    json += std::string("\"") + name + "\": ";
    AppendJsonNumber(value, json);
    json += ", ";
  }
  return json + "\"rotation\": 0";
}

std::string LabelStudioItems::Box(const std::string& id, std::string_view from,
                                  const Region& region) const {
  return Start(id, from, "rectanglelabels") + BoxValue(region) +
         LabelsEnd("rectanglelabels", region.label, region.score);
}

std::string LabelStudioItems::PlainBox(const std::string& id, std::string_view from,
                                       const Region& region) const {
  return Start(id, from, "rectangle") + BoxValue(region) + "}}";
}

std::string LabelStudioItems::Labels(const std::string& id, std::string_view from,
                                     const Region& region, std::string_view label) const {
  return Start(id, from, "labels") + BoxValue(region) + LabelsEnd("labels", label, region.score);
}

std::string LabelStudioItems::RegionText(const std::string& id, std::string_view from,
                                         const Region& region) const {
  std::string json = Start(id, from, "textarea") + BoxValue(region) + ", \"text\": [";
  AppendJsonString(region.label, json);
  return json + "]}" + ScoreEnd(region.score);
}

std::string LabelStudioItems::Polygon(const std::string& id, std::string_view from,
                                      const Region& region, const uffizi::Polygon& polygon) const {
  std::string json = Start(id, from, "polygonlabels") + "\"value\": {\"points\": [";
  for (size_t i = 0; i + 1 < polygon.size(); i += 2) {
    if (i > 0) json += ", ";
    AppendJsonNumbers(std::vector<float>{Percent(polygon[i], result_.width),
                                         Percent(polygon[i + 1], result_.height)},
                      json);
  }
  return json + "], \"closed\": true" + LabelsEnd("polygonlabels", region.label, region.score);
}

}  // namespace uffizi
