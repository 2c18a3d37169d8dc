#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "image/image_files.h"
#include "image/lettering.h"
#include "image/tag_layout.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

using testing::Plain;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

Answer Boxes(std::vector<Region> regions) {
  Answer answer;
  answer.shape = AnswerShape::kBoxes;
  answer.regions = std::move(regions);
  return answer;
}

Region BoxRegion(const std::string& label, float x1, float y1, float x2, float y2) {
  Region region;
  region.label = label;
  region.box = {x1, y1, x2, y2};
  return region;
}

bool Changed(const Image& a, const Image& b, int x, int y) {
  const size_t at =
      (static_cast<size_t>(y) * static_cast<size_t>(a.width) + static_cast<size_t>(x)) * 3;
  return !std::equal(a.pixels.begin() + static_cast<ptrdiff_t>(at),
                     a.pixels.begin() + static_cast<ptrdiff_t>(at) + 3,
                     b.pixels.begin() + static_cast<ptrdiff_t>(at));
}

int CountChanged(const Image& a, const Image& b, int x0, int y0, int x1, int y1) {
  int count = 0;
  for (int y = y0; y < y1; ++y) {
    for (int x = x0; x < x1; ++x) count += Changed(a, b, x, y);
  }
  return count;
}

TEST(Draw, BoxOutlineOnly) {
  const Image before = Plain(400, 300, 90, 120, 90);
  const Image after = DrawAnswer(before.view(), Boxes({BoxRegion("", 100, 80, 300, 200)}));
  ASSERT_EQ(after.width, 400);
  ASSERT_EQ(after.height, 300);
  for (int x = 100; x < 300; ++x) {
    EXPECT_TRUE(Changed(before, after, x, 80));
    EXPECT_TRUE(Changed(before, after, x, 199));
  }
  for (int y = 80; y < 200; ++y) {
    EXPECT_TRUE(Changed(before, after, 100, y));
    EXPECT_TRUE(Changed(before, after, 299, y));
  }
  EXPECT_EQ(CountChanged(before, after, 104, 84, 296, 196), 0) << "inside";
  EXPECT_EQ(CountChanged(before, after, 0, 0, 400, 76), 0) << "above";
  EXPECT_EQ(CountChanged(before, after, 0, 204, 400, 300), 0) << "below";
  EXPECT_EQ(CountChanged(before, after, 0, 0, 96, 300), 0) << "left";
}

TEST(Draw, InvertedBoxIsTheSameBox) {
  const Image before = Plain(200, 200, 0, 0, 0);
  const Image straight = DrawAnswer(before.view(), Boxes({BoxRegion("cat", 40, 50, 150, 160)}));
  const Image inverted = DrawAnswer(before.view(), Boxes({BoxRegion("cat", 150, 160, 40, 50)}));
  // The corner where an outline begins may round otherwise.
  EXPECT_LE(testing::MaxDifference(straight, inverted), 3);
  EXPECT_GT(CountChanged(before, inverted, 0, 0, 200, 200), 500);
}

TEST(Draw, NotFiniteAndFarCoordinatesAreSafe) {
  const Image before = Plain(120, 90, 10, 20, 30);
  Answer answer = Boxes({BoxRegion("nan", kNan, 10, 50, 50), BoxRegion("inf", 10, 10, kInf, 50)});
  EXPECT_EQ(DrawAnswer(before.view(), answer).pixels, before.pixels);

  answer =
      Boxes({BoxRegion("far", -1e30f, -1e30f, 1e30f, 1e30f), BoxRegion("out", 500, 500, 900, 900),
             BoxRegion("point", 60, 40, 60, 40), BoxRegion("line", 20, 70, 100, 70)});
  EXPECT_EQ(DrawAnswer(before.view(), answer).height, 90);

  answer.shape = AnswerShape::kPolygons;
  Region region;
  region.label = "odd";
  region.polygons = {
      {}, {1}, {1, 2}, {1, 2, 3, 4}, {kNan, kNan, kInf, 1}, {5, 5, 80, 5, 80, 60, 7}};
  answer.regions = {region};
  EXPECT_GT(CountChanged(before, DrawAnswer(before.view(), answer), 0, 0, 120, 90), 100);

  answer.shape = AnswerShape::kQuads;
  region.polygons.clear();
  region.quad = {10, 10, 50};  // too short for a quad
  answer.regions = {region};
  EXPECT_EQ(DrawAnswer(before.view(), answer).width, 120);
  EXPECT_THROW(DrawAnswer({}, answer), Error);
}

TEST(Draw, PolygonIsFilledTranslucently) {
  const Image before = Plain(300, 300, 255, 255, 255);
  Answer answer;
  answer.shape = AnswerShape::kPolygons;
  Region region;
  region.polygons = {{50, 50, 250, 50, 150, 250}};
  answer.regions = {region};
  const Image after = DrawAnswer(before.view(), answer);
  EXPECT_TRUE(Changed(before, after, 150, 120));
  EXPECT_FALSE(Changed(before, after, 60, 240));
  const size_t middle = (120 * 300 + 150) * 3;
  // Mixed with the white below: neither the full colour nor white.
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_GE(after.pixels[middle + c], 150);
    EXPECT_LE(after.pixels[middle + c], 254);
  }
}

