// Limits for untrusted files, and cancellation of decoding.
#include <gtest/gtest.h>
#include <zlib.h>

#include <ctime>
#include <functional>

#include "image/image_files.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

using testing::Bytes;
using testing::ImageFile;
using testing::MaxDifference;

double SecondsOf(const std::function<void()>& call) {
  const std::clock_t start = std::clock();  // of this process: the machine may be busy
  call();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

std::string ErrorOf(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return std::string(Name(error.code())) + ": " + error.what();
  }
  return "no error";
}

void AppendU32(std::string& out, size_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

void AppendChunk(std::string& png, std::string kind, const std::string& data) {
  AppendU32(png, data.size());
  kind += data;
  png += kind;
  AppendU32(png, crc32(0, Bytes(kind).data(), static_cast<uInt>(kind.size())));
}

// A zlib stream of `start` and then 16 MB of zeros, `times` times.
std::string Deflated(const std::string& start, int times) {
  z_stream stream = {};
  deflateInit(&stream, 9);
  std::string out;
  std::string buffer(1 << 20, '\0');
  const auto add = [&](const std::string& data, int flush) {
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
    stream.avail_in = static_cast<uInt>(data.size());
    do {
      stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
      stream.avail_out = static_cast<uInt>(buffer.size());
      deflate(&stream, flush);
      out.append(buffer, 0, buffer.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  };
  add(start, Z_FULL_FLUSH);
  const size_t from = out.size();
  add(std::string(16 << 20, '\0'), Z_FULL_FLUSH);
  const std::string block = out.substr(from);
  deflateEnd(&stream);
  for (int i = 1; i < times; ++i) out += block;
  return out;
}

std::string SmallPng(bool interlaced, const std::string& data, const std::string& before = "") {
  std::string header;
  AppendU32(header, 2);
  AppendU32(header, 2);
  header += std::string("\x08\x02\0\0", 4) + (interlaced ? '\1' : '\0');
  std::string png("\x89PNG\r\n\x1a\n");
  AppendChunk(png, "IHDR", header);
  png += before;
  AppendChunk(png, "IDAT", data);
  AppendChunk(png, "IEND", "");
  return png;
}

TEST(Budget, PngDataBeyondItsRowsAreNotInflated) {
  for (const bool interlaced : {false, true}) {
    // Four pixels with a filter byte before each row; interlaced: three passes of 1, 1 and 2.
    const std::string rows =
        interlaced ? std::string("\0abc\0def\0ghijkl", 15) : std::string("\0abcdef\0ghijkl", 14);
    const std::string png = SmallPng(interlaced, Deflated(rows, 2000));  // 32 GB
    EXPECT_LT(png.size(), 40u << 20);
    Image image;
    const double seconds = SecondsOf([&] { image = DecodeImage(Bytes(png), "bomb.png"); });
    EXPECT_EQ(std::string(image.pixels.begin(), image.pixels.end()), "abcdefghijkl");
    EXPECT_LT(seconds, 1) << interlaced;
  }
}

TEST(Budget, CompressedTextsOfAPngAreNotInflated) {
  std::string texts;
  const std::string text = std::string("a\0\0", 3) + Deflated("", 1);
  for (int i = 0; i < 50; ++i) {
    AppendChunk(texts, "zTXt", text);
    AppendChunk(texts, "iCCP", text);
  }
  std::string rows = std::string("\0abcdef\0ghijkl", 14);
  const std::string png = SmallPng(false, Deflated(rows, 1), texts);
  EXPECT_LT(SecondsOf([&] { DecodeImage(Bytes(png), "texts.png"); }), 0.5);
}

// The progressive picture with its last scan written again and again.
std::string ManyScans(int count) {
  const std::string good = ReadFile(ImageFile("progressive.jpg"));
  const size_t scan = good.rfind("\xFF\xDA");
  const size_t end = good.rfind("\xFF\xD9");
  std::string bad = good.substr(0, end);
  for (int i = 0; i < count; ++i) bad += good.substr(scan, end - scan);
  return bad + "\xFF\xD9";
}

TEST(Budget, ScansOfAJpegAreCounted) {
  const std::string few = ManyScans(20);
  EXPECT_EQ(ErrorOf([&] { DecodeImage(Bytes(few), "few.jpg"); }), "no error");
  const std::string many = ManyScans(5000);
  const double seconds = SecondsOf([&] {
    EXPECT_EQ(ErrorOf([&] { DecodeImage(Bytes(many), "many.jpg"); }),
              "invalid_image: many.jpg: damaged JPEG: too many scans");
  });
  EXPECT_LT(seconds, 0.5);
}

TEST(Budget, AJpegsScansTimesItsPixelsAreLimited) {
  // The same scans of a picture that claims 6000 x 6000 pixels.
  std::string jpeg = ManyScans(90);
  const size_t frame = jpeg.find("\xFF\xC2");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\x17\x70\x17\x70");
  EXPECT_EQ(ErrorOf([&] { DecodeImage(Bytes(jpeg), "large.jpg"); }),
            "invalid_image: large.jpg: damaged JPEG: too many scans");
}

TEST(Budget, EveryDecoderIsStopped) {
  for (const char* name : {"baseline.jpg", "progressive.jpg", "rgb.png", "interlaced.png",
                           "lossy.webp", "lossless.webp", "plain.gif", "rgb.tif", "lzw.tif"}) {
    int asked = 0;
    DecodeOptions options;
    options.cancelled = [&] {
      ++asked;
      return false;
    };
    const Image image = ReadImage(ImageFile(name), options);
    EXPECT_GE(asked, 2) << name;
    const int all = asked;
    for (int stop = 1; stop <= all; ++stop) {
      asked = 0;
      options.cancelled = [&] { return ++asked >= stop; };
      const std::string error = ErrorOf([&] { ReadImage(ImageFile(name), options); });
      EXPECT_TRUE(error.starts_with("cancelled: ")) << name << " " << stop << " " << error;
      EXPECT_NE(error.find(name), std::string::npos) << error;
    }
  }
}

TEST(Truncated, AMissingEndMarkerAloneIsNoDamage) {
  for (const char* name :
       {"baseline.jpg", "progressive.jpg", "grey.jpg", "restart.jpg", "cmyk.jpg"}) {
    const std::string good = ReadFile(ImageFile(name));
    ASSERT_TRUE(good.ends_with("\xFF\xD9")) << name;
    const Image expected = DecodeImage(Bytes(good), name);
    const Image image = DecodeImage(Bytes(good.substr(0, good.size() - 2)), name);
    EXPECT_EQ(MaxDifference(image, expected), 0) << name;
  }
}

TEST(Truncated, AProgressiveFileThatEndsBetweenScansIsRefused) {
  const std::string good = ReadFile(ImageFile("progressive.jpg"));
  const std::string cut = good.substr(0, good.rfind("\xFF\xC4"));  // tables of the last scan
  ASSERT_GT(cut.size(), good.size() / 2);
  EXPECT_EQ(ErrorOf([&] { DecodeImage(Bytes(cut), "cut.jpg"); }),
            "invalid_image: cut.jpg: truncated JPEG: the file ends before the picture does");
}

TEST(Truncated, WhatIsThereIsTakenOnRequest) {
  DecodeOptions fill;
  fill.truncated = TruncatedMode::kFill;
  for (const char* name : {"baseline.jpg", "progressive.jpg", "rgb.png", "interlaced.png"}) {
    const std::string good = ReadFile(ImageFile(name));
    const std::string half = good.substr(0, good.size() * 3 / 4);
    EXPECT_TRUE(ErrorOf([&] { DecodeImage(Bytes(half), name); }).starts_with("invalid_image"));
    const Image whole = DecodeImage(Bytes(good), name);
    const Image image = DecodeImage(Bytes(half), name, fill);
    ASSERT_EQ(image.pixels.size(), whole.pixels.size()) << name;
    if (std::string(name).starts_with("baseline") || std::string(name) == "rgb.png") {
      // The upper rows are the whole picture's, the last ones are not.
      const size_t rows = 3 * 61 * 8;
      EXPECT_TRUE(
          std::equal(image.pixels.begin(), image.pixels.begin() + rows, whole.pixels.begin()))
          << name;
    }
    EXPECT_NE(image.pixels, whole.pixels) << name;
    EXPECT_EQ(ErrorOf([&] { DecodeImage(Bytes(good.substr(0, 20)), name, fill); }).substr(0, 13),
              "invalid_image")
        << name;
  }
}

}  // namespace
}  // namespace uffizi
