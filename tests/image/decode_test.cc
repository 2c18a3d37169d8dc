#include <gtest/gtest.h>
#include <zlib.h>

#include <chrono>

#include "image/exif.h"
#include "image/image_files.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

using testing::Bytes;
using testing::ImageFile;
using testing::MaxDifference;

// The error of `call`, which has to throw one, as "code: message".
template <typename Call>
std::string ErrorOf(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return std::string(Name(error.code())) + ": " + error.what();
  }
  return "no error";
}

TEST(Decode, EqualsPillowOnEveryFormat) {
  const auto cases = testing::DecodeCases();
  ASSERT_GE(cases.size(), 80u);
  for (const auto& one : cases) {
    DecodeOptions options;
    if (one.options == "drop") options.alpha = AlphaMode::kDrop;
    if (one.options == "stored") options.apply_exif_orientation = false;
    const Image expected = ReadImage(ImageFile(one.expected));
    const Image image = ReadImage(ImageFile(one.file), options);
    EXPECT_LE(MaxDifference(image, expected), one.tolerance) << one.file << " " << one.options;
  }
}

TEST(Decode, FormatIsSeenByContentNotByName) {
  const std::string content = ReadFile(ImageFile("rgb.png"));
  const Image image = DecodeImage(Bytes(content), "holiday.jpg");
  EXPECT_EQ(image.width, 61);
  EXPECT_EQ(image.height, 43);
}

TEST(Decode, ErrorsNameTheFileAndTheReason) {
  EXPECT_EQ(ErrorOf([] { DecodeImage({}, "a.jpg"); }), "invalid_image: a.jpg: the file is empty");
  EXPECT_EQ(ErrorOf([] { DecodeImage(Bytes("hello, world"), "a\nb"); }),
            "invalid_image: a?b: not a picture in a known format (JPEG, PNG, WebP, GIF, TIFF, BMP, "
            "AVIF, HEIC, JPEG XL, JPEG 2000, PNM, QOI, ICO, PDF, TGA)");
  EXPECT_EQ(ErrorOf([] { DecodeImage(Bytes("8BPS hello"), "x"); }),
            "unsupported: x: Photoshop pictures are not supported; convert it to JPEG or PNG");
  const auto missing = ErrorOf([] { ReadImage(ImageFile("no_such_file.png")); });
  EXPECT_TRUE(missing.starts_with("not_found: ")) << missing;
  EXPECT_NE(missing.find("no_such_file.png"), std::string::npos) << missing;
  const auto folder = ErrorOf([] { ReadImage(ImageFile("expected")); });
  EXPECT_TRUE(folder.starts_with("io_error: ")) << folder;
}

TEST(Decode, LimitsAreCheckedOnEveryFormat) {
  for (const char* name : {"baseline.jpg", "rgb.png", "lossy.webp", "plain.gif", "rgb.tif"}) {
    DecodeOptions options;
    options.max_pixels = 61 * 43;
    EXPECT_NO_THROW(ReadImage(ImageFile(name), options)) << name;
    options.max_pixels = 61 * 43 - 1;
    const auto pixels = ErrorOf([&] { ReadImage(ImageFile(name), options); });
    EXPECT_TRUE(pixels.starts_with("image_too_large: ")) << pixels;
    EXPECT_TRUE(pixels.ends_with("61x43 pixels, over the limit of 2622 pixels")) << pixels;
    options = {};
    options.max_file_bytes = 100;
    const auto bytes = ErrorOf([&] { ReadImage(ImageFile(name), options); });
    EXPECT_TRUE(bytes.starts_with("image_too_large: ")) << bytes;
  }
}

