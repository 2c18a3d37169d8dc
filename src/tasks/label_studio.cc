#include "tasks/label_studio.h"

#include <optional>

#include "tasks/region_outline.h"

namespace uffizi {
namespace {

// Percent of a side, Label Studio's unit.
float Percent(float pixels, int side) { return 100 * pixels / static_cast<float>(side); }

// Ends an item, whose value is open. The score is left out where none is known.
std::string End(JsonWriter& json, std::optional<float> score = std::nullopt) {
  json.End();
  if (score) json.Member("score", *score);
  return json.End().Take();
}

// Ends the value with the one label of a region.
std::string EndLabelled(JsonWriter& json, const char* key, std::string_view label,
                        std::optional<float> score) {
  json.Key(key).List().Value(label.empty() ? "object" : label).End();
  return End(json, score);
}

}  // namespace

// The beginning of every item, with its value open.
JsonWriter LabelStudioItems::Start(const std::string& id, std::string_view from,
                                   const char* type) const {
  JsonWriter json;
  json.Object().Member("id", id).Member("from_name", from).Member("to_name", to_);
  json.Member("type", type).Member("original_width", result_.width);
  json.Member("original_height", result_.height).Member("image_rotation", 0);
  json.Key("value").Object();
  return json;
}

// The same, with a region's box.
JsonWriter LabelStudioItems::StartBox(const std::string& id, std::string_view from,
                                      const char* type, const Region& region) const {
  JsonWriter json = Start(id, from, type);
  const uffizi::Box box = BoundingBox(region, result_.width, result_.height);
  json.Member("x", Percent(box.x1, result_.width)).Member("y", Percent(box.y1, result_.height));
  json.Member("width", Percent(box.x2 - box.x1, result_.width));
  json.Member("height", Percent(box.y2 - box.y1, result_.height)).Member("rotation", 0);
  return json;
}

std::string LabelStudioItems::Text(const std::string& id, std::string_view from,
                                   std::string_view text) const {
  JsonWriter json = Start(id, from, "textarea");
  json.Key("text").List().Value(text).End();
  return End(json);
}

std::string LabelStudioItems::Box(const std::string& id, std::string_view from,
                                  const Region& region) const {
  JsonWriter json = StartBox(id, from, "rectanglelabels", region);
  return EndLabelled(json, "rectanglelabels", region.label, region.score);
}

std::string LabelStudioItems::PlainBox(const std::string& id, std::string_view from,
                                       const Region& region) const {
  JsonWriter json = StartBox(id, from, "rectangle", region);
  return End(json);
}

std::string LabelStudioItems::Labels(const std::string& id, std::string_view from,
                                     const Region& region, std::string_view label) const {
  JsonWriter json = StartBox(id, from, "labels", region);
  return EndLabelled(json, "labels", label, region.score);
}

std::string LabelStudioItems::RegionText(const std::string& id, std::string_view from,
                                         const Region& region) const {
  JsonWriter json = StartBox(id, from, "textarea", region);
  json.Key("text").List().Value(region.label).End();
  return End(json, region.score);
}

std::string LabelStudioItems::Polygon(const std::string& id, std::string_view from,
                                      const Region& region, const uffizi::Polygon& polygon) const {
  JsonWriter json = Start(id, from, "polygonlabels");
  json.Key("points").List();
  for (size_t i = 0; i + 1 < polygon.size(); i += 2) {
    json.List().Value(Percent(polygon[i], result_.width));
    json.Value(Percent(polygon[i + 1], result_.height)).End();
  }
  json.End().Member("closed", true);
  return EndLabelled(json, "polygonlabels", region.label, region.score);
}

}  // namespace uffizi
