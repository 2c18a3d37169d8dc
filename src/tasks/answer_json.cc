#include "core/json_writer.h"
#include "uffizi/task.h"

namespace uffizi {
namespace {

void WriteBox(const Region& region, JsonWriter& json) {
  const Box& box = region.box;
  json.Values(std::initializer_list<float>{box.x1, box.y1, box.x2, box.y2});
}

void WriteQuad(const Region& region, JsonWriter& json) { json.Values(region.quad); }

void WritePolygons(const Region& region, JsonWriter& json) {
  json.List();
  for (const Polygon& polygon : region.polygons) json.Values(polygon);
  json.End();
}

// Writes {KEY: geometry, "labels": labels, "scores": scores} members, with an item for each region.
// `prefix` comes before "labels" and "scores".
void WriteLists(std::string_view key, std::string_view prefix,
                const std::vector<const Region*>& regions,
                void (*geometry)(const Region&, JsonWriter&), JsonWriter& json) {
  const auto list = [&](const std::string& name, const auto& write) {
    json.Key(name).List();
    for (const Region* region : regions) write(*region);
    json.End();
  };
  const std::string before(prefix);
  list(std::string(key), [&](const Region& region) { geometry(region, json); });
  list(before + "labels", [&](const Region& region) { json.Value(region.label); });
  list(before + "scores",
       [&](const Region& region) { region.score ? json.Value(*region.score) : json.Null(); });
}

}  // namespace

std::string AnswerToJson(const Answer& answer) {
  JsonWriter json;
  if (answer.shape == AnswerShape::kText) return json.Value(answer.text).Take();
  std::vector<const Region*> all, boxes, polygons;
  for (const Region& region : answer.regions) {
    all.push_back(&region);
    (region.polygons.empty() ? boxes : polygons).push_back(&region);
  }
  json.Object();
  switch (answer.shape) {
    case AnswerShape::kText:
      break;
    case AnswerShape::kBoxes:
      WriteLists("bboxes", "", all, WriteBox, json);
      break;
    case AnswerShape::kQuads:
      WriteLists("quad_boxes", "", all, WriteQuad, json);
      break;
    case AnswerShape::kPolygons:
      WriteLists("polygons", "", all, WritePolygons, json);
      break;
    case AnswerShape::kOpenVocabulary:
      WriteLists("bboxes", "bboxes_", boxes, WriteBox, json);
      WriteLists("polygons", "polygons_", polygons, WritePolygons, json);
      break;
  }
  return json.End().Take();
}

}  // namespace uffizi
