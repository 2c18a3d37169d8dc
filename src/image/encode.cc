#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
// jpeglib.h needs declarations of size_t and FILE.
#include <jpeglib.h>

#include <new>
#include <string>
#include <utility>
#include <vector>

#include "uffizi/error.h"
#include "uffizi/image.h"

namespace uffizi {
namespace {

void CheckNotEmpty(const ImageView& image, const char* format, int max_side) {
  if (image.width <= 0 || image.height <= 0 || image.width > max_side || image.height > max_side) {
    throw Error(ErrorCode::kInvalidArgument, "a picture of " + std::to_string(image.width) + "x" +
                                                 std::to_string(image.height) +
                                                 " pixels cannot be written as " + format);
  }
}

// Errors of the two libraries jump back to Try(); see jpeg.cc.
class PngWriter {
 public:
  PngWriter() {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, this, OnError, nullptr);
    info_ = png_ != nullptr ? png_create_info_struct(png_) : nullptr;
    if (info_ == nullptr) {
      png_destroy_write_struct(&png_, nullptr);
      throw std::bad_alloc();
    }
  }
  ~PngWriter() { png_destroy_write_struct(&png_, &info_); }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;

  // Rows of `color`, PNG_COLOR_TYPE_RGB or PNG_COLOR_TYPE_GRAY, in `depth` bits.
  std::string Write(const ImageView& image, int color = PNG_COLOR_TYPE_RGB, int depth = 8) {
    if (setjmp(jump_) != 0) throw Error(ErrorCode::kInternal, message_);
    WriteRows(image, color, depth);
    return std::move(out_);
  }

 private:
  void WriteRows(const ImageView& image, int color, int depth) {
    png_set_write_fn(png_, this, OnWrite, nullptr);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_IHDR(png_, info_, static_cast<png_uint_32>(image.width),
                 static_cast<png_uint_32>(image.height), depth, color, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png_, info_);
    for (int y = 0; y < image.height; ++y) {
      png_write_row(png_, image.data + static_cast<size_t>(y) * image.stride);
    }
    png_write_end(png_, info_);
  }

  [[noreturn]] static void OnError(png_structp png, png_const_charp message) {
    auto* self = static_cast<PngWriter*>(png_get_error_ptr(png));
    std::snprintf(self->message_, sizeof(self->message_), "PNG encoder: %s", message);
    std::longjmp(self->jump_, 1);
  }
  static void OnWrite(png_structp png, png_bytep bytes, size_t count) {
    auto* self = static_cast<PngWriter*>(png_get_io_ptr(png));
    bool stored = true;
    try {
      self->out_.append(reinterpret_cast<const char*>(bytes), count);
    } catch (const std::bad_alloc&) {
      stored = false;  // no exception may pass through libpng
    }
    if (!stored) png_error(png, "not enough memory");
  }

  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf jump_;
  char message_[256] = {};
  std::string out_;
};

class JpegWriter {
 public:
  JpegWriter() {
    jpeg_.err = jpeg_std_error(&errors_);
    errors_.error_exit = [](j_common_ptr common) {
      auto* self = static_cast<JpegWriter*>(common->client_data);
      common->err->format_message(common, self->message_);
      std::longjmp(self->jump_, 1);
    };
    errors_.output_message = [](j_common_ptr) {};
    jpeg_.client_data = this;
  }
  ~JpegWriter() {
    jpeg_destroy_compress(&jpeg_);
    std::free(buffer_);
  }
  JpegWriter(const JpegWriter&) = delete;
  JpegWriter& operator=(const JpegWriter&) = delete;

  std::string Write(const ImageView& image, int quality) {
    if (setjmp(jump_) != 0) {
      throw Error(ErrorCode::kInternal, std::string("JPEG encoder: ") + message_);
    }
    WriteRows(image, quality);
    return {reinterpret_cast<const char*>(buffer_), size_};
  }

 private:
  void WriteRows(const ImageView& image, int quality) {
    jpeg_create_compress(&jpeg_);
    jpeg_mem_dest(&jpeg_, &buffer_, &size_);
    jpeg_.image_width = static_cast<JDIMENSION>(image.width);
    jpeg_.image_height = static_cast<JDIMENSION>(image.height);
    jpeg_.input_components = 3;
    jpeg_.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg_);
    jpeg_set_quality(&jpeg_, quality, TRUE);
    // Full-resolution chroma, because the drawings have thin coloured lines.
    jpeg_.comp_info[0].h_samp_factor = 1;
    jpeg_.comp_info[0].v_samp_factor = 1;
    jpeg_start_compress(&jpeg_, TRUE);
    while (jpeg_.next_scanline < jpeg_.image_height) {
      JSAMPROW row = const_cast<uint8_t*>(image.data) + jpeg_.next_scanline * image.stride;
      jpeg_write_scanlines(&jpeg_, &row, 1);
    }
    jpeg_finish_compress(&jpeg_);
  }

  jpeg_compress_struct jpeg_ = {};
  jpeg_error_mgr errors_ = {};
  std::jmp_buf jump_;
  char message_[JMSG_LENGTH_MAX] = {};
  unsigned char* buffer_ = nullptr;
  unsigned long size_ = 0;
};

}  // namespace

std::string EncodePng(ImageView image) {
  CheckNotEmpty(image, "PNG", 0x7FFFFFFF);
  return PngWriter().Write(image);
}

std::string EncodeGreyPng(std::span<const uint16_t> values, int width, int height, int depth) {
  const ImageView size = {nullptr, width, height, 0};
  CheckNotEmpty(size, "PNG", 0x7FFFFFFF);
  const size_t count = static_cast<size_t>(width) * static_cast<size_t>(height);
  if (values.size() != count || (depth != 8 && depth != 16)) {
    throw Error(ErrorCode::kInvalidArgument, "the number of grey pixels does not match their size");
  }
  std::vector<uint8_t> bytes;
  bytes.reserve(count * static_cast<size_t>(depth / 8));
  for (const uint16_t value : values) {
    if (depth == 16) bytes.push_back(static_cast<uint8_t>(value >> 8));
    bytes.push_back(static_cast<uint8_t>(value));
  }
  const size_t stride = static_cast<size_t>(width) * static_cast<size_t>(depth / 8);
  return PngWriter().Write({bytes.data(), width, height, stride}, PNG_COLOR_TYPE_GRAY, depth);
}

std::string EncodeJpeg(ImageView image, int quality) {
  CheckNotEmpty(image, "JPEG", JPEG_MAX_DIMENSION);
  if (quality < 1 || quality > 100) {
    throw Error(ErrorCode::kInvalidArgument,
                "JPEG quality " + std::to_string(quality) + ": must be from 1 to 100");
  }
  return JpegWriter().Write(image, quality);
}

}  // namespace uffizi
