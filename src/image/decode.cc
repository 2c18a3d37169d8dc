#include <algorithm>
#include <new>
#include <string>
#include <system_error>
#include <utility>

#include "core/mapped_file.h"
#include "image/decoders.h"
#include "image/exif.h"
#include "image/formats.h"

namespace uffizi {
namespace {

// (a * b) / 255, rounded, exact for a, b in 0..255.
uint8_t MulDiv255(unsigned a, unsigned b) {
  const unsigned product = a * b + 128;
  return static_cast<uint8_t>((product + (product >> 8)) >> 8);
}

// Undoes the multiplication by alpha, like Pillow's RGBa to RGBA conversion.
uint8_t Unmultiply(unsigned value, unsigned alpha) {
  return alpha == 0 ? 0 : static_cast<uint8_t>(std::min(255u, 255 * value / alpha));
}

// Converts RGBA to RGB in place.
void Flatten(Raster& raster, AlphaMode mode) {
  const size_t count = raster.pixels.size() / 4;
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* in = raster.pixels.data() + 4 * i;
    uint8_t* out = raster.pixels.data() + 3 * i;
    const unsigned alpha = in[3];
    for (int c = 0; c < 3; ++c) {
      unsigned value = in[c];
      if (mode == AlphaMode::kDrop) {
        if (raster.premultiplied) value = Unmultiply(value, alpha);
      } else if (raster.premultiplied) {
        value = std::min(255u, value + 255 - alpha);
      } else {
        // 255 - (255 - value) * alpha / 255: white stays exactly white.
        value = 255u - MulDiv255(255 - value, alpha);
      }
      out[c] = static_cast<uint8_t>(value);
    }
  }
  raster.pixels.resize(count * 3);
  raster.channels = 3;
}

void CheckFileSize(uint64_t bytes, const std::string& name, const DecodeOptions& options) {
  if (bytes <= options.max_file_bytes) return;
  throw Error(ErrorCode::kImageTooLarge, name + ": " + std::to_string(bytes) +
                                             " bytes, over the limit of " +
                                             std::to_string(options.max_file_bytes) + " bytes");
}

}  // namespace

void EncodedFile::Fail(const std::string& reason) const {
  throw Error(ErrorCode::kInvalidImage, name + ": " + reason);
}

void EncodedFile::CheckSize(uint64_t width, uint64_t height) const {
  const std::string size = std::to_string(width) + "x" + std::to_string(height);
  if (width == 0 || height == 0) Fail("a picture of " + size + " pixels");
  constexpr uint64_t kMaxSide = 1u << 30;
  if (width > kMaxSide || height > kMaxSide || width * height > options.max_pixels) {
    throw Error(ErrorCode::kImageTooLarge, name + ": " + size + " pixels, over the limit of " +
                                               std::to_string(options.max_pixels) + " pixels");
  }
}

void EncodedFile::FailCancelled() const {
  throw Error(ErrorCode::kCancelled, name + ": cancelled while it was being decoded");
}

void EncodedFile::FailPage() const {
  throw Error(ErrorCode::kInvalidArgument,
              name + ": there is no page " + std::to_string(options.page + 1));
}

PageInfo InspectPages(std::span<const uint8_t> bytes, const std::string& name,
                      const DecodeOptions& options) {
  const EncodedFile file{bytes, name, options};
  CheckFileSize(bytes.size(), file.name, options);
  const PictureFormat& format = FormatOf(file);
  PageInfo pages = format.inspect != nullptr ? format.inspect(file) : PageInfo{};
  if (pages.count == 0) throw Error(ErrorCode::kInvalidImage, name + ": has no pages");
  return pages;
}

Image DecodeImage(std::span<const uint8_t> bytes, const std::string& name,
                  const DecodeOptions& options) {
  const EncodedFile file{bytes, name, options};
  CheckFileSize(bytes.size(), file.name, options);
  try {
    file.CheckCancelled();
    const PictureFormat& format = FormatOf(file);
    if (format.decode == nullptr) {
      throw Error(ErrorCode::kUnsupported, name + ": " + std::string(format.name) +
                                               " pictures are not supported; convert it to JPEG "
                                               "or PNG");
    }
    if (format.inspect == nullptr) file.CheckPage(1);
    Raster raster = format.decode(file);
    file.CheckCancelled();
    if (raster.channels == 4) Flatten(raster, options.alpha);
    const int orientation = options.apply_exif_orientation ? raster.orientation : 1;
    return TurnUpright(std::move(raster), orientation);
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kImageTooLarge, file.name + ": not enough memory to decode it");
  }
}

Image ReadImage(const std::filesystem::path& path, const DecodeOptions& options) {
  std::error_code ignored;  // ReadFile() reports what is wrong with the path
  const uint64_t size = std::filesystem::file_size(path, ignored);
  if (!ignored) CheckFileSize(size, path.string(), options);
  // Read instead of mapped: this process would crash if another program truncated a mapped file.
  const std::string content = ReadFile(path, options.max_file_bytes);
  return DecodeImage({reinterpret_cast<const uint8_t*>(content.data()), content.size()},
                     path.string(), options);
}

}  // namespace uffizi
