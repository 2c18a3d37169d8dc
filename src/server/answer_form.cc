#include "server/answer_form.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "server/problem.h"
#include "tasks/region_outline.h"
#include "uffizi/task.h"

namespace uffizi::server {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kMaxDepth = 8;  // for schemas that refer to themselves

std::string Dump(const ordered_json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

bool IsOneOf(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Fills a schema with one answer. Properties that cannot be filled are left out; if they are
// required, that is a Problem.
class Filler {
 public:
  Filler(const json& root, const Result& result, const std::string& field)
      : root_(root), result_(result), answer_(result.answer), field_(field) {}

  ordered_json FillRoot() {
    auto filled = FillAnswer(Resolve(root_, 0), field_, 0);
    if (!filled) Refuse(field_);
    return *std::move(filled);
  }

 private:
  [[noreturn]] void Refuse(const std::string& name) const {
    throw Problem(422, "unsupported",
                  name + " cannot be filled with what the model answers here (docs/doors.md)");
  }

  // Resolves references and the ways in which schemas express "or null".
  const json& Resolve(const json& schema, int depth) const {
    if (!schema.is_object() || depth > kMaxDepth) return schema;
    if (const auto ref = schema.find("$ref"); ref != schema.end() && ref->is_string()) {
      const auto& path = ref->get_ref<const std::string&>();
      const auto pointer =
          path.starts_with("#/") ? json::json_pointer(path.substr(1)) : json::json_pointer();
      if (!path.starts_with("#/") || !root_.contains(pointer)) Refuse(field_ + ": " + path);
      return Resolve(root_.at(pointer), depth + 1);
    }
    for (const char* key : {"anyOf", "oneOf", "allOf"}) {
      const auto options = schema.find(key);
      if (options == schema.end() || !options->is_array()) continue;
      for (const json& option : *options) {
        if (option.value("type", json()) != "null") return Resolve(option, depth + 1);
      }
    }
    return schema;
  }

  // The schema of a list's items.
  const json& ItemsOf(const json& schema) const {
    static const json nothing = json::object();
    const auto items = schema.find("items");
    return items != schema.end() ? Resolve(*items, 0) : nothing;
  }

  static std::string TypeOf(const json& schema) {
    if (!schema.is_object()) return "";
    const json type = schema.value("type", json());
    if (type.is_string()) return type.get<std::string>();
    if (type.is_array()) {
      for (const json& one : type) {
        if (one.is_string() && one != "null") return one.get<std::string>();
      }
    }
    return schema.contains("properties") ? "object" : "";
  }

  static ordered_json Number(double value, const std::string& type) {
    if (type == "integer") return static_cast<int64_t>(std::llround(value));
    // Uses as few digits as a float needs.
    return ordered_json::parse(json(static_cast<float>(value)).dump());
  }

  // Fills each property with `fill(name, schema, path, depth)`.
  template <typename Fill>
  std::optional<ordered_json> FillObject(const json& schema, const std::string& path, int depth,
                                         const Fill& fill) {
    ordered_json object = ordered_json::object();
    const json properties = schema.value("properties", json::object());
    const json required = schema.value("required", json::array());
    for (const auto& [name, sub] : properties.items()) {
      const std::string here = path + "." + name;
      auto value = fill(name, Resolve(sub, 0), here, depth + 1);
      const bool must = std::find(required.begin(), required.end(), name) != required.end();
      if (value) {
        object[name] = *std::move(value);
      } else if (must) {
        Refuse(here);
      }
    }
    if (object.empty()) return std::nullopt;
    return object;
  }

  std::optional<ordered_json> FillAnswer(const json& schema, const std::string& path, int depth) {
    const std::string type = TypeOf(schema);
    if (depth > kMaxDepth) return std::nullopt;
    if (type == "object") {
      return FillObject(schema, path, depth,
                        [&](const std::string& name, const json& sub, const std::string& here,
                            int deeper) { return FillProperty(name, sub, here, deeper); });
    }
    return FillProperty("", schema, path, depth);
  }

  std::optional<ordered_json> FillProperty(const std::string& name, const json& schema,
                                           const std::string& path, int depth) {
    const std::string type = TypeOf(schema);
    if (type == "string") return Text();
    if (type == "object") return FillAnswer(schema, path, depth);
    if (type == "array") return FillList(name, schema, path, depth);
    if (type != "integer" && type != "number") return std::nullopt;
    if (name == "width") return result_.width;
    if (name == "height") return result_.height;
    if (IsOneOf(name, {"count", "number", "total"})) return answer_.regions.size();
    return std::nullopt;
  }

  // The text answer, or the labels that were found.
  std::string Text() const {
    if (answer_.shape == AnswerShape::kText) return answer_.text;
    std::string text;
    for (const Region& region : answer_.regions) {
      if (!region.label.empty()) text += (text.empty() ? "" : ", ") + region.label;
    }
    return text;
  }

  std::optional<ordered_json> FillList(const std::string& name, const json& schema,
                                       const std::string& path, int depth) {
    if (answer_.shape == AnswerShape::kText) return std::nullopt;
    // Lists of the answer itself: bboxes, labels, scores, ...
    const json own = json::parse(AnswerToJson(answer_));
    const json& items = ItemsOf(schema);
    const std::string type = TypeOf(items);
    if (type != "object" && own.contains(name)) return ordered_json(own.at(name));
    if (type != "object" && type != "string" && type != "array") return std::nullopt;
    ordered_json list = ordered_json::array();
    for (const Region& region : answer_.regions) {
      auto item = FillRegionValue("", items, path + "[]", depth + 1, region);
      if (item && fits_) list.push_back(*std::move(item));
      fits_ = true;
    }
    // The items of an empty list must be fillable, too.
    if (answer_.regions.empty()) FillRegionValue("", items, path + "[]", depth + 1, {});
    fits_ = true;
    return list;
  }

  std::optional<ordered_json> FillRegionValue(const std::string& name, const json& schema,
                                              const std::string& path, int depth,
                                              const Region& region) {
    if (depth > kMaxDepth) return std::nullopt;
    const std::string type = TypeOf(schema);
    if (type == "object") {
      return FillObject(
          schema, path, depth,
          [&](const std::string& inner, const json& sub, const std::string& here, int deeper) {
            return FillRegionValue(inner, sub, here, deeper, region);
          });
    }
    if (type == "string") return Label(schema, region);
    if (type == "array") return Geometry(name, schema, region);
    if (type != "integer" && type != "number") return std::nullopt;
    const auto value = NumberOf(name, region);
    if (!value) return std::nullopt;
    return Number(*value, type);
  }

  // A region whose label the schema does not list is dropped.
  std::optional<ordered_json> Label(const json& schema, const Region& region) {
    const json known = schema.value("enum", json::array());
    if (!known.empty() && !known.is_null()) {
      fits_ &= std::find(known.begin(), known.end(), region.label) != known.end();
    }
    return region.label;
  }

  Box BoxOf(const Region& region) const {
    return BoundingBox(region, result_.width, result_.height);
  }

  std::optional<ordered_json> Geometry(const std::string& name, const json& schema,
                                       const Region& region) {
    const json& items = ItemsOf(schema);
    const std::string type = TypeOf(items);
    const auto numbers = [&](std::span<const float> values) {
      ordered_json list = ordered_json::array();
      for (const float value : values) list.push_back(Number(static_cast<double>(value), type));
      return list;
    };
    const std::vector<Polygon> outlines = Outlines(region);
    const bool outline = IsOneOf(name, {"quad", "quad_box", "polygon", "points", "segmentation"});
    if (type == "array" && (outline || name == "polygons")) {
      ordered_json list = ordered_json::array();
      for (const Polygon& polygon : outlines) list.push_back(ordered_json(polygon));
      return list;
    }
    if (type != "number" && type != "integer") return std::nullopt;
    if (outline) return numbers(outlines.empty() ? Polygon() : outlines.front());
    const Box box = BoxOf(region);
    return numbers(std::vector<float>{box.x1, box.y1, box.x2, box.y2});
  }

  std::optional<double> NumberOf(const std::string& name, const Region& region) const {
    const Box box = BoxOf(region);
    const std::pair<std::vector<std::string_view>, float> known[] = {
        {{"x1", "x", "left", "xmin", "x_min"}, box.x1},
        {{"y1", "y", "top", "ymin", "y_min"}, box.y1},
        {{"x2", "right", "xmax", "x_max"}, box.x2},
        {{"y2", "bottom", "ymax", "y_max"}, box.y2},
        {{"width", "w"}, box.x2 - box.x1},
        {{"height", "h"}, box.y2 - box.y1},
        {{"score", "confidence", "probability"},
         region.score.value_or(0)},  // a schema wants a number
    };
    for (const auto& [names, value] : known) {
      if (std::find(names.begin(), names.end(), name) != names.end()) {
        return static_cast<double>(value);
      }
    }
    return std::nullopt;
  }

  const json& root_;
  const Result& result_;
  const Answer& answer_;
  const std::string& field_;
  bool fits_ = true;  // the region's label is one of the schema's
};

}  // namespace

AnswerForm::AnswerForm(json schema, std::string field)
    : schema_(std::make_shared<const json>(std::move(schema))), field_(std::move(field)) {
  if (!schema_->is_object()) throw Problem(422, "unsupported", field_ + " must be a JSON schema");
}

void AnswerForm::Check(AnswerShape shape) const {
  Result nothing;
  nothing.answer.shape = shape;
  Write(nothing);
}

std::string AnswerForm::Write(const Result& result) const {
  if (schema_ != nullptr) {
    try {
      return Dump(Filler(*schema_, result, field_).FillRoot());
    } catch (const json::exception&) {  // "properties" that is a number, and the like
      throw Problem(422, "unsupported", field_ + " is not a JSON schema that can be read");
    }
  }
  if (result.answer.shape != AnswerShape::kText) return AnswerToJson(result.answer);
  return Dump({{"text", result.answer.text}});
}

}  // namespace uffizi::server
