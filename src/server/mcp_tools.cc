#include "server/mcp_tools.h"

#include "core/base64.h"
#include "server/problem.h"
#include "server/thumbnail.h"
#include "tasks/region_outline.h"
#include "uffizi/image.h"
#include "uffizi/task.h"

namespace uffizi::server {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kDrawnSide = 1024;  // pixels: clients give a result a megabyte or so
constexpr int kDrawnQuality = 85;

struct Tool {
  const char* name;
  const char* title;
  const char* help;
  const char* properties;  // of its own arguments, as JSON
  const char* required;    // of these, as JSON
  bool draws;              // unless told otherwise
};

constexpr Tool kTools[] = {
    {"caption", "Describe a picture", "Describes a picture in a sentence or a paragraph.",
     R"({"detail": {"type": "string", "enum": ["brief", "detailed", "more_detailed"],
         "default": "detailed", "description": "How much to say"}})",
     "[]", false},
    {"detect", "Find things in a picture",
     "Finds things in a picture: their labels, boxes in pixels and scores. Without labels, "
     "whatever "
     "the model knows.",
     R"({"labels": {"type": "array", "items": {"type": "string"}, "minItems": 1,
         "description": "What to look for, such as [\"cat\", \"red car\"]"},
        "kind": {"type": "string", "enum": ["objects", "descriptions", "proposals"],
         "default": "objects", "description":
         "Without labels: objects by name, regions with a phrase each, or regions alone"},
        "min_score": {"type": "number", "minimum": 0, "maximum": 1,
         "description": "Leave out what is less certain"}})",
     "[]", true},
    {"ground", "Find what a sentence speaks of",
     "Finds each phrase of a sentence in the picture: boxes in pixels, labelled with the phrases.",
     R"({"text": {"type": "string", "minLength": 1,
         "description": "Such as \"a cat on a sofa beside a lamp\""}})",
     R"(["text"])", true},
    {"read_text", "Read the text in a picture",
     "Reads the text in a picture (OCR), line by line, with the place of each line in pixels.",
     "{}", "[]", true},
    {"segment", "Outline a thing in a picture",
     "Gives the outline, polygons in pixels, of what a phrase names or a box holds.",
     R"({"text": {"type": "string", "minLength": 1, "description": "What to outline"},
        "region": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4,
         "description": "Or the box it is in: [x1, y1, x2, y2] in pixels"}})",
     "[]", true},
    {"ask", "Ask the model anything",
     "Gives the model a prompt as it is: a task token such as <OD>, or a question that the model "
     "was "
     "trained for, such as <DocVQA>What is the total? It is no chat model.",
     R"({"prompt": {"type": "string", "minLength": 1},
        "as": {"type": "string",
         "description": "The task whose answers look like this one's, such as od or caption"}})",
     R"(["prompt"])", false},
};

constexpr const char* kCommonArguments = R"({
  "image": {"type": "string", "minLength": 1, "description":
    "The picture: a path where the server runs on your machine, an http(s) address, or a data URI"},
  "page": {"type": "integer", "minimum": 1, "description": "Of a PDF, TIFF or animation"},
  "model": {"type": "string", "description": "One of several, by name"},
  "draw": {"type": "boolean", "description": "Whether to return the picture with the answer drawn on it"}
})";

constexpr const char* kOutput = R"({
  "type": "object",
  "properties": {
    "model": {"type": "string"},
    "task": {"type": "string", "description": "The model's token for what was asked"},
    "width": {"type": "integer", "description": "Of the picture, pixels"},
    "height": {"type": "integer", "description": "Of the picture, pixels"},
    "text": {"type": "string", "description": "The answer in words; of regions, their labels"},
    "regions": {
      "type": "array",
      "items": {
        "type": "object",
        "properties": {
          "label": {"type": "string"},
          "score": {"type": "number", "description": "0 if none is known"},
          "box": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4,
            "description": "[x1, y1, x2, y2] in pixels"},
          "polygons": {"type": "array", "items": {"type": "array", "items": {"type": "number"}},
            "description": "Outlines, if there are any: [x, y, x, y, ...] in pixels"}
        },
        "required": ["label", "score", "box"]
      }
    },
    "truncated": {"type": "boolean", "description": "The answer hit the length limit"}
  },
  "required": ["model", "task", "width", "height", "text", "regions", "truncated"]
})";

ordered_json ToolJson(const Tool& tool) {
  ordered_json properties = ordered_json::parse(kCommonArguments);
  properties.update(ordered_json::parse(tool.properties));
  properties["draw"]["default"] = tool.draws;
  ordered_json required = {"image"};
  for (const auto& name : ordered_json::parse(tool.required)) required.push_back(name);
  return {{"name", tool.name},
          {"title", tool.title},
          {"description", tool.help},
          {"inputSchema",
           {{"type", "object"},
            {"properties", properties},
            {"required", required},
            {"additionalProperties", false}}},
          {"outputSchema", ordered_json::parse(kOutput)},
          {"annotations",
           {{"readOnlyHint", true}, {"destructiveHint", false}, {"idempotentHint", true}}}};
}

Question CaptionQuestion(JsonFields& fields) {
  const std::string detail = fields.String("detail").value_or("detailed");
  if (detail == "brief") return {Task::kCaption, ""};
  if (detail == "detailed") return {Task::kDetailedCaption, ""};
  if (detail == "more_detailed") return {Task::kMoreDetailedCaption, ""};
  RefuseRequest("detail must be brief, detailed or more_detailed");
}

