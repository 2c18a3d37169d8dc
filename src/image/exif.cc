#include "image/exif.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace uffizi {
namespace {

constexpr uint16_t kOrientationTag = 0x0112;
constexpr uint16_t kTypeShort = 3;
constexpr uint16_t kTypeLong = 4;

// Reads the numbers of a TIFF structure in its byte order; zero outside the data.
class TiffNumbers {
 public:
  TiffNumbers(std::span<const uint8_t> data, bool big_endian)
      : data_(data), big_endian_(big_endian) {}

  uint16_t U16(size_t at) const { return static_cast<uint16_t>(Read(at, 2)); }
  uint32_t U32(size_t at) const { return Read(at, 4); }

 private:
  uint32_t Read(size_t at, size_t count) const {
    if (at > data_.size() || data_.size() - at < count) return 0;
    uint32_t value = 0;
    for (size_t i = 0; i < count; ++i) {
      value = value << 8 | data_[big_endian_ ? at + i : at + count - 1 - i];
    }
    return value;
  }

  std::span<const uint8_t> data_;
  bool big_endian_;
};

}  // namespace

int ExifOrientation(std::span<const uint8_t> exif) {
  static constexpr uint8_t kPrefix[6] = {'E', 'x', 'i', 'f', 0, 0};
  if (exif.size() >= 6 && std::memcmp(exif.data(), kPrefix, 6) == 0) exif = exif.subspan(6);
  if (exif.size() < 8) return 1;
  const bool big_endian = exif[0] == 'M' && exif[1] == 'M';
  if (!big_endian && !(exif[0] == 'I' && exif[1] == 'I')) return 1;
  const TiffNumbers numbers(exif, big_endian);
  if (numbers.U16(2) != 42) return 1;
  const size_t directory = numbers.U32(4);
  const size_t entries = numbers.U16(directory);
  for (size_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + 12 * i;
    if (numbers.U16(entry) != kOrientationTag) continue;
    const uint16_t type = numbers.U16(entry + 2);
    uint32_t value = 0;
    if (type == kTypeShort) value = numbers.U16(entry + 8);
    if (type == kTypeLong) value = numbers.U32(entry + 8);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Image TurnUpright(Raster raster, int orientation) {
  Image image;
  if (orientation <= 1 || orientation > 8) {
    image.width = raster.width;
    image.height = raster.height;
    image.pixels = std::move(raster.pixels);
    return image;
  }
  // Orientations 5..8 swap rows and columns. The upright pixel (x, y) is the stored pixel (origin +
  // x * step_x + y * step_y).
  const bool transposed = orientation >= 5;
  const bool right_to_left =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool bottom_to_top =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const ptrdiff_t width = raster.width;
  const ptrdiff_t height = raster.height;
  const ptrdiff_t column = right_to_left ? -3 : 3;
  const ptrdiff_t line = bottom_to_top ? -3 * width : 3 * width;
  const ptrdiff_t step_x = transposed ? line : column;
  const ptrdiff_t step_y = transposed ? column : line;
  const ptrdiff_t origin =
      (right_to_left ? 3 * (width - 1) : 0) + (bottom_to_top ? 3 * width * (height - 1) : 0);

  image.width = static_cast<int>(transposed ? height : width);
  image.height = static_cast<int>(transposed ? width : height);
  image.pixels.resize(raster.pixels.size());
  uint8_t* out = image.pixels.data();
  // In blocks, because a transposition accesses one of the two pictures column by column.
  constexpr int kBlock = 32;
  for (int block_y = 0; block_y < image.height; block_y += kBlock) {
    for (int block_x = 0; block_x < image.width; block_x += kBlock) {
      const int end_y = std::min(block_y + kBlock, image.height);
      const int end_x = std::min(block_x + kBlock, image.width);
      for (int y = block_y; y < end_y; ++y) {
        for (int x = block_x; x < end_x; ++x) {
          const ptrdiff_t from = origin + x * step_x + y * step_y;
          const ptrdiff_t to = (static_cast<ptrdiff_t>(y) * image.width + x) * 3;
          std::memcpy(out + to, raster.pixels.data() + from, 3);
        }
      }
    }
  }
  return image;
}

}  // namespace uffizi
