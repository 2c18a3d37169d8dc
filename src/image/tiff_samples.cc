#include "image/tiff_samples.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <optional>
#include <vector>

#include "image/samples.h"

namespace uffizi {
namespace {

template <typename T>
T Tag(TIFF* tiff, uint32_t tag) {
  T value = 0;
  TIFFGetFieldDefaulted(tiff, tag, &value);
  return value;
}

// The range given in the file's tags.
std::optional<SampleRange> TaggedRange(TIFF* tiff) {
  double low = 0, high = 0;
  if (TIFFGetField(tiff, TIFFTAG_SMINSAMPLEVALUE, &low) != 0 &&
      TIFFGetField(tiff, TIFFTAG_SMAXSAMPLEVALUE, &high) != 0 && high > low) {
    return SampleRange{low, high};
  }
  uint16_t least = 0, greatest = 0;
  TIFFGetField(tiff, TIFFTAG_MINSAMPLEVALUE, &least);
  if (TIFFGetField(tiff, TIFFTAG_MAXSAMPLEVALUE, &greatest) != 0 && greatest > least) {
    return SampleRange{static_cast<double>(least), static_cast<double>(greatest)};
  }
  return std::nullopt;
}

std::optional<float> NoData(TIFF* tiff) {
  constexpr uint32_t kGdalNoData = 42113;
  uint32_t count = 0;
  char* text = nullptr;
  if (TIFFGetField(tiff, kGdalNoData, &count, &text) == 0 || text == nullptr || count == 0) {
    return std::nullopt;
  }
  const std::string copy(text, strnlen(text, count));
  char* end = nullptr;
  const float value = std::strtof(copy.c_str(), &end);
  return end != copy.c_str() ? std::optional(value) : std::nullopt;
}

template <typename T>
void Widen(const uint8_t* in, size_t count, size_t step, float* out) {
  for (size_t i = 0; i < count; ++i, in += step) {
    T value;
    std::memcpy(&value, in, sizeof(T));
    out[i] = static_cast<float>(value);
  }
}

// Bytes of a row or tile, of which a pixel may claim 65,535 samples in a file of a few bytes.
constexpr size_t kMostBytesAtOnce = size_t{256} << 20;

class SampleReader {
 public:
  SampleReader(TIFF* tiff, const EncodedFile& file, uint32_t width, uint32_t height,
               const std::function<void(const std::string&)>& fail)
      : tiff_(tiff), file_(file), width_(width), height_(height), fail_(fail) {
    bits_ = Tag<uint16_t>(tiff, TIFFTAG_BITSPERSAMPLE);
    format_ = Tag<uint16_t>(tiff, TIFFTAG_SAMPLEFORMAT);
    per_pixel_ = std::max<size_t>(1, Tag<uint16_t>(tiff, TIFFTAG_SAMPLESPERPIXEL));
    separate_ = Tag<uint16_t>(tiff, TIFFTAG_PLANARCONFIG) == PLANARCONFIG_SEPARATE;
    photometric_ = Tag<uint16_t>(tiff, TIFFTAG_PHOTOMETRIC);
    colors_ = photometric_ == PHOTOMETRIC_RGB && per_pixel_ >= 3 ? 3 : 1;
  }

  Raster Read() {
    CheckKind();
    samples_.resize(size_t{width_} * height_ * colors_);
    if (TIFFIsTiled(tiff_) != 0) {
      ReadTiles();
    } else {
      ReadRows();
    }
    return Scale();
  }

 private:
  void CheckKind() const {
    const bool usual = photometric_ == PHOTOMETRIC_RGB || photometric_ == PHOTOMETRIC_MINISBLACK ||
                       photometric_ == PHOTOMETRIC_MINISWHITE;
    const bool number = format_ == SAMPLEFORMAT_IEEEFP
                            ? bits_ == 32 || bits_ == 64
                            : bits_ == 8 || bits_ == 16 || bits_ == 32 || bits_ == 64;
    const bool real = format_ == SAMPLEFORMAT_UINT || format_ == SAMPLEFORMAT_INT ||
                      format_ == SAMPLEFORMAT_IEEEFP || format_ == SAMPLEFORMAT_VOID;
    if (usual && number && real) return;
    throw Error(ErrorCode::kUnsupported,
                file_.name + ": TIFF of an unsupported kind: samples of " + std::to_string(bits_) +
                    " bits, format " + std::to_string(format_) + ", photometric interpretation " +
                    std::to_string(photometric_));
  }

  // `count` samples that stand `step` bytes apart.
  void Take(const uint8_t* in, size_t count, size_t step, float* out) const {
    const bool is_signed = format_ == SAMPLEFORMAT_INT;
    if (format_ == SAMPLEFORMAT_IEEEFP) {
      bits_ == 32 ? Widen<float>(in, count, step, out) : Widen<double>(in, count, step, out);
    } else if (bits_ == 8) {
      is_signed ? Widen<int8_t>(in, count, step, out) : Widen<uint8_t>(in, count, step, out);
    } else if (bits_ == 16) {
      is_signed ? Widen<int16_t>(in, count, step, out) : Widen<uint16_t>(in, count, step, out);
    } else if (bits_ == 32) {
      is_signed ? Widen<int32_t>(in, count, step, out) : Widen<uint32_t>(in, count, step, out);
    } else {
      is_signed ? Widen<int64_t>(in, count, step, out) : Widen<uint64_t>(in, count, step, out);
    }
  }

