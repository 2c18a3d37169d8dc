#include <gtest/gtest.h>

#include <set>

#include "uffizi/error.h"
#include "uffizi/task.h"

namespace uffizi {
namespace {

// The message of the Error(kInvalidPrompt) that `make` throws.
template <typename Make>
std::string CatchError(const Make& make) {
  try {
    make();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidPrompt);
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  }
  ADD_FAILURE() << "no error";
  return "";
}

std::string ErrorOf(Task task, std::string_view input, int width = 640, int height = 480) {
  return CatchError([&] { MakePrompt(task, input, width, height); });
}

std::string ErrorOf(std::string_view text) {
  return CatchError([&] { MakePrompt(text, 640, 480); });
}

std::string Region(std::string_view input) {
  return MakePrompt(Task::kRegionToCategory, input, 640, 480).text;
}

TEST(TaskTable, HasFifteenTasksOfDifferentNames) {
  std::set<std::string_view> tokens, names;
  for (const TaskInfo& task : AllTasks()) {
    tokens.insert(task.token);
    names.insert(task.name);
    EXPECT_EQ(&GetTaskInfo(task.task), &task);
    EXPECT_EQ(FindTask(task.name), task.task);
    EXPECT_EQ(FindTask(task.token), task.task);
    EXPECT_EQ(task.example.empty(), task.input == TaskInput::kNone);
    EXPECT_FALSE(task.help.empty());
  }
  EXPECT_EQ(tokens.size(), 15u);
  EXPECT_EQ(names.size(), 15u);
  EXPECT_EQ(GetTaskInfo(Task::kRaw).token, "");
}

TEST(TaskTable, FindsNamesInAnyCase) {
  for (const char* name : {"od", "OD", "Od", "<OD>", "<od>"}) {
    EXPECT_EQ(FindTask(name), Task::kObjectDetection) << name;
  }
  for (const char* name :
       {"", "<>", "<", "raw", "odd", "o", "<OD", "OD>", " od", "<DocVQA>", "<<OD>>"}) {
    EXPECT_EQ(FindTask(name), std::nullopt) << name;
  }
}

TEST(Prompt, EveryExampleWorks) {
  for (const TaskInfo& task : AllTasks()) {
    const Prompt prompt = MakePrompt(task.task, task.example, 640, 480);
    EXPECT_EQ(prompt.task, task.task);
    EXPECT_EQ(prompt.text.find("{input}"), std::string::npos);
    EXPECT_EQ(MakePrompt(std::string(task.token) + std::string(task.example), 640, 480).text,
              prompt.text);
  }
}

TEST(Prompt, TasksWithoutInputStandAlone) {
  EXPECT_EQ(MakePrompt(Task::kCaption, "", 1, 1).text, "What does the image describe?");
  EXPECT_EQ(MakePrompt("<CAPTION>", 1, 1).text, "What does the image describe?");
  EXPECT_EQ(ErrorOf("<CAPTION>a\ncat"),
            "<CAPTION> takes no input and must be the whole prompt, but got \"<CAPTION>a cat\"");
  EXPECT_EQ(ErrorOf(Task::kCaption, "a cat"),
            "<CAPTION> takes no input, but got \"a cat\"; give <CAPTION> alone");
  ErrorOf(" <CAPTION>");
  ErrorOf("<CAPTION><CAPTION>");
}

TEST(Prompt, MissingInputIsTaught) {
  EXPECT_EQ(ErrorOf("<CAPTION_TO_PHRASE_GROUNDING>"),
            "<CAPTION_TO_PHRASE_GROUNDING> needs text; for example: "
            "<CAPTION_TO_PHRASE_GROUNDING>a cat on a red sofa");
  EXPECT_EQ(ErrorOf(Task::kRegionToOcr, " \t"),
            "<REGION_TO_OCR> needs a region; for example: "
            "<REGION_TO_OCR><loc_100><loc_200><loc_600><loc_800>");
  ErrorOf("<CAPTION_TO_PHRASE_GROUNDING>\xE3\x80\x80");
}

TEST(Prompt, EmptyAndNonUtf8PromptsAreErrors) {
  EXPECT_EQ(ErrorOf(""), "a raw prompt needs text; for example: What color is the car?");
  ErrorOf(" \n");
  EXPECT_EQ(ErrorOf("caf\xE9"), "the text of a raw prompt is not valid UTF-8");
  EXPECT_EQ(ErrorOf("<CAPTION_TO_PHRASE_GROUNDING>\xC0\x80"),
            "the text of <CAPTION_TO_PHRASE_GROUNDING> is not valid UTF-8");
  ErrorOf("<CAPTION>\xFF");
  ErrorOf("\xED\xA0\x80");      // a surrogate
  ErrorOf("\xF4\x90\x80\x80");  // beyond Unicode
  ErrorOf("a\xE2\x82");         // cut off
}

TEST(Prompt, TwoTasksAreOneTooMany) {
  EXPECT_EQ(
      ErrorOf("<CAPTION_TO_PHRASE_GROUNDING>a cat<REGION_TO_OCR>"),
      "a prompt can have only one task, but <CAPTION_TO_PHRASE_GROUNDING> has <REGION_TO_OCR> "
      "in its input; ask them separately");
  ErrorOf("<OD><CAPTION>");
}

TEST(Prompt, OtherTextIsRaw) {
  const Prompt prompt = MakePrompt(" <DocVQA>What is {input}? ", 1, 1);
  EXPECT_EQ(prompt.task, Task::kRaw);
  EXPECT_EQ(prompt.text, " <DocVQA>What is {input}? ");
}

TEST(Prompt, RegionsInLocations) {
  EXPECT_EQ(Region("<loc_1><loc_2><loc_3><loc_999>"),
            "What is the region <loc_1><loc_2><loc_3><loc_999>?");
  EXPECT_EQ(Region(" <loc_1> <loc_02> <loc_3>\n<loc_4> "), Region("<loc_1><loc_2><loc_3><loc_4>"));
  // As they are, also inverted: the user may know why.
  EXPECT_EQ(Region("<loc_9><loc_9><loc_1><loc_1>"),
            "What is the region <loc_9><loc_9><loc_1><loc_1>?");
  // No size is needed.
  MakePrompt(Task::kRegionToOcr, "<loc_1><loc_2><loc_3><loc_4>", 0, 0);
}

TEST(Prompt, RegionsInPixels) {
  const std::string expected = "What is the region <loc_100><loc_200><loc_600><loc_800>?";
  for (const char* input :
       {"64,96,384,384", " 64 , 96 , 384 , 384 ", "64 96 384 384", "64.0,96.25,384.5,384",
        "384,384,64,96", "64,384,384,96", "64\t96,384 ,384"}) {
    EXPECT_EQ(Region(input), expected) << input;
  }
  EXPECT_EQ(Region("-5,-1e9,1e30,480"), "What is the region <loc_0><loc_0><loc_999><loc_999>?");
}

TEST(Prompt, WhatIsNotARegionIsTaught) {
  EXPECT_EQ(
      ErrorOf(Task::kRegionToCategory, "the cat"),
      "<REGION_TO_CATEGORY> needs a region, not \"the cat\": give four locations from 0 to 999, "
      "<loc_x1><loc_y1><loc_x2><loc_y2>, or four numbers in pixels, x1,y1,x2,y2; for example: "
      "<REGION_TO_CATEGORY><loc_100><loc_200><loc_600><loc_800> or "
      "<REGION_TO_CATEGORY>64,96,384,384");
  for (const char* input :
       {"1,2,3", "1,2,3,4,5", "1,2,3,nan", "1,2,3,inf", "1,2,3,1e999", "1,,2,3,4", "1;2;3;4",
        "1,2,3,4,", "1.2.3.4", "0x1,2,3,4", "<loc_1><loc_2><loc_3>",
        "<loc_1><loc_2><loc_3><loc_1000>", "<loc_1><loc_2><loc_3><loc_-4>",
        "<loc_1><loc_2><loc_3><loc_4><loc_5>", "<loc_1><loc_2><loc_3><loc_99999999999>",
        "<loc_1>,<loc_2>,<loc_3>,<loc_4>", "<loc_1><loc_2><loc_3><loc_>"}) {
    ErrorOf(Task::kRegionToCategory, input);
  }
  ErrorOf(Task::kRegionToCategory, "1,2,3,4", 0, 480);
  // A long input is cut between characters.
  const std::string message =
      ErrorOf(Task::kRegionToCategory, "a" + std::string(90, ' ') + "b\xC3\xA9");
  EXPECT_NE(message.find("...\""), std::string::npos);
}

TEST(Prompt, ClassesAsAList) {
  const auto classes = [](std::string_view input) {
    return MakePrompt(Task::kOpenVocabularyDetection, input, 1, 1).text;
  };
  EXPECT_EQ(classes("a red car"), "Locate a red car in the image.");
  for (const char* input :
       {"car <and> building", "car<and>building", "car;building", " car ; building; ",
        "car;;building", "<and>car <and> <and> building"}) {
    EXPECT_EQ(classes(input), "Locate car <and> building in the image.") << input;
  }
  EXPECT_EQ(classes("car;bus <and> dog"), "Locate car <and> bus <and> dog in the image.");
  EXPECT_EQ(ErrorOf(Task::kOpenVocabularyDetection, " ; <and>;"),
            "<OPEN_VOCABULARY_DETECTION> got separators but no class; for example: "
            "<OPEN_VOCABULARY_DETECTION>car <and> building");
}

}  // namespace
}  // namespace uffizi
