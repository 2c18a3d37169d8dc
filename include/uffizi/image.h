#ifndef UFFIZI_IMAGE_H_
#define UFFIZI_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "uffizi/export.h"
#include "uffizi/types.h"

namespace uffizi {

// What to do with transparent pixels.
enum class AlphaMode {
  kWhite,  // composite over white
  kDrop,   // ignore alpha, as Pillow's convert("RGB") does
};

template <>
struct EnumNames<AlphaMode> {
  static constexpr std::pair<AlphaMode, const char*> kAll[] = {{AlphaMode::kWhite, "white"},
                                                               {AlphaMode::kDrop, "drop"}};
};

// What to do with a JPEG or PNG whose file ends before its pixels do.
enum class TruncatedMode {
  kRefuse,  // an error
  kFill,    // use what is there; the rest is grey (JPEG) or black (PNG)
};

template <>
struct EnumNames<TruncatedMode> {
  static constexpr std::pair<TruncatedMode, const char*> kAll[] = {
      {TruncatedMode::kRefuse, "refuse"}, {TruncatedMode::kFill, "fill"}};
};

struct DecodeOptions {
  bool apply_exif_orientation = true;
  AlphaMode alpha = AlphaMode::kWhite;
  TruncatedMode truncated = TruncatedMode::kRefuse;
  // In a file of several pictures: the page of a TIFF or PDF, or the frame of an animation, from 0.
  size_t page = 0;
  double pdf_dpi =
      200;  // resolution of PDF pages in dots per inch, lower if a page would have too many pixels
  size_t max_pixels =
      178'956'970;  // Pillow's limit against decompression bombs, 2 x 1024^3 / 4 / 3
  size_t max_file_bytes = 512ull << 20;
  // Called every few milliseconds while pixels are decoded, on the decoding thread; true ends
  // decoding with Error(kCancelled). It must not throw, because it is called through the decoders'
  // C code. For deadlines, shutdown, and clients that have disconnected.
  std::function<bool()> cancelled = {};
};

// Decodes a picture, or a page or frame of one, to 8-bit RGB: JPEG, PNG, WebP, GIF, TIFF, BMP,
// AVIF, HEIC, JPEG XL, JPEG 2000, PNM, QOI, TGA, ICO and PDF, recognized by their content (TGA by
// its name if it has no signature). The limits are checked against the header before anything is
// decoded. Of 16-bit samples the high byte is used, embedded colour profiles are ignored, and
// everything else is as in Pillow's convert("RGB"), including CMYK. A file that ends before its
// pixels do is an error unless options.truncated says otherwise; a missing end marker alone is not.
// Decoding ends when all rows have been read, whatever follows them in the file, and limits the
// passes over a progressive JPEG. `name` is used only in messages. Throws Error: kInvalidImage,
// kImageTooLarge, kUnsupported, kCancelled.
UFFIZI_API Image DecodeImage(std::span<const uint8_t> bytes, const std::string& name,
                             const DecodeOptions& options = {});

// The contents of a file: one picture, or several pages or frames.
struct PageInfo {
  size_t count = 1;
  std::vector<double> seconds = {};  // for an animation: the start of each frame
};

// Throws like DecodeImage() for errors in the file as a whole. Decodes no pixels.
UFFIZI_API PageInfo InspectPages(std::span<const uint8_t> bytes, const std::string& name,
                                 const DecodeOptions& options = {});

// The extensions, in lower case and with their dot, by which pictures are recognized in folders and
// archives. They include a few formats that are not supported, so that these give an error.
UFFIZI_API std::span<const std::string_view> PictureExtensions();
UFFIZI_API bool HasPictureExtension(const std::filesystem::path& path);

// DecodeImage() for a file. Also throws kNotFound, kIo.
UFFIZI_API Image ReadImage(const std::filesystem::path& path, const DecodeOptions& options = {});

// Converts grey samples that are not bytes to bytes, as for samples in files. They are scaled from
// 0 to 255 or 0 to 65535 (`whole_numbers`), or from 0 to 1 or 0 to 255 (others), if all are in that
// range, else from the smallest to the largest. NaN is black. out: as many as samples.
UFFIZI_API void ScaleToBytes(std::span<const float> samples, bool whole_numbers, uint8_t* out);

// Encodes an 8-bit RGB PNG or JPEG (quality 1..100, full-resolution chroma) to memory. Throws
// Error(kInvalidArgument) for an empty or too large picture, or a quality out of range.
UFFIZI_API std::string EncodePng(ImageView image);
UFFIZI_API std::string EncodeJpeg(ImageView image, int quality = 92);

// Encodes a grey PNG of `depth` 8 or 16 bits: [height, width] numbers up to 255 or 65535.
UFFIZI_API std::string EncodeGreyPng(std::span<const uint16_t> values, int width, int height,
                                     int depth);

// A copy of `image` with the answer's boxes, quads, polygons and labels drawn on it. Line width and
// letters scale with the picture. Text answers are drawn as a caption strip below the picture.
// Regions with coordinates that are not finite are skipped. Throws Error(kInvalidArgument) for an
// empty picture.
UFFIZI_API Image DrawAnswer(ImageView image, const Answer& answer);

}  // namespace uffizi

#endif  // UFFIZI_IMAGE_H_
