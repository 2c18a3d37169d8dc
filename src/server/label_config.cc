#include "server/label_config.h"

#include <algorithm>
#include <pugixml.hpp>

#include "core/ascii.h"
#include "server/annotate_request.h"
#include "server/problem.h"
#include "tasks/label_studio.h"
#include "tasks/region_outline.h"

namespace uffizi::server {
namespace {

bool IsTrue(const pugi::xml_node& tag, const char* attribute) {
  return ToLower(tag.attribute(attribute).value()) == "true";
}

void ReadLabels(const pugi::xml_node& tag, LabelControl& control) {
  for (const pugi::xml_node& child : tag.children("Label")) {
    const std::string label = child.attribute("value").value();
    if (label.empty()) continue;
    control.labels.push_back(label);
    control.known_as.emplace(ToLower(label), label);
    const std::string others = child.attribute("predicted_values").value();
    for (size_t begin = 0; begin < others.size();) {
      const size_t end = std::min(others.find(',', begin), others.size());
      const std::string other = ToLower(Trim(others.substr(begin, end - begin), " \t\n"));
      if (!other.empty()) control.known_as.emplace(other, label);
      begin = end + 1;
    }
  }
}

LabelControl ReadControl(const pugi::xml_node& tag, LabelControl::Kind kind) {
  LabelControl control;
  control.kind = kind;
  control.name = tag.attribute("name").value();
  control.min_score = tag.attribute("model_score_threshold").as_float(0);
  if (const auto task = tag.attribute("task")) control.task = TaskNamed(task.value());
  ReadLabels(tag, control);
  return control;
}

// Collects the tags of one configuration.
class Collector : public pugi::xml_tree_walker {
 public:
  explicit Collector(LabelConfig& config) : config_(config) {}

  bool for_each(pugi::xml_node& tag) override {
    const std::string name = tag.name();
    if (name == "Image" && config_.image.empty()) {
      config_.image = tag.attribute("name").value();
      const std::string value = tag.attribute("value").value();
      config_.data_key = value.substr(value.starts_with('$') ? 1 : 0);
    } else if (name == "RectangleLabels") {
      config_.controls.push_back(ReadControl(tag, LabelControl::Kind::kBoxes));
    } else if (name == "PolygonLabels") {
      config_.controls.push_back(ReadControl(tag, LabelControl::Kind::kPolygons));
    } else if (name == "TextArea" && !IsTrue(tag, "perRegion")) {
      config_.controls.push_back(ReadControl(tag, LabelControl::Kind::kText));
    } else if (name == "Rectangle") {
      rectangle_ = tag;
    } else if (name == "Labels") {
      labels_ = tag;
    } else if (name == "TextArea") {
      words_ = tag;
    }
    return true;
  }

  // Lines of text need a place; with words of their own they need an answer.
  void Finish() {
    if (!rectangle_ || !words_) return;
    LabelControl control = ReadControl(rectangle_, LabelControl::Kind::kReading);
    if (labels_) ReadLabels(labels_, control);
    control.label_from = labels_ ? labels_.attribute("name").value() : "";
    control.text_from = words_.attribute("name").value();
    config_.controls.push_back(std::move(control));
  }

 private:
  LabelConfig& config_;
  pugi::xml_node rectangle_, labels_, words_;
};

// The configuration's own spelling of what the model found; nothing if it has no such label.
std::optional<std::string> LabelFor(const LabelControl& control, const std::string& found) {
  if (control.labels.empty()) return found;
  const auto known = control.known_as.find(ToLower(found));
  if (known == control.known_as.end()) return std::nullopt;
  return known->second;
}

}  // namespace

LabelConfig LabelConfig::Parse(const std::string& xml) {
  pugi::xml_document document;
  LabelConfig config;
  if (!document.load_string(xml.c_str())) {
    throw Problem(422, "invalid_request", "label_config is not XML");
  }
  Collector collector(config);
  document.traverse(collector);
  collector.Finish();
  if (config.image.empty()) {
    throw Problem(422, "unsupported", "label_config has no Image: the model looks at pictures");
  }
  if (config.controls.empty()) {
    throw Problem(422, "unsupported",
                  "label_config has none of RectangleLabels, PolygonLabels, TextArea, or Rectangle "
                  "with a TextArea perRegion");
  }
  return config;
}

std::vector<Question> QuestionsOf(const LabelControl& control) {
  switch (control.kind) {
    case LabelControl::Kind::kText:
      return {{control.task.value_or(Task::kDetailedCaption), ""}};
    case LabelControl::Kind::kReading:
      return {{control.task.value_or(Task::kOcrWithRegion), ""}};
    case LabelControl::Kind::kBoxes: {
      const Task task = control.task.value_or(Task::kObjectDetection);
      if (GetTaskInfo(task).input != TaskInput::kText) return {{task, ""}};
      std::string wanted;
      const char* between = task == Task::kOpenVocabularyDetection ? ";" : ", ";
      for (const std::string& label : control.labels) {
        wanted += (wanted.empty() ? "" : between) + label;
      }
      return {{task, wanted}};
    }
    case LabelControl::Kind::kPolygons:
      break;
  }
  std::vector<Question> questions;
  for (const std::string& label : control.labels) {
    questions.push_back({control.task.value_or(Task::kReferringSegmentation), label});
  }
  return questions;
}

void AddItems(const LabelConfig& config, const LabelControl& control,
              std::span<const Result> results, const std::string& id_start, LabelItems& items) {
  size_t number = 0;
  for (size_t q = 0; q < results.size(); ++q) {
    const Result& result = results[q];
    const LabelStudioItems write(result, config.image);
    const auto next_id = [&] { return id_start + control.name + "-" + std::to_string(++number); };
    if (control.kind == LabelControl::Kind::kText) {
      const bool text = result.answer.shape == AnswerShape::kText;
      const std::string words = text ? result.answer.text : AnswerToJson(result.answer);
      items.json.push_back(write.Text(next_id(), control.name, words));
      continue;
    }
    for (Region region : result.answer.regions) {
      if (control.min_score > 0 && region.score < control.min_score) continue;
      if (region.score) {
        items.score_sum += double{*region.score};
        ++items.scored;
      }
      if (control.kind == LabelControl::Kind::kReading) {
        const std::string id = next_id();
        items.json.push_back(write.PlainBox(id, control.name, region));
        if (!control.labels.empty()) {
          items.json.push_back(
              write.Labels(id, control.label_from, region, control.labels.front()));
        }
        items.json.push_back(write.RegionText(id, control.text_from, region));
        continue;
      }
      const bool asked = control.kind == LabelControl::Kind::kPolygons;
      const auto label = asked ? std::optional(control.labels[q]) : LabelFor(control, region.label);
      if (!label) continue;
      region.label = *label;
      if (!asked) items.json.push_back(write.Box(next_id(), control.name, region));
      for (const Polygon& outline : asked ? Outlines(region) : std::vector<Polygon>()) {
        items.json.push_back(write.Polygon(next_id(), control.name, region, outline));
      }
    }
  }
}

}  // namespace uffizi::server
