#include <openjpeg.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "image/decoders.h"

namespace uffizi {
namespace {

struct DestroyStream {
  void operator()(opj_stream_t* stream) const { opj_stream_destroy(stream); }
};
struct DestroyCodec {
  void operator()(opj_codec_t* codec) const { opj_destroy_codec(codec); }
};
struct DestroyImage {
  void operator()(opj_image_t* image) const { opj_image_destroy(image); }
};

class Jpeg2000Reader {
 public:
  explicit Jpeg2000Reader(const EncodedFile& file) : file_(file) {}

  Raster Read() {
    const bool bare = file_.bytes.size() > 2 && file_.bytes[0] == 0xFF;  // a codestream alone
    stream_.reset(opj_stream_default_create(OPJ_TRUE));
    codec_.reset(opj_create_decompress(bare ? OPJ_CODEC_J2K : OPJ_CODEC_JP2));
    if (stream_ == nullptr || codec_ == nullptr) throw std::bad_alloc();
    opj_stream_set_user_data(stream_.get(), this, nullptr);
    opj_stream_set_user_data_length(stream_.get(), file_.bytes.size());
    opj_stream_set_read_function(stream_.get(), OnRead);
    opj_stream_set_skip_function(stream_.get(), OnSkip);
    opj_stream_set_seek_function(stream_.get(), OnSeek);
    opj_set_error_handler(codec_.get(), OnError, this);
    opj_dparameters_t parameters;
    opj_set_default_decoder_parameters(&parameters);
    if (!opj_setup_decoder(codec_.get(), &parameters)) Fail();
    opj_decoder_set_strict_mode(codec_.get(), OPJ_TRUE);  // a truncated file is an error
    opj_image_t* image = nullptr;
    const bool header = opj_read_header(stream_.get(), codec_.get(), &image) != 0;
    image_.reset(image);
    if (!header || image_ == nullptr) Fail();
    CheckHeader();
    if (!opj_decode(codec_.get(), stream_.get(), image_.get())) Fail();
    return Convert();
  }

 private:
  static OPJ_SIZE_T OnRead(void* out, OPJ_SIZE_T count, void* user) {
    auto* self = static_cast<Jpeg2000Reader*>(user);
    const size_t left = self->file_.bytes.size() - self->position_;
    if (left == 0 || self->Cancelled()) return static_cast<OPJ_SIZE_T>(-1);
    const size_t taken = std::min<size_t>(left, count);
    std::memcpy(out, self->file_.bytes.data() + self->position_, taken);
    self->position_ += taken;
    return taken;
  }
  static OPJ_OFF_T OnSkip(OPJ_OFF_T count, void* user) {
    auto* self = static_cast<Jpeg2000Reader*>(user);
    const auto left = static_cast<OPJ_OFF_T>(self->file_.bytes.size() - self->position_);
    if (count < 0 || (count > 0 && left == 0)) return -1;
    const OPJ_OFF_T taken = std::min(left, count);
    self->position_ += static_cast<size_t>(taken);
    return taken;
  }
  static OPJ_BOOL OnSeek(OPJ_OFF_T to, void* user) {
    auto* self = static_cast<Jpeg2000Reader*>(user);
    if (to < 0 || static_cast<size_t>(to) > self->file_.bytes.size()) return OPJ_FALSE;
    self->position_ = static_cast<size_t>(to);
    return OPJ_TRUE;
  }
  static void OnError(const char* message, void* user) {
    auto* self = static_cast<Jpeg2000Reader*>(user);
    if (!self->message_.empty()) return;
    self->message_ = message;
    while (!self->message_.empty() && self->message_.back() == '\n') self->message_.pop_back();
  }

  bool Cancelled() {
    cancelled_ = cancelled_ || file_.Cancelled();
    return cancelled_;
  }

  [[noreturn]] void Fail() const {
    if (cancelled_) file_.FailCancelled();
    file_.Fail("damaged JPEG 2000: " + (message_.empty() ? "it cannot be decoded" : message_));
  }