void AppendU32(std::string& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

void AppendChunk(std::string& png, std::string kind, const std::string& data) {
  AppendU32(png, static_cast<uint32_t>(data.size()));
  kind += data;
  png += kind;
  AppendU32(png,
            static_cast<uint32_t>(crc32(0, Bytes(kind).data(), static_cast<uInt>(kind.size()))));
}

TEST(Decode, DecompressionBombIsRefusedBeforeItIsDecoded) {
  std::string header;
  AppendU32(header, 100000);
  AppendU32(header, 100000);
  header += std::string("\x08\x02\0\0\0", 5);
  std::string png("\x89PNG\r\n\x1a\n");
  AppendChunk(png, "IHDR", header);
  AppendChunk(png, "IDAT", std::string(1000, 'x'));
  const auto start = std::chrono::steady_clock::now();
  const auto error = ErrorOf([&] { DecodeImage(Bytes(png), "bomb.png"); });
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(error,
            "image_too_large: bomb.png: 100000x100000 pixels, over the limit of 178956970 "
            "pixels");
  EXPECT_LT(seconds.count(), 0.5);

  // A JPEG and a GIF whose headers claim 65535x65535.
  std::string jpeg = ReadFile(ImageFile("baseline.jpg"));
  const size_t frame = jpeg.find("\xFF\xC0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\xFF\xDC\xFF\xDC");
  EXPECT_TRUE(ErrorOf([&] { DecodeImage(Bytes(jpeg), "b"); }).starts_with("image_too_large"));
  std::string gif = ReadFile(ImageFile("plain.gif"));
  gif.replace(6, 4, "\xFF\xFF\xFF\xFF");
  EXPECT_TRUE(ErrorOf([&] { DecodeImage(Bytes(gif), "b"); }).starts_with("image_too_large"));
}

TEST(Exif, OrientationOfWellFormedAndDamagedBlocks) {
  // Big-endian, one entry: tag 0x0112, SHORT, count 1, value 6.
  const std::string motorola("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0", 26);
  EXPECT_EQ(ExifOrientation(Bytes(motorola)), 6);
  EXPECT_EQ(ExifOrientation(Bytes(std::string("Exif\0\0", 6) + motorola)), 6);
  const std::string intel("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x08\0\0\0\0\0\0\0", 26);
  EXPECT_EQ(ExifOrientation(Bytes(intel)), 8);
  for (size_t size = 0; size < 18; ++size) {
    EXPECT_EQ(ExifOrientation(Bytes(motorola.substr(0, size))), 1) << size;
  }
  std::string far = motorola;
  far.replace(4, 4, "\xFF\xFF\xFF\xF0");
  EXPECT_EQ(ExifOrientation(Bytes(far)), 1);
  std::string nine = motorola;
  nine[19] = 9;
  EXPECT_EQ(ExifOrientation(Bytes(nine)), 1);
}

TEST(Encode, PngIsLosslessAndJpegClose) {
  const Image image = ReadImage(ImageFile("rgb.png"));
  EXPECT_EQ(MaxDifference(DecodeImage(Bytes(EncodePng(image.view())), "png"), image), 0);
  const Image smooth = testing::Plain(40, 30, 200, 100, 50);
  EXPECT_LE(MaxDifference(DecodeImage(Bytes(EncodeJpeg(smooth.view())), "jpeg"), smooth), 3);
  // A part of a larger picture.
  const ImageView part = {image.pixels.data() + 3 * (61 * 4 + 5), 20, 10, 61 * 3};
  const Image cut = DecodeImage(Bytes(EncodePng(part)), "part");
  EXPECT_EQ(cut.width, 20);
  EXPECT_EQ(cut.pixels[0], image.pixels[3 * (61 * 4 + 5)]);
  EXPECT_EQ(cut.pixels.back(), image.pixels[3 * (61 * 13 + 24) + 2]);
}

TEST(Encode, RefusesWhatCannotBeWritten) {
  EXPECT_TRUE(ErrorOf([] { EncodePng({}); }).starts_with("invalid_argument"));
  EXPECT_TRUE(ErrorOf([] { EncodeJpeg({}); }).starts_with("invalid_argument"));
  const Image image = testing::Plain(2, 2, 0, 0, 0);
  EXPECT_TRUE(ErrorOf([&] { EncodeJpeg(image.view(), 0); }).starts_with("invalid_argument"));
  EXPECT_TRUE(ErrorOf([&] { EncodeJpeg(image.view(), 101); }).starts_with("invalid_argument"));
}

}  // namespace
}  // namespace uffizi
