#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>

#include "capi/guard.h"
#include "capi/handles.h"
#include "capi/options.h"
#include "image/preprocess.h"

namespace uffizi::capi {
namespace {

struct PixelLayout {
  int channels;
  int red, green, blue;
  int alpha;  // -1: none
};

PixelLayout LayoutOf(int format) {
  switch (format) {
    case UFFIZI_RGB:
      return {3, 0, 1, 2, -1};
    case UFFIZI_BGR:
      return {3, 2, 1, 0, -1};
    case UFFIZI_GRAY:
      return {1, 0, 0, 0, -1};
    case UFFIZI_RGBA:
      return {4, 0, 1, 2, 3};
    case UFFIZI_BGRA:
      return {4, 2, 1, 0, 3};
  }
  throw Error(ErrorCode::kInvalidArgument, "unknown pixel format: " + std::to_string(format));
}

uint8_t OverWhite(int value, int alpha) {
  return static_cast<uint8_t>((value * alpha + 255 * (255 - alpha) + 127) / 255);
}

// Throws unless the picture fits in `size` bytes; returns the stride.
size_t CheckedStride(size_t size, int width, int height, size_t stride, int channels) {
  if (width < 1 || height < 1) {
    throw Error(ErrorCode::kInvalidImage, "the picture is empty: " + std::to_string(width) + " x " +
                                              std::to_string(height) + " pixels");
  }
  const auto rows = static_cast<size_t>(height);
  const size_t row_bytes = static_cast<size_t>(width) * static_cast<size_t>(channels);
  if (stride == 0) stride = row_bytes;
  if (stride < row_bytes) {
    throw Error(ErrorCode::kInvalidArgument, "the stride is less than one row of pixels");
  }
  if (rows - 1 > (std::numeric_limits<size_t>::max() - row_bytes) / stride ||
      size < (rows - 1) * stride + row_bytes) {
    throw Error(ErrorCode::kInvalidImage, std::to_string(size) + " bytes are too few for " +
                                              std::to_string(width) + " x " +
                                              std::to_string(height) + " pixels of " +
                                              std::to_string(channels) + " channels");
  }
  return stride;
}

void CopyRow(const uint8_t* in, int width, const PixelLayout& layout, uint8_t* out) {
  for (int x = 0; x < width; ++x, in += layout.channels, out += 3) {
    out[0] = in[layout.red];
    out[1] = in[layout.green];
    out[2] = in[layout.blue];
    if (layout.alpha < 0) continue;
    for (int c = 0; c < 3; ++c) out[c] = OverWhite(out[c], in[layout.alpha]);
  }
}

Image FromPixels(const uint8_t* pixels, size_t size, int width, int height, size_t stride,
                 int format) {
  const PixelLayout layout = LayoutOf(format);
  stride = CheckedStride(size, width, height, stride, layout.channels);
  const size_t row_bytes = static_cast<size_t>(width) * 3;
  Image image{width, height, std::vector<uint8_t>(row_bytes * static_cast<size_t>(height))};
  for (size_t y = 0; y < static_cast<size_t>(height); ++y) {
    CopyRow(pixels + y * stride, width, layout, image.pixels.data() + y * row_bytes);
  }
  return image;
}

void Scale(Polygon& points, float x, float y) {
  for (size_t i = 0; i < points.size(); ++i) points[i] *= i % 2 == 0 ? x : y;
}

// Scales an answer's coordinates by x horizontally and y vertically.
Answer Scaled(Answer answer, float x, float y) {
  for (Region& region : answer.regions) {
    region.box = {region.box.x1 * x, region.box.y1 * y, region.box.x2 * x, region.box.y2 * y};
    Scale(region.quad, x, y);
    for (Polygon& polygon : region.polygons) Scale(polygon, x, y);
  }
  return answer;
}

Image DrawWithin(const Image& image, const Answer& answer, size_t max_pixels) {
  if (max_pixels == 0) throw Error(ErrorCode::kInvalidArgument, "max_pixels must be at least 1");
  const double pixels = static_cast<double>(image.width) * image.height;
  if (pixels <= static_cast<double>(max_pixels)) return DrawAnswer(image.view(), answer);
  const double shrink = std::sqrt(static_cast<double>(max_pixels) / pixels);
  const int width = std::max(1, static_cast<int>(image.width * shrink));
  // A picture a thousand times as wide as high keeps at least one row.
  const int height = std::clamp(static_cast<int>(image.height * shrink), 1,
                                std::max(1, static_cast<int>(max_pixels) / width));
  // Runs on the caller's thread alone: only sessions have threads.
  oneapi::tbb::task_arena arena(1);
  const Image small =
      arena.execute([&] { return Resize(image.view(), width, height, ResampleFilter::kBox); });
  return DrawAnswer(small.view(), Scaled(answer, static_cast<float>(width) / image.width,
                                         static_cast<float>(height) / image.height));
}

uffizi_status Draw(const uffizi_image* image, const uffizi_result* result, size_t max_pixels,
                   uffizi_image** out) {
  if (result != nullptr && result->status != UFFIZI_OK) {
    SetLastError(result->error);
    return result->status;
  }
  return Guard([&] {
    Require(image, "image");
    Require(result, "result");
    Require(out, "out");
    *out = new uffizi_image{DrawWithin(image->image, result->result.answer, max_pixels)};
  });
}

}  // namespace
}  // namespace uffizi::capi

