#include <png.h>

#include <csetjmp>
#include <cstring>
#include <utility>

#include "image/decoders.h"
#include "image/exif.h"

namespace uffizi {
namespace {

// Owns libpng's state. As in jpeg.cc, errors jump back to Try(), and no object with a destructor
// may live between Try() and the callback.
class PngReader {
 public:
  explicit PngReader(const EncodedFile& file) : file_(file) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, OnError, OnWarning);
    info_ = png_ != nullptr ? png_create_info_struct(png_) : nullptr;
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw std::bad_alloc();
    }
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  Raster Read() {
    Try([this] { ReadHeader(); });
    file_.CheckSize(png_get_image_width(png_, info_), png_get_image_height(png_, info_));
    Try([this] { AskForBytes(); });
    raster_.Allocate(static_cast<int>(png_get_image_width(png_, info_)),
                     static_cast<int>(png_get_image_height(png_, info_)),
                     png_get_channels(png_, info_));
    ReadRows();
    raster_.orientation = Orientation();
    return std::move(raster_);
  }

 private:
  template <typename Step>
  void Try(const Step& step) {
    if (setjmp(jump_) != 0) file_.Fail(message_);
    step();
  }

  [[noreturn]] static void OnError(png_structp png, png_const_charp message) {
    auto* self = static_cast<PngReader*>(png_get_error_ptr(png));
    std::snprintf(self->message_, sizeof(self->message_), "damaged PNG: %s", message);
    std::longjmp(self->jump_, 1);
  }
  static void OnWarning(png_structp, png_const_charp) {}

  static void OnRead(png_structp png, png_bytep out, size_t count) {
    auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
    // After the last row, libpng reads to the end of the compressed data, which may have gigabytes
    // that belong to no row.
    if (self->last_row_ && self->row_decoded_) std::longjmp(self->jump_, 1);
    const auto bytes = self->file_.bytes;
    if (bytes.size() - self->position_ < count) {
      self->truncated_ = true;
      png_error(png, "truncated: the file ends before the picture does");
    }
    std::memcpy(out, bytes.data() + self->position_, count);
    self->position_ += count;
  }

  void ReadHeader() {
    png_set_read_fn(png_, this, OnRead);
    // Sizes are checked by CheckSize. Texts and profiles are not needed, and may be compressed.
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    static const png_byte kUseless[] = "iCCP\0iTXt\0sPLT\0tEXt\0zTXt";
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, kUseless, 5);
    // libpng drops the last, incomplete piece of a truncated file.
    if (file_.options.truncated == TruncatedMode::kFill) png_set_compression_buffer_size(png_, 16);
    png_set_chunk_cache_max(png_, 64);
    png_set_chunk_malloc_max(png_, 8u << 20);
    png_read_info(png_, info_);
  }

  // Converts rows of any format to 8-bit RGB or RGBA.
  void AskForBytes() {
    png_set_expand(png_);    // palette, 1, 2 and 4 bits, tRNS
    png_set_strip_16(png_);  // the high byte
    png_set_gray_to_rgb(png_);
    png_set_interlace_handling(png_);
    png_set_read_user_transform_fn(png_, OnRow);
    png_set_user_transform_info(png_, this, 0, 0);
    png_read_update_info(png_, info_);
  }

  // Row by row, so that the caller can cancel in between, and for every pass of an interlaced file.
  void ReadRows() {
    if (setjmp(jump_) != 0) {
      if (last_row_ && row_decoded_) return;
      const bool fill = file_.options.truncated == TruncatedMode::kFill;
      if (truncated_ && fill && rows_read_ > 0) return;
      if (cancelled_) file_.FailCancelled();
      file_.Fail(message_);
    }
    const bool interlaced = png_get_interlace_type(png_, info_) != PNG_INTERLACE_NONE;
    const int passes = interlaced ? PNG_INTERLACE_ADAM7_PASSES : 1;
    for (int pass = 0; pass < passes; ++pass) {
      for (int y = 0; y < raster_.height; ++y) {
        last_row_ = pass == passes - 1 && y == raster_.height - 1;
        // The last pass contains the odd rows; even rows take nothing from the file.
        row_decoded_ = interlaced && y % 2 == 0;
        png_read_row(png_, raster_.row(y), nullptr);
        ++rows_read_;
        if (y % 64 == 0 && file_.Cancelled()) {
          cancelled_ = true;
          png_error(png_, "stopped");
        }
      }
    }
  }

  // Called when a row is decoded; libpng copies it before it asks for more of the file.
  static void OnRow(png_structp png, png_row_infop, png_bytep) {
    static_cast<PngReader*>(png_get_user_transform_ptr(png))->row_decoded_ = true;
  }

  // From the eXIf chunk, which may be before or after the pixels.
  int Orientation() const {
    const auto bytes = file_.bytes;
    size_t at = 8;
    while (bytes.size() >= at + 12) {
      const uint8_t* chunk = bytes.data() + at;
      const size_t size = size_t{chunk[0]} << 24 | size_t{chunk[1]} << 16 | size_t{chunk[2]} << 8 |
                          size_t{chunk[3]};
      if (size > bytes.size() - at - 12) break;
      if (std::memcmp(chunk + 4, "eXIf", 4) == 0) return ExifOrientation({chunk + 8, size});
      at += 12 + size;
    }
    return 1;
  }

  const EncodedFile& file_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  size_t position_ = 0;
  std::jmp_buf jump_;
  char message_[256] = {};
  Raster raster_;
  int rows_read_ = 0;
  bool last_row_ = false;     // of the last pass: nothing is needed after it
  bool row_decoded_ = false;  // the row that png_read_row is at
  bool truncated_ = false;
  bool cancelled_ = false;
};

}  // namespace

Raster DecodePng(const EncodedFile& file) { return PngReader(file).Read(); }

}  // namespace uffizi
