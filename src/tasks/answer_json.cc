#include "tasks/json_writer.h"
#include "uffizi/task.h"

namespace uffizi {
namespace {

// Writes one list of {"bboxes": [...], "labels": [...], ...}, an item for each region that `keep`s.
class Lists {
 public:
  explicit Lists(std::string& out) : out_(out) { out_ += '{'; }

  template <typename Append>
  Lists& Add(std::string_view key, const std::vector<const Region*>& regions,
             const Append& append) {
    if (out_.back() != '{') out_ += ", ";
    AppendJsonString(key, out_);
    out_ += ": ";
    AppendJsonList(regions, out_,
                   [&](const Region* region, std::string& to) { append(*region, to); });
    return *this;
  }

  void End() { out_ += '}'; }

 private:
  std::string& out_;
};

void AppendBox(const Region& region, std::string& out) {
  const Box& box = region.box;
  AppendJsonNumbers(std::initializer_list<float>{box.x1, box.y1, box.x2, box.y2}, out);
}

void AppendQuad(const Region& region, std::string& out) { AppendJsonNumbers(region.quad, out); }

void AppendPolygons(const Region& region, std::string& out) {
  AppendJsonList(region.polygons, out,
                 [](const Polygon& polygon, std::string& to) { AppendJsonNumbers(polygon, to); });
}

void AppendLabel(const Region& region, std::string& out) { AppendJsonString(region.label, out); }
void AppendScore(const Region& region, std::string& out) { AppendJsonNumber(region.score, out); }

}  // namespace

std::string AnswerToJson(const Answer& answer) {
  std::string out;
  std::vector<const Region*> all, boxes, polygons;
  for (const Region& region : answer.regions) {
    all.push_back(&region);
    (region.polygons.empty() ? boxes : polygons).push_back(&region);
  }
  switch (answer.shape) {
    case AnswerShape::kText:
      AppendJsonString(answer.text, out);
      break;
    case AnswerShape::kBoxes:
      Lists(out)
          .Add("bboxes", all, AppendBox)
          .Add("labels", all, AppendLabel)
          .Add("scores", all, AppendScore)
          .End();
      break;
    case AnswerShape::kQuads:
      Lists(out)
          .Add("quad_boxes", all, AppendQuad)
          .Add("labels", all, AppendLabel)
          .Add("scores", all, AppendScore)
          .End();
      break;
    case AnswerShape::kPolygons:
      Lists(out)
          .Add("polygons", all, AppendPolygons)
          .Add("labels", all, AppendLabel)
          .Add("scores", all, AppendScore)
          .End();
      break;
    case AnswerShape::kOpenVocabulary:
      Lists(out)
          .Add("bboxes", boxes, AppendBox)
          .Add("bboxes_labels", boxes, AppendLabel)
          .Add("bboxes_scores", boxes, AppendScore)
          .Add("polygons", polygons, AppendPolygons)
          .Add("polygons_labels", polygons, AppendLabel)
          .Add("polygons_scores", polygons, AppendScore)
          .End();
      break;
  }
  return out;
}

}  // namespace uffizi
