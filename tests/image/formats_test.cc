// Every picture format compared with Pillow and its plugins; see tests/golden/make_formats.py.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <set>

#include "image/image_files.h"
#include "image/samples.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

using testing::Bytes;
using testing::MaxDifference;

std::filesystem::path FormatFile(const std::string& name) {
  return std::filesystem::path(UFFIZI_TEST_DATA) / "formats" / name;
}

struct FormatCase {
  std::string file, expected, options;
  int tolerance = 0;
  size_t page = 0, pages = 1;

  DecodeOptions Options() const {
    DecodeOptions decode;
    decode.page = page;
    if (options == "drop") decode.alpha = AlphaMode::kDrop;
    if (options == "stored") decode.apply_exif_orientation = false;
    return decode;
  }
};

std::vector<FormatCase> Cases() {
  std::ifstream in(FormatFile("cases.txt"));
  std::vector<FormatCase> cases;
  FormatCase one;
  while (in >> one.file >> one.expected >> one.tolerance >> one.page >> one.pages >> one.options) {
    cases.push_back(one);
  }
  return cases;
}

// Whether a reader is there, by what it says of a whole file: libheif and pdfium are loaded at run
// time, and builds may leave decoders out.
bool Readable(const std::string& file) {
  try {
    ReadImage(FormatFile(file));
  } catch (const Error& error) {
    return error.code() != ErrorCode::kUnsupported;
  }
  return true;
}

std::string ErrorOf(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return std::string(Name(error.code())) + ": " + error.what();
  }
  return "no error";
}

