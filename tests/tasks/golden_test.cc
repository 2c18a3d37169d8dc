// The corpus of tests/golden/make_tasks.py: what transformers' own processor makes of it.

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "tasks/region_input.h"
#include "uffizi/task.h"

namespace uffizi {
namespace {

using nlohmann::json;

std::string DataPath(const std::string& name) {
  return std::string(UFFIZI_TEST_DATA) + "/tasks/" + name;
}

std::string ReadGzip(const std::string& path) {
  const gzFile file = gzopen(path.c_str(), "rb");
  EXPECT_NE(file, nullptr) << path;
  std::string content;
  char buffer[1 << 16];
  for (int got; (got = gzread(file, buffer, sizeof(buffer))) > 0;) {
    content.append(buffer, static_cast<size_t>(got));
  }
  EXPECT_EQ(gzclose(file), Z_OK);
  return content;
}

json ReadJson(const std::string& name) {
  std::ifstream file(DataPath(name));
  return json::parse(file);
}

// Microsoft's and transformers' arithmetic is float throughout and may err in the last places.
bool SameNumber(double ours, double theirs) {
  return std::fabs(ours - theirs) <= 2.5e-7 * std::max(1.0, std::fabs(theirs));
}

// Equal but for the numbers' last places and for the scores, which transformers does not have.
bool Same(const json& ours, const json& theirs) {
  if (theirs.is_number()) return ours.is_number() && SameNumber(ours, theirs);
  if (theirs.is_array()) {
    if (!ours.is_array() || ours.size() != theirs.size()) return false;
    for (size_t i = 0; i < ours.size(); ++i) {
      if (!Same(ours[i], theirs[i])) return false;
    }
    return true;
  }
  if (!theirs.is_object()) return ours == theirs;
  for (const auto& [key, value] : theirs.items()) {
    if (!ours.contains(key) || !Same(ours[key], value)) return false;
  }
  for (const auto& [key, value] : ours.items()) {
    if (!theirs.contains(key) && !key.ends_with("scores")) return false;
  }
  return true;
}

TEST(Golden, AnswersEqualTransformers) {
  std::istringstream lines(ReadGzip(DataPath("answers.jsonl.gz")));
  std::map<std::string, int> not_empty;
  int answers = 0, cases = 0, wrong = 0;
  for (std::string line; std::getline(lines, line);) {
    const json golden = json::parse(line);
    ++answers;
    for (const auto& [task, expected] : golden["results"].items()) {
      const json ours =
          json::parse(AnswerToJson(ParseAnswer(*FindTask(task), golden["text"].get<std::string>(),
                                               golden["size"][0], golden["size"][1])));
      ++cases;
      if (!Same(ours, expected)) {
        ADD_FAILURE() << task << " " << golden["text"] << "\nexpected " << expected << "\nours     "
                      << ours;
        if (++wrong == 10) return;
      }
      const json& found = expected.is_object() && expected.begin()->empty()
                              ? *std::prev(expected.end())
                              : (expected.is_object() ? *expected.begin() : expected);
      if (!found.empty() && found != "") ++not_empty[task];
    }
  }
  EXPECT_GE(answers, 2500);
  EXPECT_GE(cases, 7 * 2500);
  // Otherwise the equality would be one of empty lists.
  for (const auto& [task, count] : not_empty) EXPECT_GE(count, 400) << task;
  EXPECT_EQ(not_empty.size(), 7u);
}

TEST(Golden, TasksThatShareAParserAnswerAlike) {
  std::istringstream lines(ReadGzip(DataPath("answers.jsonl.gz")));
  const std::pair<Task, Task> twins[] = {
      {Task::kObjectDetection, Task::kDenseRegionCaption},
      {Task::kReferringSegmentation, Task::kRegionToSegmentation},
      {Task::kCaption, Task::kDetailedCaption},
      {Task::kCaption, Task::kMoreDetailedCaption},
      {Task::kCaption, Task::kOcr},
      {Task::kCaption, Task::kRegionToCategory},
      {Task::kCaption, Task::kRegionToDescription},
      {Task::kCaption, Task::kRegionToOcr},
      {Task::kCaption, Task::kRaw},
  };
  for (std::string line; std::getline(lines, line);) {
    const std::string text = json::parse(line)["text"];
    for (const auto& [a, b] : twins) {
      ASSERT_EQ(AnswerToJson(ParseAnswer(a, text, 640, 480)),
                AnswerToJson(ParseAnswer(b, text, 640, 480)))
          << text;
    }
  }
}

TEST(Golden, PromptsEqualTransformers) {
  for (const json& golden : ReadJson("prompts.json")) {
    EXPECT_EQ(MakePrompt(golden[0].get<std::string>(), 640, 480).text,
              golden[1].get<std::string>());
  }
}

TEST(Golden, PixelsFallIntoTheProcessorsBins) {
  for (const json& golden : ReadJson("regions.json")) {
    std::string input, expected;
    for (const json& corner : golden[1])
      input.append(input.empty() ? "" : ",").append(corner.dump());
    for (const json& bin : golden[2]) expected.append("<loc_").append(bin.dump()).append(">");
    EXPECT_EQ(ReadRegion(input, golden[0][0], golden[0][1]), expected) << golden;
  }
}

}  // namespace
}  // namespace uffizi
