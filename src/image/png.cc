#include <png.h>

#include <csetjmp>
#include <cstring>
#include <utility>
#include <vector>

#include "image/decoders.h"
#include "image/exif.h"

namespace uffizi {
namespace {

// Owns libpng's state. As in jpeg.cc: errors jump back to Try, and no object with a destructor may
// live between Try and the callback.
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
    for (int y = 0; y < raster_.height; ++y) rows_.push_back(raster_.row(y));
    Try([this] { png_read_image(png_, rows_.data()); });
    ReadTail();
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
    const auto bytes = self->file_.bytes;
    if (bytes.size() - self->position_ < count) {
      png_error(png, "truncated, the file ends before the picture does");
    }
    std::memcpy(out, bytes.data() + self->position_, count);
    self->position_ += count;
  }

  void ReadHeader() {
    png_set_read_fn(png_, this, OnRead);
    // Sizes are checked by CheckSize; texts and profiles are of no use here.
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_chunk_cache_max(png_, 64);
    png_set_chunk_malloc_max(png_, 8u << 20);
    png_read_info(png_, info_);
  }

  // Whatever is stored, rows come as 8-bit RGB or RGBA.
  void AskForBytes() {
    png_set_expand(png_);    // palette, 1, 2 and 4 bits, tRNS
    png_set_strip_16(png_);  // the high byte
    png_set_gray_to_rgb(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
  }

  // The chunks after the pixels, which may hold an orientation. Damage there costs no picture.
  void ReadTail() {
    if (setjmp(jump_) == 0) png_read_end(png_, info_);
  }

  int Orientation() {
    png_bytep exif = nullptr;
    png_uint_32 count = 0;
    if (png_get_eXIf_1(png_, info_, &count, &exif) == 0 || exif == nullptr) return 1;
    return ExifOrientation({exif, count});
  }

  const EncodedFile& file_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  size_t position_ = 0;
  std::jmp_buf jump_;
  char message_[256] = {};
  Raster raster_;
  std::vector<png_bytep> rows_;
};

}  // namespace

Raster DecodePng(const EncodedFile& file) { return PngReader(file).Read(); }

}  // namespace uffizi