TEST(Formats, EqualPillow) {
  const auto cases = Cases();
  ASSERT_GE(cases.size(), 100u);
  std::map<std::string, bool> readable;
  for (const FormatCase& one : cases) {
    const std::string kind = std::filesystem::path(one.file).extension().string();
    const auto [found, fresh] = readable.try_emplace(one.file, true);
    if (fresh) found->second = Readable(one.file);
    if (!found->second) {
      std::cout << "not read here: " << one.file << "\n";
      // These are part of every build.
      static const std::set<std::string> kOptional = {".avif", ".heic", ".jpg", ".jxl",
                                                      ".jp2",  ".j2k",  ".pdf"};
      EXPECT_TRUE(kOptional.contains(kind)) << one.file;
      continue;
    }
    try {
      const Image expected = ReadImage(FormatFile(one.expected));
      const Image image = ReadImage(FormatFile(one.file), one.Options());
      EXPECT_LE(MaxDifference(image, expected), one.tolerance)
          << one.file << " page " << one.page << " " << one.options << " " << image.width << "x"
          << image.height << " for " << expected.width << "x" << expected.height;
      const std::string content = ReadFile(FormatFile(one.file));
      const PageInfo pages = InspectPages(Bytes(content), one.file);
      EXPECT_EQ(pages.count, one.pages) << one.file;
      EXPECT_TRUE(pages.seconds.empty() || pages.seconds.size() == pages.count) << one.file;
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

TEST(Formats, FramesHaveTheirTimes) {
  const std::map<std::string, double> steps = {
      {"disposal_1.gif", 0.2}, {"frames.webp", 0.3}, {"frames.avif", 0.5}};
  for (const auto& [name, step] : steps) {
    if (!Readable(name)) continue;
    const std::string content = ReadFile(FormatFile(name));
    const PageInfo pages = InspectPages(Bytes(content), name);
    ASSERT_GT(pages.seconds.size(), 2u) << name;
    for (size_t i = 0; i < pages.seconds.size(); ++i) {
      EXPECT_NEAR(pages.seconds[i], step * static_cast<double>(i), 0.011) << name << " " << i;
    }
  }
}

TEST(Formats, APageThatIsNotThereIsSaid) {
  for (const char* name : {"pages.tif", "disposal_1.gif", "frames.webp", "rgb.bmp", "lossy.avif",
                           "lossless.jxl", "lossy.heic", "two_pages.pdf"}) {
    if (!Readable(name)) continue;
    DecodeOptions options;
    options.page = 7;
    const std::string error = ErrorOf([&] { ReadImage(FormatFile(name), options); });
    EXPECT_TRUE(error.starts_with("invalid_argument: ") || error.starts_with("invalid_image: "))
        << error;
    EXPECT_NE(error.find(name), std::string::npos) << error;
  }
}

TEST(Formats, DamageGivesAPictureOrAnError) {
  std::set<std::string> files;
  for (const FormatCase& one : Cases()) files.insert(one.file);
  int errors = 0, cut = 0;
  for (const std::string& file : files) {
    if (!Readable(file) || file.ends_with(".pdf")) continue;  // pdfium mends what it can
    const std::string good = ReadFile(FormatFile(file));
    DecodeOptions options;
    options.max_pixels = 1 << 20;
    for (size_t i = 0; i < 60; ++i) {
      std::string bad = good;
      if (i < 20) {
        bad.resize(good.size() * i / 20);
      } else {
        bad[(i * 7919) % std::min<size_t>(bad.size(), i % 2 == 0 ? 120 : bad.size())] ^=
            static_cast<char>(1u << i % 8);
      }
      try {
        const Image image = DecodeImage(Bytes(bad), file, options);
        EXPECT_EQ(image.pixels.size(),
                  size_t{3} * static_cast<size_t>(image.width) * static_cast<size_t>(image.height));
      } catch (const Error& error) {
        ++errors;
        EXPECT_TRUE(std::string(error.what()).starts_with(file)) << error.what();
        EXPECT_NE(error.code(), ErrorCode::kInternal);
      }
      if (i < 20) ++cut;
    }
  }
  EXPECT_GT(errors, cut / 2);
}

TEST(Formats, CutPicturesAreRefused) {
  for (const char* file : {"rgb.bmp", "rgb.tga", "rle.tga", "rgb.ppm", "text.ppm", "rgb.qoi",
                           "shares.pfm", "png.ico", "lossy.avif", "lossless.jxl", "lossy.heic",
                           "lossless.jp2", "grey32.tif", "deflated_float.tif"}) {
    if (!Readable(file)) continue;
    const std::string good = ReadFile(FormatFile(file));
    for (const double share : {0.3, 0.6, 0.9}) {
      const auto size = static_cast<size_t>(static_cast<double>(good.size()) * share);
      EXPECT_THROW(DecodeImage(Bytes(good.substr(0, size)), file), Error) << file << " " << share;
    }
  }
}

TEST(Formats, LimitsAreChecked) {
  for (const char* file : {"rgb.bmp", "rgb.tga", "rgb.ppm", "rgb.qoi", "lossy.avif", "lossless.jxl",
                           "lossy.heic", "lossless.jp2", "grey32.tif", "png.ico"}) {
    if (!Readable(file)) continue;
    DecodeOptions options;
    options.max_pixels = 1000;
    const std::string error = ErrorOf([&] { ReadImage(FormatFile(file), options); });
    EXPECT_TRUE(error.starts_with("image_too_large: ") || error.starts_with("invalid_image: "))
        << error;
  }
}

TEST(Formats, ExtensionsAreThoseOfAllKinds) {
  for (const char* name : {"a.jpg", "a.JPEG", "b.jfif", "c.bmp", "d.HEIC", "e.avif", "f.jxl",
                           "g.jp2", "h.ppm", "i.tga", "j.ico", "k.qoi", "l.pdf", "m.psd"}) {
    EXPECT_TRUE(HasPictureExtension(name)) << name;
  }
  for (const char* name : {"a.txt", "jpg", ".jpg.gz", "a.mp4", "a"}) {
    EXPECT_FALSE(HasPictureExtension(name)) << name;
  }
}

TEST(Samples, RangesFollowTheSamples) {
  const auto range = [](std::vector<float> samples, bool whole) {
    const SampleRange found = RangeOf(samples, whole);
    return std::pair(found.low, found.high);
  };
  using Pair = std::pair<double, double>;
  EXPECT_EQ(range({0, 3, 255}, true), Pair(0, 255));
  EXPECT_EQ(range({0, 256}, true), Pair(0, 65535));
  EXPECT_EQ(range({-1, 256}, true), Pair(-1, 256));
  EXPECT_EQ(range({0, 70000}, true), Pair(0, 70000));
  EXPECT_EQ(range({0, 0.5f, 1}, false), Pair(0, 1));
  EXPECT_EQ(range({0, 1.5f, 200}, false), Pair(0, 255));
  EXPECT_EQ(range({-3, std::nanf(""), 300}, false), Pair(-3, 300));
  EXPECT_EQ(ByteOf(65535, {0, 65535}), 255);
  EXPECT_EQ(ByteOf(0xABCD, {0, 65535}), 0xAB);
  EXPECT_EQ(ByteOf(7, {0, 255}), 7);
  EXPECT_EQ(ByteOf(std::nan(""), {0, 255}), 0);
}

}  // namespace
}  // namespace uffizi
