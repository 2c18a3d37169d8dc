#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/json_writer.h"
#include "tasks/result_json.h"
#include "uffizi/task.h"

namespace uffizi {
namespace {

using nlohmann::json;

std::string Number(float number) {
  std::string out;
  AppendJsonNumber(number, out);
  return out;
}

std::string String(std::string_view text) {
  std::string out;
  AppendJsonString(text, out);
  return out;
}

TEST(JsonWriter, NumbersAreShortAndReadBackTheSame) {
  EXPECT_EQ(Number(33.92f), "33.92");
  EXPECT_EQ(Number(0), "0");
  EXPECT_EQ(Number(640), "640");
  EXPECT_EQ(Number(1000000), "1000000");
  EXPECT_EQ(Number(INFINITY), "null");
  EXPECT_EQ(Number(NAN), "null");
  for (const float number :
       {1e-30f, 1e-4f, 0.1f, 0.87654321f, 123456.78f, 4.6e15f, 3.4e38f, -7.5f}) {
    EXPECT_EQ(json::parse(Number(number)).get<float>(), number);
  }
}

TEST(JsonWriter, StringsReadBackTheSame) {
  std::string all;
  for (char c = 0; c < 127; ++c) all += c;
  for (const std::string& text :
       {all, std::string("caf\u00e9 \u65e5\u672c \U0001F408 \u2028"), std::string()}) {
    EXPECT_EQ(json::parse(String(text)).get<std::string>(), text);
    EXPECT_EQ(String(text).find('\n'), std::string::npos);
  }
}

TEST(JsonWriter, InvalidUtf8BecomesTheReplacementCharacter) {
  EXPECT_EQ(json::parse(String("a\xFF"
                               "b\xC3"))
                .get<std::string>(),
            "a\uFFFDb\uFFFD");
}

TEST(AnswerToJson, HasHuggingFacesSchema) {
  const auto text = [](Task task, std::string_view raw) {
    return AnswerToJson(ParseAnswer(task, raw, 640, 480));
  };
  EXPECT_EQ(text(Task::kCaption, "<s>a \"cat\"</s>"), R"("a \"cat\"")");
  EXPECT_EQ(text(Task::kObjectDetection, "cat<loc_52><loc_10><loc_20><loc_30>"),
            R"({"bboxes": [[33.6, 5.04, 13.12, 14.64]], "labels": ["cat"], "scores": [null]})");
  EXPECT_EQ(text(Task::kRegionProposal, ""), R"({"bboxes": [], "labels": [], "scores": []})");
  EXPECT_EQ(
      text(Task::kOcrWithRegion, "a<loc_0><loc_0><loc_1><loc_0><loc_1><loc_1><loc_0><loc_1>"),
      R"({"quad_boxes": [[0.32, 0.24, 0.96, 0.24, 0.96, 0.72, 0.32, 0.72]], "labels": ["a"], "scores": [null]})");
  EXPECT_EQ(
      text(Task::kReferringSegmentation, "<loc_0><loc_0><loc_1><loc_1><sep><loc_2><loc_2>"),
      R"({"polygons": [[[0.32, 0.24, 0.96, 0.72], [1.6, 1.2]]], "labels": [""], "scores": [null]})");
  EXPECT_EQ(
      text(Task::kOpenVocabularyDetection, "a<loc_0><loc_0><loc_1><loc_1>"),
      R"({"bboxes": [[0.32, 0.24, 0.96, 0.72]], "bboxes_labels": ["a"], "bboxes_scores": [null], )"
      R"("polygons": [], "polygons_labels": [], "polygons_scores": []})");
}

TEST(ResultToJson, HasEveryMemberInOrder) {
  Result result;
  result.task = "<OD>";
  result.prompt = "Locate";
  result.text = "</s>cat<loc_1>\n\xFF";
  result.token_ids = {0, 2};
  result.answer = ParseAnswer(Task::kObjectDetection, "", 1, 1);
  result.width = 640;
  result.height = 480;
  result.timings.decode = 0.0123456789;
  result.timings.total = 12.5;
  const std::string line = ResultToJson("a \"b\".jpg", result);
  EXPECT_EQ(line,
            R"({"image": "a \"b\".jpg", "width": 640, "height": 480, "task": "<OD>", )"
            R"("prompt": "Locate", "text": "</s>cat<loc_1>\n)"
            "\uFFFD"
            R"(", "token_ids": [0, 2], "result": {"bboxes": [], "labels": [], "scores": []}, )"
            R"("timings": {"decode": 0.012346, "preprocess": 0, "vision_encoder": 0, )"
            R"("text_encoder": 0, "decoder": 0, "parse": 0, "total": 12.5}})");
  EXPECT_FALSE(json::parse(line).contains("truncated"));
  result.truncated = true;
  EXPECT_EQ(json::parse(ResultToJson("", result))["truncated"], true);
}

