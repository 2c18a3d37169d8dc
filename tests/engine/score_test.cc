// Scores are of an answer alone: not of what is asked with it, and not of who looks on.

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "uffizi/engine.h"
#include "uffizi/image.h"
#include "uffizi/task.h"

namespace uffizi {
namespace {

const std::string kRoot = std::string(UFFIZI_TEST_DATA) + "/../..";

std::vector<std::optional<float>> ScoresOf(const Result& result) {
  std::vector<std::optional<float>> scores;
  for (const Region& region : result.answer.regions) scores.push_back(region.score);
  return scores;
}

TEST(Scores, DoNotDependOnTheBatchOrOnStreaming) {
  Session session(Engine::Load(kRoot + "/models/uffizi-tiny"));
  const Image image = ReadImage(kRoot + "/samples/village.jpg");
  const EncodedImage encoded = session.Encode(image.view());
  std::vector<Query> queries;
  for (const int beams : {1, 3}) {
    for (const char* prompt : {"<OD>", "<OCR_WITH_REGION>", "<DENSE_REGION_CAPTION>",
                               "<REFERRING_EXPRESSION_SEGMENTATION>the turtle",
                               "<CAPTION_TO_PHRASE_GROUNDING>a turtle and an apple"}) {
      GenerationOptions options;
      options.num_beams = beams;
      queries.push_back(session.engine().MakeQuery(
          encoded, MakePrompt(prompt, image.width, image.height), options));
    }
  }
  const std::vector<Result> together = session.Run(queries);
  size_t scores = 0;
  for (size_t i = 0; i < queries.size(); ++i) {
    SCOPED_TRACE(together[i].task);
    const std::vector<std::optional<float>> expected = ScoresOf(together[i]);
    EXPECT_EQ(ScoresOf(session.Run({&queries[i], 1})[0]), expected);
    const auto go_on = [](const Progress&) { return true; };
    EXPECT_EQ(ScoresOf(session.Run({&queries[i], 1}, go_on)[0]), expected);
    for (const std::optional<float>& score : expected) {
      ASSERT_TRUE(score);
      EXPECT_TRUE(*score >= 0 && *score <= 1);
      ++scores;
    }
  }
  EXPECT_GT(scores, 20u);
}

}  // namespace
}  // namespace uffizi