TEST(Draw, SameLabelSameColorOtherLabelOtherColor) {
  const Image before = Plain(600, 200, 128, 128, 128);
  const Image after = DrawAnswer(
      before.view(), Boxes({BoxRegion("cat", 10, 60, 150, 190), BoxRegion("dog", 200, 60, 350, 190),
                            BoxRegion("cat", 400, 60, 550, 190)}));
  const auto pixel = [&](int x, int y) {
    const uint8_t* p = after.pixels.data() + (y * 600 + x) * 3;
    return std::vector<int>{p[0], p[1], p[2]};
  };
  EXPECT_EQ(pixel(80, 189), pixel(480, 189));
  EXPECT_NE(pixel(80, 189), pixel(280, 189));
}

TEST(Draw, TagsStayInsideAndApart) {
  TagLayout layout(400, 300);
  std::vector<Rect> tags;
  const Rect regions[] = {{0, 0, 100, 100},     {0, 0, 100, 100},     {350, 280, 400, 300},
                          {350, 280, 399, 299}, {-50, -50, 500, 400}, {150, 100, 260, 220}};
  for (const Rect& region : regions) {
    const Rect tag = layout.Place(region, 80, 16);
    EXPECT_GE(tag.left, 0);
    EXPECT_GE(tag.top, 0);
    EXPECT_LE(tag.right, 400);
    EXPECT_LE(tag.bottom, 300);
    for (const Rect& other : tags) {
      EXPECT_TRUE(tag.right <= other.left || other.right <= tag.left || tag.bottom <= other.top ||
                  other.bottom <= tag.top);
    }
    tags.push_back(tag);
  }
}

TEST(Draw, EverySizeOfPictureAndAnyLabel) {
  const std::string labels[] = {"cat", std::string(5000, 'w'), "\xFF\xFE broken \xC3",
                                "\xE6\xBC\xA2\xE5\xAD\x97 \xF0\x9F\x90\xB1", "line\nbreak\t\x01"};
  for (const auto& [width, height] : {std::pair(1, 1), std::pair(1, 200), std::pair(300, 2),
                                      std::pair(16, 16), std::pair(640, 480)}) {
    const Image before = Plain(width, height, 200, 200, 200);
    for (const std::string& label : labels) {
      const auto w = static_cast<float>(width);
      const auto h = static_cast<float>(height);
      const Image after = DrawAnswer(before.view(), Boxes({BoxRegion(label, w / 4, h / 4, w, h)}));
      EXPECT_EQ(after.width, width);
      EXPECT_EQ(after.height, height);
      Answer text;
      text.text = label;
      const Image captioned = DrawAnswer(before.view(), text);
      EXPECT_EQ(captioned.width, width);
      EXPECT_GT(captioned.height, height);
      EXPECT_TRUE(std::equal(before.pixels.begin(), before.pixels.end(), captioned.pixels.begin()));
    }
  }
}

TEST(Draw, CaptionStripGrowsWithTheTextUpToALimit) {
  const Image before = Plain(300, 200, 0, 0, 0);
  Answer answer;
  answer.text = "short";
  const int one = DrawAnswer(before.view(), answer).height;
  answer.text = "a text that is long enough to be broken into two or more lines of the caption";
  const int more = DrawAnswer(before.view(), answer).height;
  answer.text = std::string(100000, 'x');
  const int most = DrawAnswer(before.view(), answer).height;
  EXPECT_GT(more, one);
  EXPECT_GT(most, more);
  EXPECT_LT(most, 500);
  answer.text = " \n";
  EXPECT_EQ(DrawAnswer(before.view(), answer).height, 200);
}

TEST(Lettering, DecodesUtf8) {
  EXPECT_EQ(DecodeUtf8("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x90\xB1"), U"a\u00e9\u20ac\U0001F431");
  // Overlong, surrogate, cut short, stray.
  EXPECT_EQ(DecodeUtf8("\xC0\xAF"), U"\uFFFD\uFFFD");
  EXPECT_EQ(DecodeUtf8("\xED\xA0\x80"), U"\uFFFD");
  EXPECT_EQ(DecodeUtf8("\xE2\x82"), U"\uFFFD");
  EXPECT_EQ(DecodeUtf8("\x80z"), U"\uFFFDz");
  EXPECT_EQ(DecodeUtf8("a\tb\x01"), U"a b ");
}

TEST(Lettering, WrapsAndShortens) {
  const Lettering lettering(20);
  const std::u32string text = U"The quick brown fox jumps over the lazy dog";
  const auto lines = lettering.Wrap(text, 150);
  ASSERT_GT(lines.size(), 2u);
  std::u32string joined;
  for (const auto& line : lines) {
    EXPECT_LE(lettering.Width(line), 150);
    joined += (joined.empty() ? U"" : U" ") + line;
  }
  EXPECT_EQ(joined, text);
  EXPECT_EQ(lettering.Wrap(U"abc", 1).size(), 3u);
  EXPECT_EQ(lettering.Wrap(U"a\n\nb", 100).size(), 3u);
  const std::u32string shortened = lettering.Shorten(text, 100);
  EXPECT_LE(lettering.Width(shortened), 100);
  EXPECT_EQ(shortened.back(), U'\u2026');
  EXPECT_EQ(lettering.Shorten(U"fox", 100), U"fox");
}

}  // namespace
}  // namespace uffizi