TEST(ErrorToJson, NamesTheCode) {
  EXPECT_EQ(
      ErrorToJson("a.jpg", "invalid_image", "a.jpg: cut \"off\""),
      R"({"image": "a.jpg", "error": {"code": "invalid_image", "message": "a.jpg: cut \"off\""}})");
}

TEST(ParseAnswerLine, GivesResults) {
  const ParsedLine line =
      ParseAnswerLine(Task::kObjectDetection,
                      R"({"size": [640, 480], "text": "cat<loc_52><loc_10><loc_20><loc_30>"})");
  EXPECT_FALSE(line.failed);
  EXPECT_EQ(
      line.json,
      R"({"task": "<OD>", "result": {"bboxes": [[33.6, 5.04, 13.12, 14.64]], "labels": ["cat"], "scores": [null]}})");
}

TEST(ParseAnswerLine, TakesWhatElseALineSays) {
  const json line =
      json::parse(ParseAnswerLine(Task::kCaption,
                                  R"({"image": "x.png", "task": "od", "size": [10, 10], "other": [],
                          "text": "a<loc_1><loc_2><loc_3><loc_4>",
                          "location_logprobs": [-1, -1, -1, -1]})")
                      .json);
  EXPECT_EQ(line["image"], "x.png");
  EXPECT_EQ(line["task"], "<OD>");
  EXPECT_NEAR(line["result"]["scores"][0], std::exp(-1), 1e-6);
  // Text has no size.
  EXPECT_EQ(ParseAnswerLine(Task::kCaption, R"({"text": "a cat"})").json,
            R"({"task": "<CAPTION>", "result": "a cat"})");
}

TEST(ParseAnswerLine, GivesErrorRecords) {
  for (const char* text : {"",
                           "x",
                           "[]",
                           "{}",
                           "null",
                           R"({"text": "a"})",
                           R"({"size": [1, 2]})",
                           "{\"text\": \"\xFF\"}",
                           R"({"size": [0, 2], "text": ""})",
                           R"({"size": [1.5, 2], "text": ""})",
                           R"({"size": [1, 2, 3], "text": ""})",
                           R"({"size": [1, 99999999999], "text": ""})",
                           R"({"size": [1, 18446744073709551615], "text": ""})",
                           R"({"size": "1x1", "text": ""})",
                           R"({"size": [1, 2], "text": 3})",
                           R"({"size": [1, 2], "text": "", "task": "oops"})",
                           R"({"size": [1, 2], "text": "", "task": 1})",
                           R"({"size": [1, 2], "text": "", "image": 1})",
                           R"({"size": [1, 2], "text": "", "location_logprobs": ["a"]})",
                           R"({"size": [1, 2], "text": "", "location_logprobs": [-1]})",
                           R"({"size": [1, 2], "text": "")"}) {
    const ParsedLine line = ParseAnswerLine(Task::kObjectDetection, text);
    EXPECT_TRUE(line.failed) << text;
    const json record = json::parse(line.json);
    EXPECT_EQ(record["error"]["code"], "invalid_argument") << line.json;
    EXPECT_FALSE(record["error"]["message"].get<std::string>().empty());
  }
  EXPECT_EQ(
      json::parse(ParseAnswerLine(Task::kObjectDetection, R"({"image": "x.png"})").json)["image"],
      "x.png");
}

}  // namespace
}  // namespace uffizi