  std::vector<uint8_t> Buffer(size_t bytes) const {
    if (bytes > kMostBytesAtOnce) fail_("its rows or tiles are too large");
    return std::vector<uint8_t>(bytes);
  }

  float* Plane(size_t color) { return samples_.data() + color * width_ * height_; }

  void ReadRows() {
    const size_t bytes = bits_ / 8u;
    const auto size = static_cast<size_t>(TIFFScanlineSize(tiff_));
    const size_t step = separate_ ? bytes : bytes * per_pixel_;
    if (size < step * width_) fail_("its rows are too short");
    std::vector<uint8_t> row = Buffer(size);
    for (size_t plane = 0; plane < (separate_ ? colors_ : 1); ++plane) {
      for (uint32_t y = 0; y < height_; ++y) {
        if (TIFFReadScanline(tiff_, row.data(), y, static_cast<uint16_t>(plane)) < 0) {
          fail_("it cannot be decoded");
        }
        for (size_t c = 0; c < (separate_ ? 1 : colors_); ++c) {
          Take(row.data() + c * bytes, width_, step, Plane(plane + c) + size_t{y} * width_);
        }
      }
    }
  }

  void ReadTiles() {
    const size_t bytes = bits_ / 8u;
    const auto tile_width = Tag<uint32_t>(tiff_, TIFFTAG_TILEWIDTH);
    const auto tile_height = Tag<uint32_t>(tiff_, TIFFTAG_TILELENGTH);
    const auto size = static_cast<size_t>(TIFFTileSize(tiff_));
    const size_t step = separate_ ? bytes : bytes * per_pixel_;
    if (tile_width == 0 || tile_height == 0 || size / tile_height / step < tile_width) {
      fail_("its tiles are too small");
    }
    std::vector<uint8_t> tile = Buffer(size);
    for (size_t plane = 0; plane < (separate_ ? colors_ : 1); ++plane) {
      for (uint32_t top = 0; top < height_; top += std::min(tile_height, height_ - top)) {
        for (uint32_t left = 0; left < width_; left += std::min(tile_width, width_ - left)) {
          if (TIFFReadTile(tiff_, tile.data(), left, top, 0, static_cast<uint16_t>(plane)) < 0) {
            fail_("it cannot be decoded");
          }
          const uint32_t columns = std::min(tile_width, width_ - left);
          const uint32_t rows = std::min(tile_height, height_ - top);
          for (uint32_t y = 0; y < rows; ++y) {
            for (size_t c = 0; c < (separate_ ? 1 : colors_); ++c) {
              Take(tile.data() + size_t{y} * tile_width * step + c * bytes, columns, step,
                   Plane(plane + c) + (size_t{top} + y) * width_ + left);
            }
          }
        }
      }
    }
  }

  Raster Scale() {
    if (const std::optional<float> no_data = NoData(tiff_)) {
      std::replace(samples_.begin(), samples_.end(), *no_data,
                   std::numeric_limits<float>::quiet_NaN());
    }
    const SampleRange range =
        TaggedRange(tiff_).value_or(RangeOf(samples_, format_ != SAMPLEFORMAT_IEEEFP));
    Raster raster;
    raster.Allocate(static_cast<int>(width_), static_cast<int>(height_), 3);
    const size_t count = size_t{width_} * height_;
    const bool inverted = photometric_ == PHOTOMETRIC_MINISWHITE;
    for (size_t c = 0; c < 3; ++c) {
      const float* plane = Plane(colors_ == 3 ? c : 0);
      for (size_t i = 0; i < count; ++i) {
        const uint8_t byte = ByteOf(static_cast<double>(plane[i]), range);
        raster.pixels[3 * i + c] = inverted ? static_cast<uint8_t>(255 - byte) : byte;
      }
    }
    return raster;
  }

  TIFF* tiff_;
  const EncodedFile& file_;
  uint32_t width_, height_;
  const std::function<void(const std::string&)>& fail_;
  uint16_t bits_ = 0, format_ = 0, photometric_ = 0;
  size_t per_pixel_ = 1, colors_ = 1;
  bool separate_ = false;
  std::vector<float> samples_;  // [colors, height, width]
};

}  // namespace

bool NeedsRange(TIFF* tiff) {
  const auto bits = Tag<uint16_t>(tiff, TIFFTAG_BITSPERSAMPLE);
  const auto format = Tag<uint16_t>(tiff, TIFFTAG_SAMPLEFORMAT);
  if (bits > 16 || format == SAMPLEFORMAT_INT || format == SAMPLEFORMAT_IEEEFP) return true;
  const auto photometric = Tag<uint16_t>(tiff, TIFFTAG_PHOTOMETRIC);
  const bool grey = photometric == PHOTOMETRIC_MINISBLACK || photometric == PHOTOMETRIC_MINISWHITE;
  return bits == 16 && grey && TaggedRange(tiff).has_value();
}

Raster ReadRangedSamples(TIFF* tiff, const EncodedFile& file, uint32_t width, uint32_t height,
                         const std::function<void(const std::string&)>& fail) {
  return SampleReader(tiff, file, width, height, fail).Read();
}

}  // namespace uffizi
