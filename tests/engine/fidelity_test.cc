// Comparison of answers, against figures computed by hand. tests/system/fidelity compares with
// pycocotools.

#include "engine/fidelity.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/answer_agreement.h"
#include "engine/next_token.h"

namespace uffizi {
namespace {

constexpr int kWidth = 1000, kHeight = 1000;

Region Thing(const char* label, float x, float score = 0.9f) {
  Region region;
  region.label = label;
  region.box = {x, 0, x + 10, 10};
  region.score = score;
  return region;
}

TEST(EditDistance, CountsCharactersNotBytes) {
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(EditDistance("Saturday", "Sunday"), 3u);
  EXPECT_EQ(EditDistance("", "four"), 4u);
  EXPECT_EQ(EditDistance("four", ""), 4u);
  EXPECT_EQ(EditDistance("caf\xc3\xa9", "cafe"), 1u);
  EXPECT_EQ(CharacterCount("caf\xc3\xa9"), 4u);
  EXPECT_EQ(EditDistance("\xff", "\xff"), 0u);
}

TEST(RegionAgreement, IsTheAreaUnderPrecisionOverRecall) {
  RegionAgreement boxes;
  EXPECT_FALSE(boxes.Ap50().has_value());
  // The second best box is wrong, and one of four is not found: precision is 1 up to a recall of
  // 1/4, 3/4 up to 3/4, and 0 beyond. These are 26 and 50 of 101 levels.
  boxes.Add({Thing("cat", 0), Thing("cat", 100), Thing("cat", 200), Thing("cat", 300)},
            {Thing("cat", 0, 0.9f), Thing("cat", 50, 0.8f), Thing("cat", 103, 0.7f),
             Thing("cat", 200, 0.6f), Thing("cat", 304, 0.5f)},
            kWidth, kHeight);
  EXPECT_NEAR(*boxes.Ap50(), (26 + 50 * 0.75) / 101, 1e-12);
  EXPECT_EQ(boxes.truths(), 4u);
  EXPECT_EQ(boxes.found(), 5u);
  // Each label has equal weight. Labels without true boxes are ignored.
  boxes.Add({Thing("dog", 0)}, {Thing("dog", 0), Thing("ghost", 0)}, kWidth, kHeight);
  EXPECT_NEAR(*boxes.Ap50(), ((26 + 50 * 0.75) / 101 + 1) / 2, 1e-12);
}

TEST(RegionAgreement, TakesEachTrueBoxOnce) {
  RegionAgreement boxes;
  boxes.Add({Thing("cat", 0), Thing("cat", 40)}, {Thing("cat", 0), Thing("cat", 0)}, kWidth,
            kHeight);
  EXPECT_NEAR(*boxes.Ap50(), 51.0 / 101, 1e-12);
}

TEST(RegionAgreement, IsWholeForTheSameAnswer) {
  Region flat = Thing("line", 5);
  flat.box.y2 = flat.box.y1;
  RegionAgreement boxes;
  boxes.Add({flat, Thing("cat", 1)}, {flat, Thing("cat", 1)}, kWidth, kHeight);
  EXPECT_EQ(*boxes.Ap50(), 1.0);
}

TEST(TokenAgreement, IsTheKullbackLeiblerDivergence) {
  const float even[] = {0, 0}, other[] = {0, std::log(3.0f)};
  TokenAgreement tokens;
  tokens.Add(DescribeNextToken(even), even);
  EXPECT_EQ(tokens.divergence, 0.0);
  tokens.Add(DescribeNextToken(even), other);
  EXPECT_NEAR(tokens.divergence, 0.5 * std::log(2.0) + 0.5 * std::log(2.0 / 3), 1e-6);
  EXPECT_EQ(tokens.tokens, 2u);
  EXPECT_EQ(tokens.same, 1u);
}

TEST(TokenAgreement, CountsUnlikelyTokensTogether) {
  // One of 1000 tokens has half of the probability, and the rest is uniform. The other model's
  // different distribution over the tokens that are not kept does not count.
  std::vector<float> reference(1000, 0.0f), other(1000, 0.0f);
  reference[7] = other[7] = std::log(999.0f);
  other[998] = -30;
  other[999] = std::log(2.0f);
  TokenAgreement tokens;
  tokens.Add(DescribeNextToken(reference), other);
  EXPECT_NEAR(tokens.divergence, 0.0, 1e-6);
  other[7] = 0;
  tokens.Add(DescribeNextToken(reference), other);
  EXPECT_GT(tokens.divergence, 1.0);
}

TEST(RegionAgreement, ComparesBoundingBoxes) {
  Region polygon, quad, other;
  polygon.polygons = {{10, 10, 20, 10, 20, 20}, {15, 5, 18, 5, 18, 10}};
  quad.quad = {10, 5, 20, 5, 20, 20, 10, 20};
  other.quad = {10, 5, 13, 5, 13, 20, 10, 20};
  RegionAgreement same, different;
  same.Add({polygon}, {quad}, kWidth, kHeight);
  EXPECT_EQ(*same.Ap50(), 1.0);
  different.Add({polygon}, {other}, kWidth, kHeight);
  EXPECT_EQ(*different.Ap50(), 0.0);
}

TEST(Fidelity, LosesTheMostOfItsQuestions) {
  QuestionFidelity boxes, text, none;
  boxes.shape = AnswerShape::kBoxes;
  boxes.ap50 = 0.97;
  text.edits = 5;
  text.characters = 100;
  Fidelity fidelity;
  fidelity.questions = {boxes, text, none};
  EXPECT_NEAR(fidelity.Loss(), 5, 1e-9);
  fidelity.questions = {boxes, none};
  EXPECT_NEAR(fidelity.Loss(), 3, 1e-9);
  EXPECT_FALSE(none.Loss().has_value());
}

}  // namespace
}  // namespace uffizi
