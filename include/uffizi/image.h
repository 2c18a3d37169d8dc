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
  kWhite,  // compose over white
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
  kFill,    // take what is there; the rest is grey (JPEG) or black (PNG)
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
  // Of a file of several, from 0: a page of a TIFF or PDF, a frame of an animation.
  size_t page = 0;
  double pdf_dpi = 200;  // dots an inch of PDF pages, fewer where a page would have too many pixels
  size_t max_pixels = 178'956'970;  // Pillow's own bomb limit, 2 x 1024^3 / 4 / 3
  size_t max_file_bytes = 512ull << 20;
  // Asked every few milliseconds while pixels are decoded, on the decoding thread; true ends it
  // with Error(kCancelled). It must not throw, as it is called through the decoders' C code. For
  // deadlines, shutdown, and clients that have gone.
  std::function<bool()> cancelled = {};
};

// Decodes a picture, or a page or frame of one, to 8-bit RGB: JPEG, PNG, WebP, GIF, TIFF, BMP,
// AVIF, HEIC, JPEG XL, JPEG 2000, PNM, QOI, TGA, ICO and PDF, known by their content (TGA by its
// name, where it has no mark). The limits are checked against the header, before anything is
// decoded. Of 16-bit samples the high byte is taken, embedded colour profiles are ignored, and the
// rest is as in Pillow's convert("RGB"), CMYK included. A file that ends before its pixels do is an
// error unless options.truncated says otherwise; a missing end marker alone is none. Decoding ends
// when all rows are there, whatever follows them in the file, and spends no more passes on a
// progressive JPEG than encoders have use for. `name` is used in messages only. Throws Error:
// kInvalidImage, kImageTooLarge, kUnsupported, kCancelled.
UFFIZI_API Image DecodeImage(std::span<const uint8_t> bytes, const std::string& name,
                             const DecodeOptions& options = {});

// What a file holds: one picture, or several pages or frames.
struct PageInfo {
  size_t count = 1;
  std::vector<double> seconds = {};  // of an animation: when each frame begins
};

// Throws as DecodeImage, for what is wrong with the file as a whole. Decodes no pixels.
UFFIZI_API PageInfo InspectPages(std::span<const uint8_t> bytes, const std::string& name,
                                 const DecodeOptions& options = {});

// The extensions, in lower case and with their dot, of every kind of file that is taken for a
// picture where names are all there is to go by: in folders and archives. A few kinds are known but
// not read, so that an error says so.
UFFIZI_API std::span<const std::string_view> PictureExtensions();
UFFIZI_API bool HasPictureExtension(const std::filesystem::path& path);

// The same as DecodeImage from a file. Also throws kNotFound, kIo.
UFFIZI_API Image ReadImage(const std::filesystem::path& path, const DecodeOptions& options = {});

// Grey samples that are not bytes as bytes, as those of files are read. They are scaled from 0 to
// 255 or 0 to 65535 (`whole_numbers`), or from 0 to 1 or 0 to 255 (others), if all lie there, else
// from the least to the greatest. NaN is black. out: as many as samples.
UFFIZI_API void ScaleToBytes(std::span<const float> samples, bool whole_numbers, uint8_t* out);

// 8-bit RGB PNG / JPEG (quality 1..100, colour at full resolution) to memory. Throws
// Error(kInvalidArgument) for an empty or too large picture, or a quality out of range.
UFFIZI_API std::string EncodePng(ImageView image);
UFFIZI_API std::string EncodeJpeg(ImageView image, int quality = 92);

// A grey PNG of `depth` 8 or 16 bits: [height, width] numbers up to 255 or 65535.
UFFIZI_API std::string EncodeGreyPng(std::span<const uint16_t> values, int width, int height,
                                     int depth);

// A copy of `image` with the answer's boxes, quads, polygons and labels drawn on it. Line width and
// letters grow with the picture. Text answers are drawn as a caption strip below the picture.
// Regions with coordinates that are not finite are left out. Throws Error(kInvalidArgument) for an
// empty picture.
UFFIZI_API Image DrawAnswer(ImageView image, const Answer& answer);

}  // namespace uffizi

#endif  // UFFIZI_IMAGE_H_
