#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>

#include "image/image_files.h"
#include "image/preprocess.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

using testing::ImageFile;
using testing::MaxDifference;

// As tests/golden/make_image.py makes it.
Image Noise(int width, int height) {
  Image image = testing::Plain(width, height, 0, 0, 0);
  uint32_t x = 1;
  for (uint8_t& value : image.pixels) {
    x = 1664525 * x + 1013904223;
    value = static_cast<uint8_t>(x >> 24);
  }
  return image;
}

TEST(Resize, BitForBitAsPillow) {
  std::ifstream in(ImageFile("resize.txt"));
  std::string name;
  int width = 0, height = 0, number = 0, cases = 0;
  unsigned long expected = 0;
  while (in >> name >> std::dec >> width >> height >> number >> std::hex >> expected) {
    const Image input = name == "noise" ? Noise(640, 480) : ReadImage(ImageFile(name));
    const Image resized = Resize(input.view(), width, height, ResampleFilterFromNumber(number));
    EXPECT_EQ(crc32(0, resized.pixels.data(), static_cast<uInt>(resized.pixels.size())), expected)
        << name << " to " << width << "x" << height << ", filter " << number;
    ++cases;
  }
  EXPECT_EQ(cases, 180);
}

TEST(Resize, DifferenceToPillowInFull) {
  const Image input = ReadImage(ImageFile("resize_a.png"));
  for (int number = 0; number < 6; ++number) {
    for (const auto& [width, height] : {std::pair(40, 57), std::pair(150, 100)}) {
      const std::string file = "expected/resize_a_" + std::to_string(number) + "_" +
                               std::to_string(width) + "x" + std::to_string(height) + ".png";
      const Image expected = ReadImage(ImageFile(file));
      const Image resized = Resize(input.view(), width, height, ResampleFilterFromNumber(number));
      EXPECT_EQ(MaxDifference(resized, expected), 0) << file;
    }
  }
}

TEST(Resize, ReadsOnlyTheViewedPart) {
  const Image whole = Noise(50, 40);
  Image part = testing::Plain(20, 10, 0, 0, 0);
  for (size_t y = 0; y < 10; ++y) {
    std::copy_n(whole.pixels.data() + ((y + 5) * 50 + 7) * 3, 60, part.pixels.data() + y * 60);
  }
  const ImageView view = {whole.pixels.data() + (5 * 50 + 7) * 3, 20, 10, 150};
  for (const auto& [width, height] : {std::pair(13, 17), std::pair(20, 10), std::pair(20, 3)}) {
    const auto filter = ResampleFilter::kBicubic;
    EXPECT_EQ(Resize(view, width, height, filter).pixels,
              Resize(part.view(), width, height, filter).pixels);
  }
}

TEST(Resize, RefusesEmptySizesAndUnknownFilters) {
  const Image image = testing::Plain(2, 2, 0, 0, 0);
  EXPECT_THROW(Resize(image.view(), 0, 1, ResampleFilter::kBicubic), Error);
  EXPECT_THROW(Resize({}, 1, 1, ResampleFilter::kBicubic), Error);
  EXPECT_THROW(ResampleFilterFromNumber(6), Error);
  EXPECT_THROW(ResampleFilterFromNumber(-1), Error);
}

TEST(Normalize, IsTheFormula) {
  const Image image = Noise(31, 17);
  const float mean[3] = {0.485f, 0.456f, 0.406f};
  const float std[3] = {0.229f, 0.224f, 0.225f};
  std::vector<float> out(image.pixels.size());
  Normalize(image.view(), 1.0f / 255, mean, std, out.data());
  for (size_t i = 0; i < out.size(); ++i) {
    const double expected = (image.pixels[i] / 255.0 - static_cast<double>(mean[i % 3])) /
                            static_cast<double>(std[i % 3]);
    ASSERT_NEAR(static_cast<double>(out[i]), expected, 1e-6) << i;
  }
}

}  // namespace
}  // namespace uffizi
