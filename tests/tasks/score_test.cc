// Scores against sums of probabilities taken in double, one bin at a time.

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "generate/logits_rules.h"
#include "tasks/answer_token.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

using nlohmann::json;

constexpr int kBins = 1000;
const double kTolerance = (1 - std::sqrt(0.5)) / 2;

// A distribution over the bins with its top near `center`, `width` wide; the rest of 1 is text's.
struct Peak {
  double center, width, mass;

  double Probability(int bin) const {
    double all = 0;
    for (int b = 0; b < kBins; ++b) all += Weight(b);
    return mass * Weight(bin) / all;
  }
  // Of the bins at most `distance` away; interpolated between whole distances that are stored.
  double Within(int bin, double distance) const {
    const int stored[] = {0, 1, 2, 4, 8, 16, 32, 64, 128};
    double below = 0, sum = 0;
    for (size_t i = 0; i < std::size(stored); ++i) {
      below = sum;
      sum = 0;
      for (int b = 0; b < kBins; ++b) {
        if (std::abs(b - bin) <= stored[i]) sum += Probability(b);
      }
      if (distance > stored[i]) continue;
      if (i == 0) return sum;
      return below + (sum - below) * (distance - stored[i - 1]) / (stored[i] - stored[i - 1]);
    }
    return sum;
  }

 private:
  double Weight(int bin) const { return std::exp(-std::abs(bin - center) / width); }
};

// An answer as it is written token by token.
class Writer {
 public:
  Writer& Words(const std::string& text, float probability) {
    text_ += text;
    tokens_.push_back({AnswerToken::Kind::kText, std::log(probability), std::nullopt});
    return *this;
  }
  Writer& Special(const std::string& text) {
    text_ += text;
    tokens_.push_back({AnswerToken::Kind::kSpecial, -5, std::nullopt});
    return *this;
  }
  Writer& Location(int bin, const Peak& peak) {
    text_ += "<loc_" + std::to_string(bin) + ">";
    std::vector<float> logits;  // locations 0 to 999, then all else
    for (int b = 0; b < kBins; ++b) {
      logits.push_back(static_cast<float>(std::log(peak.Probability(b))));
    }
    logits.push_back(static_cast<float>(std::log(1 - peak.mass)));
    ScoreRow row;
    row.Reset(logits);
    tokens_.push_back({AnswerToken::Kind::kLocation, logits[static_cast<size_t>(bin)],
                       SpreadAround(bin, row, 0, {0, kBins})});
    return *this;
  }
  std::vector<Region> Parse(Task task) const {
    return ParseAnswer(task, text_, 640, 480, tokens_).regions;
  }

 private:
  std::string text_;
  std::vector<AnswerToken> tokens_;
};

const Peak kPeaks[] = {{101, 3, 0.9},  {199.5, 8, 0.99}, {395, 12, 0.97}, {290, 1, 0.8},
                       {500, 30, 0.7}, {88, 2, 0.999},   {640, 5, 0.95},  {160, 40, 0.9}};

TEST(RegionScores, AreTheProbabilityOfTheLabelAndOfEachLocation) {
  // 300 wide, 100 high; the second has no words of its own.
  const auto regions = Writer()
                           .Special("<s>")
                           .Words("traffic", 0.5f)
                           .Words(" light", 0.8f)
                           .Location(100, kPeaks[0])
                           .Location(200, kPeaks[1])
                           .Location(400, kPeaks[2])
                           .Location(300, kPeaks[3])
                           .Location(500, kPeaks[4])
                           .Location(90, kPeaks[5])
                           .Location(640, kPeaks[6])
                           .Location(150, kPeaks[7])
                           .Special("</s>")
                           .Parse(Task::kObjectDetection);
  ASSERT_EQ(regions.size(), 2u);
  EXPECT_NEAR(regions[0].score.value(),
              0.4 * kPeaks[0].Within(100, 300 * kTolerance) *
                  kPeaks[1].Within(200, 100 * kTolerance) *
                  kPeaks[2].Within(400, 300 * kTolerance) * kPeaks[3].Within(300, 100 * kTolerance),
              1e-5);
  EXPECT_NEAR(regions[1].score.value(),
              0.4 * kPeaks[4].Within(500, 140 * kTolerance) *
                  kPeaks[5].Within(90, 60 * kTolerance) * kPeaks[6].Within(640, 140 * kTolerance) *
                  kPeaks[7].Within(150, 60 * kTolerance),
              1e-5);
}

TEST(RegionScores, EqualNumpys) {
  std::ifstream file(UFFIZI_TEST_DATA "/tasks/scores.json");
  const json cases = json::parse(file);
  ASSERT_GE(cases.size(), 60u);
  for (const json& expected : cases) {
    SCOPED_TRACE(expected.dump());
    Writer writer;
    for (const json& token : expected["tokens"]) {
      if (token[0] == "text") {
        writer.Words(" word", token[1]);
      } else {
        writer.Location(token[0], {token[1][0], token[1][1], token[1][2]});
      }
    }
    const auto regions = writer.Parse(*FindTask(expected["task"].get<std::string>()));
    ASSERT_EQ(regions.size(), 1u);
    EXPECT_NEAR(regions[0].score.value(), expected["score"].get<double>(), 1e-5);
  }
}