Question DetectQuestion(JsonFields& fields, RegionFilter& filter) {
  const auto labels = fields.Strings("labels");
  const auto kind = fields.String("kind");
  if (const auto score = fields.Number("min_score", 0, 1)) {
    filter.min_score = static_cast<float>(*score);
  }
  if (labels && !labels->empty()) {
    std::string wanted;
    for (const std::string& label : *labels) wanted += (wanted.empty() ? "" : ";") + label;
    return {Task::kOpenVocabularyDetection, wanted};
  }
  const std::string what = kind.value_or("objects");
  if (what == "objects") return {Task::kObjectDetection, ""};
  if (what == "descriptions") return {Task::kDenseRegionCaption, ""};
  if (what == "proposals") return {Task::kRegionProposal, ""};
  RefuseRequest("kind must be objects, descriptions or proposals");
}

Question SegmentQuestion(JsonFields& fields) {
  const auto text = fields.String("text");
  const json& region = fields.Any("region");
  if (text.has_value() == !region.is_null()) {
    RefuseTogether("say what to outline by text or by region, and not by both");
  }
  if (text) return {Task::kReferringSegmentation, *text};
  return {Task::kRegionToSegmentation, ReadRegionField(region, "region")};
}

Question AskQuestion(JsonFields& fields) {
  const auto prompt = fields.String("prompt");
  if (!prompt) RefuseRequest("prompt is missing");
  Question question{std::nullopt, *prompt};
  if (const auto as = fields.String("as")) question.answer_as = TaskNamed(*as);
  return question;
}

Question ReadQuestion(std::string_view tool, JsonFields& fields, RegionFilter& filter) {
  if (tool == "caption") return CaptionQuestion(fields);
  if (tool == "detect") return DetectQuestion(fields, filter);
  if (tool == "read_text") return {Task::kOcrWithRegion, ""};
  if (tool == "segment") return SegmentQuestion(fields);
  if (tool == "ask") return AskQuestion(fields);
  const auto text = fields.String("text");  // ground
  if (!text) RefuseRequest("text is missing");
  return {Task::kPhraseGrounding, *text};
}

// The answer in words: lines of what was read, labels of what was found.
std::string TextOf(const Answer& answer) {
  if (answer.shape == AnswerShape::kText) return answer.text;
  const char* between = answer.shape == AnswerShape::kQuads ? "\n" : ", ";
  std::string text;
  for (const Region& region : answer.regions) {
    if (region.label.empty()) continue;
    if (!text.empty()) text += between;
    text += region.label;
  }
  return text;
}

// As few digits as a float needs.
ordered_json Numbers(std::span<const float> values) {
  ordered_json list = ordered_json::array();
  for (const float value : values) list.push_back(value);
  return list;
}

ordered_json RegionJson(const Region& region, const Result& result) {
  const Box box = BoundingBox(region, result.width, result.height);
  ordered_json told = {{"label", region.label},
                       {"score", region.score ? ordered_json(*region.score) : ordered_json()},
                       {"box", Numbers(std::vector<float>{box.x1, box.y1, box.x2, box.y2})}};
  const std::vector<Polygon> outlines = Outlines(region);
  if (outlines.empty()) return told;
  ordered_json& polygons = told["polygons"] = ordered_json::array();
  for (const Polygon& polygon : outlines) polygons.push_back(Numbers(polygon));
  return told;
}

}  // namespace

const ordered_json& McpTools() {
  static const ordered_json tools = [] {
    ordered_json list = ordered_json::array();
    for (const Tool& tool : kTools) list.push_back(ToolJson(tool));
    return list;
  }();
  return tools;
}

std::optional<McpCall> ReadMcpCall(const std::string& name, const json& arguments,
                                   PictureReader& pictures) {
  for (const Tool& tool : kTools) {
    if (name != tool.name) continue;
    JsonFields fields(arguments, "");
    McpCall call;
    AnnotateRequest& request = call.annotate;
    request.questions = {ReadQuestion(name, fields, request.filter)};
    request.model = fields.String("model").value_or("");
    call.draw = request.keep_pixels = fields.Bool("draw").value_or(tool.draws);
    if (const auto page = fields.Integer("page", 1, std::numeric_limits<int>::max())) {
      request.decode.page = static_cast<size_t>(*page - 1);
    }
    const auto image = fields.Text("image");
    if (!image) RefuseRequest("image is missing: a path, an address or a data URI");
    fields.ExpectNoMore();
    request.image = pictures.Read(*image, "image");
    request.image_name = "image";
    return call;
  }
  return std::nullopt;
}

ordered_json McpResult(const McpCall& call, const std::string& model, const Answered& answered) {
  const Result& result = answered.results.front();
  ordered_json structured = {{"model", model},
                             {"task", result.task},
                             {"width", result.width},
                             {"height", result.height},
                             {"text", TextOf(result.answer)},
                             {"regions", ordered_json::array()},
                             {"truncated", result.truncated}};
  for (const Region& region : result.answer.regions) {
    structured["regions"].push_back(RegionJson(region, result));
  }
  const std::string text = structured.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  ordered_json content = ordered_json::array({{{"type", "text"}, {"text", text}}});
  if (call.draw) {
    Image drawn = DrawAnswer(answered.image.view(), result.answer);
    if (std::max(drawn.width, drawn.height) > kDrawnSide) drawn = Shrink(drawn, kDrawnSide);
    content.push_back({{"type", "image"},
                       {"data", EncodeBase64(EncodeJpeg(drawn.view(), kDrawnQuality))},
                       {"mimeType", "image/jpeg"}});
  }
  return {{"content", content}, {"structuredContent", structured}, {"isError", false}};
}

}  // namespace uffizi::server
