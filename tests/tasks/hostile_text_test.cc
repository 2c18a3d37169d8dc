// Every parser takes time linear in the text, whatever the text.

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <string>

#include "uffizi/error.h"
#include "uffizi/task.h"

namespace uffizi {
namespace {

constexpr size_t kBytes = 100'000;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double kLimit = 500;  // milliseconds; sanitizers slow everything down
#else
constexpr double kLimit = 50;
#endif

// Milliseconds of processor time that this process has used: what else the machine does is not the
// parsers' fault.
double UsedMilliseconds() { return 1e3 * static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

std::string Repeat(const std::string& piece, size_t bytes = kBytes) {
  std::string text;
  while (text.size() < bytes) text += piece;
  return text;
}

std::vector<std::pair<std::string, std::string>> HostileTexts() {
  std::vector<std::pair<std::string, std::string>> texts;
  for (const char* piece : {"<loc_1>",
                            "<loc_1><loc_2><loc_3>a",
                            "<poly>",
                            "</poly>",
                            "<sep>",
                            "<",
                            ">",
                            "a",
                            " ",
                            "\n",
                            "<s>",
                            "<<s>",
                            "<loc_",
                            "<loc_1",
                            "1",
                            "<loc_1><sep>",
                            "<poly><loc_1>",
                            "<loc_1></poly>",
                            "<poly></poly>",
                            "<loc_1>\n",
                            "\n<loc_1><loc_2><loc_3><loc_4><loc_5><loc_6><loc_7><loc_8>",
                            "a<loc_1><loc_2><loc_3><loc_4>",
                            "<pad>",
                            "\xE3\x80\x80",
                            "\xFF",
                            "<p<pad>ad>",
                            ";",
                            "<and>",
                            "a;",
                            "1,",
                            "<OD>",
                            "<OPEN_VOCABULARY_DETECTION>"}) {
    texts.emplace_back(piece, Repeat(piece));
  }
  texts.emplace_back("a location of 100,000 digits", std::string("a<loc_") + Repeat("9") + ">");
  texts.emplace_back("words, then <poly>", Repeat("a", kBytes / 2) + Repeat("<poly>", kBytes / 2));
  texts.emplace_back("</poly>, then <poly>", std::string("a") + Repeat("</poly>", kBytes / 2) +
                                                 Repeat("<poly>", kBytes / 2));
  texts.emplace_back("blanks, then locations",
                     Repeat(" ", kBytes / 2) + Repeat("<loc_1>", kBytes / 2));
  texts.emplace_back("line breaks, then locations",
                     Repeat("\n", kBytes / 2) + Repeat("<loc_1>", kBytes / 2));
  return texts;
}

double Milliseconds(Task task, const std::string& text) {
  const double start = UsedMilliseconds();
  const std::string json = AnswerToJson(ParseAnswer(task, text, 640, 480));
  EXPECT_FALSE(json.empty());
  return UsedMilliseconds() - start;
}

TEST(HostileText, EveryParserIsQuick) {
  for (const auto& [name, text] : HostileTexts()) {
    for (const TaskInfo& task : AllTasks()) {
      // The best of a few: other programs may take the processor away for longer than the limit.
      double best = 1e9;
      for (int i = 0; i < 5 && best >= kLimit; ++i)
        best = std::min(best, Milliseconds(task.task, text));
      EXPECT_LT(best, kLimit) << name << " " << task.name;
    }
  }
}

TEST(HostileText, PromptsAreQuick) {
  for (const auto& [name, text] : HostileTexts()) {
    for (const TaskInfo& task : AllTasks()) {
      double best = 1e9;
      for (int i = 0; i < 5 && best >= kLimit; ++i) {
        const double start = UsedMilliseconds();
        try {
          MakePrompt(task.task, text, 640, 480);
          MakePrompt(std::string(task.token) + text, 640, 480);
        } catch (const Error&) {
        }
        best = std::min(best, UsedMilliseconds() - start);
      }
      EXPECT_LT(best, kLimit) << name << " " << task.name;
    }
  }
}

}  // namespace
}  // namespace uffizi