TEST(RegionScores, OfASmallerBoxAreLower) {
  const auto score = [](int size) {
    const Peak peak = {300, 6, 0.98};
    return Writer()
        .Words("cat", 1)
        .Location(300, peak)
        .Location(300, peak)
        .Location(300 + size, {300.0 + size, 6, 0.98})
        .Location(300 + size, {300.0 + size, 6, 0.98})
        .Parse(Task::kObjectDetection)
        .front()
        .score.value();
  };
  EXPECT_LT(score(10), score(40));
  EXPECT_LT(score(40), score(400));
}

TEST(RegionScores, OfQuadsAndPolygonsWeighAllLocationsLikeFour) {
  const auto quads = Writer()
                         .Words("EXIT", 0.9f)
                         .Location(100, kPeaks[0])
                         .Location(200, kPeaks[1])
                         .Location(400, kPeaks[2])
                         .Location(200, kPeaks[3])
                         .Location(399, kPeaks[4])
                         .Location(300, kPeaks[5])
                         .Location(100, kPeaks[6])
                         .Location(300, kPeaks[7])
                         .Parse(Task::kOcrWithRegion);
  ASSERT_EQ(quads.size(), 1u);
  const int bins[] = {100, 200, 400, 200, 399, 300, 100, 300};
  double product = 1;
  for (size_t i = 0; i < 8; ++i) {
    product *= kPeaks[i].Within(bins[i], (i % 2 == 0 ? 300 : 100) * kTolerance);
  }
  EXPECT_NEAR(quads[0].score.value(), 0.9 * std::sqrt(product), 1e-5);

  // The same as two polygons of one instance, the first with a location too many.
  const auto polygons = Writer()
                            .Location(100, kPeaks[0])
                            .Location(200, kPeaks[1])
                            .Location(400, kPeaks[2])
                            .Location(200, kPeaks[3])
                            .Location(999, kPeaks[3])
                            .Special("<sep>")
                            .Location(399, kPeaks[4])
                            .Location(300, kPeaks[5])
                            .Location(100, kPeaks[6])
                            .Location(300, kPeaks[7])
                            .Parse(Task::kReferringSegmentation);
  ASSERT_EQ(polygons.size(), 1u);
  EXPECT_EQ(polygons[0].polygons.size(), 2u);
  EXPECT_NEAR(polygons[0].score.value(), std::sqrt(product), 1e-5);
}

TEST(RegionScores, OfLongPolygonsDoNotUnderflow) {
  // 0.1^340 is below the least double.
  Writer writer;
  for (int i = 0; i < 170; ++i) {
    for (const int bin : {100 + i % 20 * 10, 100 + i})
      writer.Location(bin, {double(bin), 0.01, 0.1});
  }
  const auto polygons = writer.Parse(Task::kReferringSegmentation);
  ASSERT_EQ(polygons.size(), 1u);
  EXPECT_NEAR(polygons[0].score.value(), 1e-4, 1e-6);
}

TEST(RegionScores, AreUnknownWithoutTokens) {
  for (const char* text : {"a<loc_1><loc_2><loc_3><loc_4>",
                           "a<loc_1><loc_2><loc_3><loc_4><loc_5><loc_6><loc_7><loc_8>"}) {
    for (const Region& region : ParseAnswer(Task::kObjectDetection, text, 640, 480).regions) {
      EXPECT_FALSE(region.score);
    }
  }
}

TEST(RegionScores, LocationsJoinedByTakingTokensAwayHaveNone) {
  const Peak peak = {2, 3, 0.9};
  // The tokens spell "a<loc_<s>1>": no location that the model wrote.
  const auto regions = Writer()
                           .Words("a<loc_", 1)
                           .Special("<s>")
                           .Words("1>", 1)
                           .Location(2, peak)
                           .Location(3, peak)
                           .Location(4, peak)
                           .Location(5, peak)
                           .Location(6, peak)
                           .Location(7, peak)
                           .Location(8, peak)
                           .Parse(Task::kObjectDetection);
  ASSERT_EQ(regions.size(), 2u);
  EXPECT_FALSE(regions[0].score);
  EXPECT_TRUE(regions[1].score);
}

TEST(RegionScores, AWrongNumberOfTokensIsAnError) {
  for (const size_t count : {size_t{3}, size_t{5}}) {
    const std::vector<AnswerToken> tokens(count, {AnswerToken::Kind::kLocation, -1, std::nullopt});
    try {
      ParseAnswer(Task::kObjectDetection, "a<loc_1><loc_2><loc_3><loc_4>", 1, 1, tokens);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    }
  }
}

}  // namespace
}  // namespace uffizi