  void CheckHeader() {
    const auto width = static_cast<uint64_t>(image_->x1) - image_->x0;
    const auto height = static_cast<uint64_t>(image_->y1) - image_->y0;
    if (image_->x1 <= image_->x0 || image_->y1 <= image_->y0) file_.CheckSize(0, 0);
    file_.CheckSize(width, height);
    if (image_->numcomps < 1 || image_->numcomps > 4) {
      throw Error(ErrorCode::kUnsupported, file_.name + ": JPEG 2000 of " +
                                               std::to_string(image_->numcomps) + " components");
    }
  }

  // A component's sample at a pixel of the picture, as 8 bits.
  int Sample(const opj_image_comp_t& component, int x, int y) const {
    const auto column = std::min(static_cast<OPJ_UINT32>(x) / component.dx, component.w - 1);
    const auto row = std::min(static_cast<OPJ_UINT32>(y) / component.dy, component.h - 1);
    int value = component.data[static_cast<size_t>(row) * component.w + column];
    if (component.sgnd != 0) value += 1 << (component.prec - 1);
    if (component.prec > 8) return std::clamp(value >> (component.prec - 8), 0, 255);
    const int top = (1 << component.prec) - 1;
    return std::clamp(component.prec == 8 ? value : (value * 255 + top / 2) / top, 0, 255);
  }

  Raster Convert() const {
    const auto count = image_->numcomps;
    for (OPJ_UINT32 c = 0; c < count; ++c) {
      const opj_image_comp_t& component = image_->comps[c];
      if (component.data == nullptr || component.w == 0 || component.h == 0 || component.dx == 0 ||
          component.dy == 0 || component.prec < 1 || component.prec > 31) {
        file_.Fail("damaged JPEG 2000: a component without pixels");
      }
    }
    Raster raster;
    const OPJ_UINT32 colors = count >= 3 ? 3 : 1;
    const bool alpha = count > colors && image_->comps[colors].alpha != 0;
    raster.premultiplied = alpha && image_->comps[colors].alpha == 2;
    // Sizes of the picture as the palette or the codec left it.
    file_.CheckSize(uint64_t{image_->x1} - image_->x0, uint64_t{image_->y1} - image_->y0);
    raster.Allocate(static_cast<int>(image_->x1 - image_->x0),
                    static_cast<int>(image_->y1 - image_->y0), alpha ? 4 : 3);
    const bool ycc =
        colors == 3 &&
        (image_->color_space == OPJ_CLRSPC_SYCC ||
         (image_->color_space != OPJ_CLRSPC_SRGB && image_->comps[1].dx > image_->comps[0].dx));
    for (int y = 0; y < raster.height; ++y) {
      if (y % 64 == 0) file_.CheckCancelled();
      uint8_t* out = raster.row(y);
      for (int x = 0; x < raster.width; ++x, out += raster.channels) {
        std::array<int, 3> color;
        for (OPJ_UINT32 c = 0; c < 3; ++c)
          color[c] = Sample(image_->comps[colors == 3 ? c : 0], x, y);
        if (ycc) color = ToRgb(color);
        for (size_t c = 0; c < 3; ++c) out[c] = static_cast<uint8_t>(color[c]);
        if (alpha) out[3] = static_cast<uint8_t>(Sample(image_->comps[colors], x, y));
      }
    }
    return raster;
  }

  // ITU-R BT.601 over the full range, as in JPEG.
  static std::array<int, 3> ToRgb(const std::array<int, 3>& ycc) {
    const double y = ycc[0], cb = ycc[1] - 128, cr = ycc[2] - 128;
    const auto byte = [](double value) {
      return std::clamp(static_cast<int>(std::lround(value)), 0, 255);
    };
    return {byte(y + 1.402 * cr), byte(y - 0.344136 * cb - 0.714136 * cr), byte(y + 1.772 * cb)};
  }

  const EncodedFile& file_;
  size_t position_ = 0;
  bool cancelled_ = false;
  std::string message_;
  std::unique_ptr<opj_stream_t, DestroyStream> stream_;
  std::unique_ptr<opj_codec_t, DestroyCodec> codec_;
  std::unique_ptr<opj_image_t, DestroyImage> image_;
};

}  // namespace

Raster DecodeJpeg2000(const EncodedFile& file) { return Jpeg2000Reader(file).Read(); }

}  // namespace uffizi