using uffizi::Error;
using uffizi::ErrorCode;
using uffizi::capi::Guard;
using uffizi::capi::Require;

uffizi_status uffizi_image_decode(const void* bytes, size_t size, const char* name,
                                  const uffizi_options* options, uffizi_image** out) {
  return Guard([&] {
    Require(bytes, "bytes");
    Require(out, "out");
    *out = new uffizi_image{uffizi::DecodeImage({static_cast<const uint8_t*>(bytes), size},
                                                name == nullptr ? "the picture" : name,
                                                uffizi::capi::ReadDecodeOptions(options))};
  });
}

uffizi_status uffizi_image_read(const char* path, const uffizi_options* options,
                                uffizi_image** out) {
  return Guard([&] {
    Require(path, "path");
    Require(out, "out");
    *out = new uffizi_image{uffizi::ReadImage(path, uffizi::capi::ReadDecodeOptions(options))};
  });
}

uffizi_status uffizi_image_from_pixels(const void* pixels, size_t size, int width, int height,
                                       size_t stride, int format, uffizi_image** out) {
  return Guard([&] {
    Require(pixels, "pixels");
    Require(out, "out");
    *out = new uffizi_image{uffizi::capi::FromPixels(static_cast<const uint8_t*>(pixels), size,
                                                     width, height, stride, format)};
  });
}

int uffizi_image_width(const uffizi_image* image) {
  return image == nullptr ? 0 : image->image.width;
}

int uffizi_image_height(const uffizi_image* image) {
  return image == nullptr ? 0 : image->image.height;
}

const uint8_t* uffizi_image_pixels(const uffizi_image* image) {
  return image == nullptr ? nullptr : image->image.pixels.data();
}

uffizi_status uffizi_image_encode(const uffizi_image* image, const char* format, int quality,
                                  uffizi_bytes** out) {
  return Guard([&] {
    Require(image, "image");
    Require(format, "format");
    Require(out, "out");
    const bool png = std::strcmp(format, "png") == 0;
    if (!png && std::strcmp(format, "jpeg") != 0) {
      throw Error(ErrorCode::kInvalidArgument,
                  "format must be png or jpeg, not \"" + std::string(format) + "\"");
    }
    const uffizi::ImageView view = image->image.view();
    *out = new uffizi_bytes{png ? uffizi::EncodePng(view) : uffizi::EncodeJpeg(view, quality)};
  });
}

uffizi_status uffizi_image_draw(const uffizi_image* image, const uffizi_result* result,
                                uffizi_image** out) {
  return uffizi::capi::Draw(image, result, std::numeric_limits<size_t>::max(), out);
}

uffizi_status uffizi_image_draw_within(const uffizi_image* image, const uffizi_result* result,
                                       size_t max_pixels, uffizi_image** out) {
  return uffizi::capi::Draw(image, result, max_pixels, out);
}

void uffizi_image_free(uffizi_image* image) { delete image; }

const void* uffizi_bytes_data(const uffizi_bytes* bytes) {
  return bytes == nullptr ? nullptr : bytes->bytes.data();
}

size_t uffizi_bytes_size(const uffizi_bytes* bytes) {
  return bytes == nullptr ? 0 : bytes->bytes.size();
}

void uffizi_bytes_free(uffizi_bytes* bytes) { delete bytes; }
