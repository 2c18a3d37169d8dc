// Damaged files give a picture or an Error, and nothing else.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "image/image_files.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

using testing::Bytes;
using testing::ImageFile;

struct Tally {
  int pictures = 0;
  int errors = 0;
  int total() const { return pictures + errors; }
};

// Fails unless the result is a consistent picture, or a one-line Error that names the file.
void Decode(const std::string& content, const std::string& what, Tally& tally) {
  DecodeOptions options;
  options.max_pixels = 4'000'000;
  try {
    const Image image = DecodeImage(Bytes(content), what, options);
    ++tally.pictures;
    ASSERT_EQ(image.pixels.size(),
              static_cast<size_t>(image.width) * static_cast<size_t>(image.height) * 3)
        << what;
  } catch (const Error& error) {
    ++tally.errors;
    const std::string message = error.what();
    EXPECT_TRUE(message.starts_with(what + ": ")) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    const bool expected = error.code() == ErrorCode::kInvalidImage ||
                          error.code() == ErrorCode::kImageTooLarge ||
                          error.code() == ErrorCode::kUnsupported;
    EXPECT_TRUE(expected) << Name(error.code()) << " " << message;
  }
}

std::set<std::string> GoodFiles() {
  std::set<std::string> files;
  for (const auto& one : testing::DecodeCases()) files.insert(one.file);
  return files;
}

TEST(Damage, TruncatedFiles) {
  Tally tally;
  for (const std::string& file : GoodFiles()) {
    const std::string good = ReadFile(ImageFile(file));
    for (int i = 0; i < 24; ++i) {
      Decode(good.substr(0, good.size() * static_cast<size_t>(i) / 24), file, tally);
    }
  }
  EXPECT_GE(tally.total(), 500);
  // A file that lacks a tenth of its bytes or more is refused, unless its end contains nothing that
  // the picture needs (the second picture of an animation or TIFF).
  EXPECT_GE(tally.errors, tally.total() * 9 / 10);
}

TEST(Damage, PicturesCutInTheMiddleAreRefused) {
  for (const char* file :
       {"baseline.jpg", "progressive.jpg", "cmyk.jpg", "rgb.png", "interlaced.png", "lossy.webp",
        "lossless.webp", "plain.gif", "interlaced.gif", "rgb.tif", "lzw.tif", "jpeg.tif"}) {
    const std::string good = ReadFile(ImageFile(file));
    for (const double share : {0.5, 0.75, 0.9}) {
      const auto size = static_cast<size_t>(static_cast<double>(good.size()) * share);
      EXPECT_THROW(DecodeImage(Bytes(good.substr(0, size)), file), Error) << file << " " << share;
    }
  }
}

TEST(Damage, FlippedBits) {
  Tally tally;
  std::mt19937 random(20260101);
  for (const std::string& file : GoodFiles()) {
    const std::string good = ReadFile(ImageFile(file));
    for (int i = 0; i < 40; ++i) {
      std::string bad = good;
      // Half of the damage is in the headers, where it has the most effect.
      const size_t reach = i % 2 == 0 ? bad.size() : std::min<size_t>(bad.size(), 200);
      for (int flips = 1 + i % 5; flips > 0; --flips) {
        bad[random() % reach] ^= static_cast<char>(1u << random() % 8);
      }
      Decode(bad, file, tally);
    }
  }
  EXPECT_GE(tally.total(), 500);
  EXPECT_GT(tally.errors, 0);
  EXPECT_GT(tally.pictures, 0);
}

TEST(Damage, OverwrittenAndRemovedParts) {
  Tally tally;
  std::mt19937 random(7);
  for (const std::string& file : GoodFiles()) {
    const std::string good = ReadFile(ImageFile(file));
    for (int i = 0; i < 16; ++i) {
      std::string bad = good;
      const size_t at = random() % bad.size();
      const size_t count = std::min<size_t>(bad.size() - at, 1 + random() % 64);
      if (i % 3 == 0) {
        bad.erase(at, count);
      } else if (i % 3 == 1) {
        bad.insert(at, bad.substr(random() % bad.size(), count));
      } else {
        bad.replace(at, count, std::string(count, static_cast<char>(i % 2 == 0 ? 0 : 0xFF)));
      }
      Decode(bad, file, tally);
    }
  }
  EXPECT_GE(tally.total(), 500);
}

}  // namespace
}  // namespace uffizi
