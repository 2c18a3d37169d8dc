#include <jxl/decode.h>

#include <algorithm>
#include <memory>

#include "image/decoders.h"

namespace uffizi {
namespace {

struct DestroyDecoder {
  void operator()(JxlDecoder* decoder) const { JxlDecoderDestroy(decoder); }
};

class JxlReader {
 public:
  JxlReader(const EncodedFile& file, int events)
      : file_(file), decoder_(JxlDecoderCreate(nullptr)) {
    if (decoder_ == nullptr) throw std::bad_alloc();
    JxlDecoderSubscribeEvents(decoder_.get(), events);
    JxlDecoderSetKeepOrientation(decoder_.get(), JXL_TRUE);  // TurnUpright does it
  }

  // Reads up to the requested page.
  Raster Read() {
    if (file_.options.page > 0) JxlDecoderSkipFrames(decoder_.get(), file_.options.page);
    while (true) {
      switch (Step()) {
        case JXL_DEC_BASIC_INFO:
          ReadInfo();
          break;
        case JXL_DEC_COLOR_ENCODING:
          AskForSrgb();
          break;
        case JXL_DEC_NEED_IMAGE_OUT_BUFFER:
          GiveBuffer();
          break;
        case JXL_DEC_FULL_IMAGE:
          return std::move(raster_);
        case JXL_DEC_SUCCESS:
          file_.FailPage();
        default:
          break;
      }
    }
  }

  PageInfo Inspect() {
    PageInfo pages;
    pages.count = 0;
    double now = 0;
    for (JxlDecoderStatus status = Step(); status != JXL_DEC_SUCCESS; status = Step()) {
      if (status == JXL_DEC_BASIC_INFO) ReadInfo();
      if (status != JXL_DEC_FRAME) continue;
      JxlFrameHeader header;
      JxlDecoderGetFrameHeader(decoder_.get(), &header);
      ++pages.count;
      pages.seconds.push_back(now);
      if (info_.have_animation != 0 && info_.animation.tps_numerator > 0) {
        now += static_cast<double>(header.duration) * info_.animation.tps_denominator /
               info_.animation.tps_numerator;
      }
    }
    pages.count = std::max<size_t>(1, pages.count);
    if (info_.have_animation == 0) pages.seconds.clear();
    return pages;
  }

 private:
  // Feeds the file in pieces, so that the caller can cancel in between.
  JxlDecoderStatus Step() {
    constexpr size_t kPiece = 256 << 10;
    while (true) {
      const JxlDecoderStatus status = JxlDecoderProcessInput(decoder_.get());
      if (status == JXL_DEC_ERROR) file_.Fail("damaged JPEG XL: it cannot be decoded");
      if (status != JXL_DEC_NEED_MORE_INPUT) return status;
      file_.CheckCancelled();
      if (given_ == file_.bytes.size()) {
        file_.Fail("truncated JPEG XL: the file ends before the picture does");
      }
      const size_t from = given_ - JxlDecoderReleaseInput(decoder_.get());
      given_ = std::min(file_.bytes.size(), given_ + kPiece);
      JxlDecoderSetInput(decoder_.get(), file_.bytes.data() + from, given_ - from);
      if (given_ == file_.bytes.size()) JxlDecoderCloseInput(decoder_.get());
    }
  }

  void ReadInfo() {
    if (JxlDecoderGetBasicInfo(decoder_.get(), &info_) != JXL_DEC_SUCCESS) {
      file_.Fail("damaged JPEG XL: it cannot be decoded");
    }
    file_.CheckSize(info_.xsize, info_.ysize);
  }

  // Lossy pictures are stored in a colour space of their own and are converted to the requested
  // one.
  void AskForSrgb() {
    if (info_.uses_original_profile != 0) return;
    JxlColorEncoding srgb = {};
    srgb.color_space = info_.num_color_channels == 1 ? JXL_COLOR_SPACE_GRAY : JXL_COLOR_SPACE_RGB;
    srgb.white_point = JXL_WHITE_POINT_D65;
    srgb.primaries = JXL_PRIMARIES_SRGB;
    srgb.transfer_function = JXL_TRANSFER_FUNCTION_SRGB;
    srgb.rendering_intent = JXL_RENDERING_INTENT_PERCEPTUAL;
    JxlDecoderSetPreferredColorProfile(decoder_.get(), &srgb);
  }

  void GiveBuffer() {
    const bool alpha = info_.alpha_bits > 0;
    raster_.Allocate(static_cast<int>(info_.xsize), static_cast<int>(info_.ysize), alpha ? 4 : 3);
    raster_.premultiplied = alpha && info_.alpha_premultiplied != 0;
    raster_.orientation = static_cast<int>(info_.orientation);
    const JxlPixelFormat format = {static_cast<uint32_t>(raster_.channels), JXL_TYPE_UINT8,
                                   JXL_NATIVE_ENDIAN, 0};
    size_t size = 0;
    if (JxlDecoderImageOutBufferSize(decoder_.get(), &format, &size) != JXL_DEC_SUCCESS ||
        size != raster_.pixels.size() ||
        JxlDecoderSetImageOutBuffer(decoder_.get(), &format, raster_.pixels.data(), size) !=
            JXL_DEC_SUCCESS) {
      file_.Fail("damaged JPEG XL: it cannot be decoded");
    }
  }

  const EncodedFile& file_;
  std::unique_ptr<JxlDecoder, DestroyDecoder> decoder_;
  size_t given_ = 0;  // bytes of the file
  JxlBasicInfo info_ = {};
  Raster raster_;
};

}  // namespace

Raster DecodeJxl(const EncodedFile& file) {
  return JxlReader(file, JXL_DEC_BASIC_INFO | JXL_DEC_COLOR_ENCODING | JXL_DEC_FULL_IMAGE).Read();
}

PageInfo InspectJxl(const EncodedFile& file) {
  return JxlReader(file, JXL_DEC_BASIC_INFO | JXL_DEC_FRAME).Inspect();
}

}  // namespace uffizi
