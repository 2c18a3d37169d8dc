#include "dataset/geometry.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "tasks/region_outline.h"

namespace uffizi::dataset {
namespace {

// Even-odd, one pixel at a time.
bool Inside(const Polygon& polygon, double x, double y) {
  bool inside = false;
  const size_t points = polygon.size() / 2;
  for (size_t i = 0, j = points - 1; i < points; j = i++) {
    const double xi = polygon[2 * i], yi = polygon[2 * i + 1];
    const double xj = polygon[2 * j], yj = polygon[2 * j + 1];
    if ((xi <= x) != (xj <= x) && y < yi + (x - xi) / (xj - xi) * (yj - yi)) inside = !inside;
  }
  return inside;
}

std::vector<uint32_t> SlowMask(const std::vector<Polygon>& polygons, int width, int height) {
  std::vector<uint32_t> counts = {0};
  bool current = false;
  for (int x = 0; x < width; ++x) {
    for (int y = 0; y < height; ++y) {
      bool one = false;
      for (const Polygon& polygon : polygons) one |= Inside(polygon, x + 0.5, y + 0.5);
      if (one != current) counts.push_back(0);
      current = one;
      ++counts.back();
    }
  }
  return counts;
}

TEST(Mask, EqualsAskingEveryPixel) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    const int width = 1 + static_cast<int>(random() % 40),
              height = 1 + static_cast<int>(random() % 40);
    std::vector<Polygon> polygons(1 + random() % 3);
    for (Polygon& polygon : polygons) {
      for (size_t i = 0; i < 2 * (3 + random() % 6); ++i) {
        // Now and then outside of the picture.
        polygon.push_back(static_cast<float>(random() % 6000) / 100.0f - 8.0f);
      }
    }
    const RunLengths mask = EncodeMask(polygons, width, height);
    EXPECT_EQ(mask.counts, SlowMask(polygons, width, height)) << round;
    uint64_t ones = 0;
    for (size_t i = 1; i < mask.counts.size(); i += 2) ones += mask.counts[i];
    EXPECT_EQ(mask.area, ones);
    EXPECT_EQ(std::accumulate(mask.counts.begin(), mask.counts.end(), 0u),
              static_cast<uint32_t>(width * height));
  }
}

TEST(Mask, WholePictureAndNothing) {
  const std::vector<Polygon> all = {{-5, -5, 50, -5, 50, 50, -5, 50}};
  EXPECT_EQ(EncodeMask(all, 4, 3).counts, (std::vector<uint32_t>{0, 12}));
  const std::vector<Polygon> outside = {{-5, -5, -1, -5, -1, -1}};
  EXPECT_EQ(EncodeMask(outside, 4, 3).counts, (std::vector<uint32_t>{12}));
  EXPECT_EQ(EncodeMask({}, 4, 3).counts, (std::vector<uint32_t>{12}));
}

TEST(Box, IsOrderedAndWithinThePicture) {
  Region region;
  region.box = {50, 80, -10, 20};  // inverted, and over the edge
  const Box box = BoundingBox(region, 40, 100);
  EXPECT_EQ(box.x1, 0);
  EXPECT_EQ(box.y1, 20);
  EXPECT_EQ(box.x2, 40);
  EXPECT_EQ(box.y2, 80);
  region.polygons = {{1, 2, 3, 9, 5, 4}};
  EXPECT_EQ(BoundingBox(region, 40, 100).y2, 9);
}

}  // namespace
}  // namespace uffizi::dataset
