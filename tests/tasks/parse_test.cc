#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "uffizi/error.h"
#include "uffizi/task.h"

namespace uffizi {
namespace {

std::vector<Region> Parse(Task task, std::string_view text, std::vector<float> logprobs = {}) {
  return ParseAnswer(task, text, 640, 480, logprobs).regions;
}

TEST(Parse, BoxesInFloatPixels) {
  const auto regions =
      Parse(Task::kObjectDetection, "</s><s>cat<loc_52><loc_0><loc_999><loc_500></s>");
  ASSERT_EQ(regions.size(), 1u);
  EXPECT_EQ(regions[0].label, "cat");
  EXPECT_EQ(regions[0].box.x1, 33.6f);
  EXPECT_EQ(regions[0].box.y1, 0.24f);
  EXPECT_EQ(regions[0].box.x2, 639.68f);
  EXPECT_EQ(regions[0].box.y2, 240.24f);
}

TEST(Parse, InvertedBoxesPassAsTheyAre) {
  const auto regions = Parse(Task::kObjectDetection, "cat<loc_900><loc_900><loc_100><loc_100>");
  ASSERT_EQ(regions.size(), 1u);
  EXPECT_GT(regions[0].box.x1, regions[0].box.x2);
}

// Where transformers fails (an int64 overflows) or gives nonsense (an int32 does).
TEST(Parse, NumbersBeyondEveryVocabularyStayFinite) {
  const std::string huge = "<loc_" + std::string(5000, '9') + ">";
  for (const TaskInfo& task : AllTasks()) {
    const Answer answer =
        ParseAnswer(task.task, "cat" + huge + huge + huge + huge + huge + huge + huge + huge,
                    std::numeric_limits<int>::max(), 480);
    EXPECT_EQ(answer.regions.empty(), task.shape == AnswerShape::kText) << task.name;
    for (const Region& region : answer.regions) {
      EXPECT_TRUE(std::isfinite(region.box.x1));
      for (const float x : region.quad) EXPECT_TRUE(std::isfinite(x));
    }
  }
}

// Python's \d takes any script's digits, which no model writes as a location.
TEST(Parse, OnlyAsciiDigitsMakeALocation) {
  const std::string arabic = "<loc_\xD9\xA3>";
  EXPECT_TRUE(Parse(Task::kRegionProposal, arabic + arabic + arabic + arabic).empty());
}

TEST(Parse, BytesThatAreNotUtf8AreNoError) {
  const auto regions = Parse(Task::kOcrWithRegion,
                             "\xFF\xC2<loc_1><loc_2><loc_3><loc_4><loc_5><loc_6><loc_7><loc_8>");
  ASSERT_EQ(regions.size(), 1u);
  EXPECT_EQ(regions[0].label, "\xFF\xC2");
  EXPECT_EQ(Parse(Task::kObjectDetection,
                  "\xFF"
                  "a<loc_1><loc_2><loc_3><loc_4>")[0]
                .label,
            "a");
}

TEST(Parse, OpenVocabularyRegionsHaveBoxesOrPolygons) {
  const auto boxes = Parse(Task::kOpenVocabularyDetection,
                           "car<loc_1><loc_2><loc_3><loc_4>bus<loc_5><loc_6><loc_7><loc_8>");
  ASSERT_EQ(boxes.size(), 2u);
  EXPECT_TRUE(boxes[0].polygons.empty());
  const auto polygons =
      Parse(Task::kOpenVocabularyDetection, "car<poly><loc_1><loc_2><loc_3><loc_4></poly>");
  ASSERT_EQ(polygons.size(), 1u);
  EXPECT_EQ(polygons[0].label, "car");
  EXPECT_EQ(polygons[0].polygons, (std::vector<Polygon>{{0.96f, 1.2f, 2.24f, 2.16f}}));
}

float Score(std::initializer_list<double> logprobs) {
  double sum = 0;
  for (const double logprob : logprobs) sum += logprob;
  return static_cast<float>(std::exp(sum / static_cast<double>(logprobs.size())));
}

TEST(MicrosoftScores, AreOfTheBoxesOwnLocations) {
  const auto regions = Parse(Task::kObjectDetection,
                             "<s>cat<loc_1><loc_2><loc_3><loc_4><loc_5><loc_6><loc_7><loc_8>"
                             "<pad>dog<loc_9><loc_10><loc_11><loc_12></s>",
                             {-1, -2, -3, -4, -5, -6, -7, -8, -.1f, -.2f, -.3f, -.4f});
  ASSERT_EQ(regions.size(), 3u);
  EXPECT_FLOAT_EQ(regions[0].score.value(), Score({-1, -2, -3, -4}));
  EXPECT_FLOAT_EQ(regions[1].score.value(), Score({-5, -6, -7, -8}));
  EXPECT_FLOAT_EQ(regions[2].score.value(), Score({-.1, -.2, -.3, -.4}));
}

TEST(MicrosoftScores, SkippedLocationsCountForNobody) {
  // A stop phrase, three locations without a box, one left over.
  const auto regions = Parse(Task::kPhraseGrounding,
                             "it<loc_1><loc_1><loc_1><loc_1>"
                             "bird<loc_1><loc_1><loc_1>"
                             "<sep>cat<loc_2><loc_2><loc_2><loc_2><loc_2>"
                             "dog<loc_3><loc_3><loc_3><loc_3>",
                             {-9, -9, -9, -9, -9, -9, -9, -1, -1, -1, -1, -9, -2, -2, -2, -2});
  ASSERT_EQ(regions.size(), 2u);
  EXPECT_FLOAT_EQ(regions[0].score.value(), Score({-1}));
  EXPECT_FLOAT_EQ(regions[1].score.value(), Score({-2}));
}

TEST(MicrosoftScores, OfQuadsAndPolygons) {
  const auto quads = Parse(Task::kOcrWithRegion,
                           "ab<loc_1>cd<loc_2><loc_2><loc_2><loc_2><loc_2><loc_2><loc_2><loc_2>",
                           {-9, -1, -2, -1, -2, -1, -2, -1, -2});
  ASSERT_EQ(quads.size(), 1u);
  EXPECT_FLOAT_EQ(quads[0].score.value(), Score({-1, -2}));

  // Two polygons of one instance, the first with a location too many.
  const auto polygons =
      Parse(Task::kReferringSegmentation, "<loc_1><loc_1><loc_1><sep><loc_1><loc_1><loc_1><loc_1>",
            {-1, -1, -9, -2, -2, -2, -2});
  ASSERT_EQ(polygons.size(), 1u);
  EXPECT_EQ(polygons[0].polygons.size(), 2u);
  EXPECT_FLOAT_EQ(polygons[0].score.value(), Score({-1, -1, -2, -2, -2, -2}));
}

TEST(MicrosoftScores, AreUnknownWithoutNumbers) {
  const auto score = [](std::vector<float> logprobs) {
    return Parse(Task::kObjectDetection, "a<loc_1><loc_2><loc_3><loc_4>", std::move(logprobs))[0]
        .score;
  };
  EXPECT_FALSE(score({}));
  EXPECT_FALSE(score({-1, std::nanf(""), -1, -1}));
  EXPECT_EQ(score({-1, -std::numeric_limits<float>::infinity(), -1, -1}), 0.0f);
}

TEST(MicrosoftScores, LocationsJoinedByTakingTokensAwayHaveNone) {
  const auto regions =
      Parse(Task::kObjectDetection, "a<loc_<s>1><loc_2><loc_3><loc_4><loc_5><loc_6><loc_7><loc_8>",
            {-1, -1, -1, -2, -2, -2, -2});
  ASSERT_EQ(regions.size(), 2u);
  EXPECT_FLOAT_EQ(regions[0].score.value(), Score({-1}));
  EXPECT_FLOAT_EQ(regions[1].score.value(), Score({-2}));
}

TEST(MicrosoftScores, AWrongNumberOfLogprobsIsAnError) {
  for (const std::vector<float>& logprobs : {std::vector<float>(3), std::vector<float>(5)}) {
    try {
      Parse(Task::kObjectDetection, "a<loc_1><loc_2><loc_3><loc_4>", logprobs);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    }
  }
}

}  // namespace
}  // namespace uffizi
