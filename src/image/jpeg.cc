#include <csetjmp>
#include <cstdio>
#include <cstring>
// jpeglib.h needs declarations of size_t and FILE.
#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <utility>

#include "image/decoders.h"
#include "image/exif.h"

namespace uffizi {
namespace {

// Each scan of a progressive file takes a pass over all coefficients, even if it consists of a few
// bytes. Encoders write about ten scans, far below both limits.
constexpr int kMaxScans = 100;
constexpr uint64_t kMaxScannedPixels = 2'500'000'000;  // pixels times scans

// Owns libjpeg's state. libjpeg reports errors by a callback that must not return, so every call
// into it goes through Try(), to which that callback jumps back. No object with a destructor may
// live between Try() and the callback.
class JpegReader {
 public:
  explicit JpegReader(const EncodedFile& file) : file_(file) {
    jpeg_.err = jpeg_std_error(&errors_);
    errors_.error_exit = [](j_common_ptr common) {
      auto* self = static_cast<JpegReader*>(common->client_data);
      FormatMessage(common, self->message_);
      std::longjmp(self->jump_, 1);
    };
    errors_.emit_message = [](j_common_ptr common, int level) {
      auto* self = static_cast<JpegReader*>(common->client_data);
      // Other warnings are about damage that still leaves a picture, which libjpeg's users expect
      // to get.
      if (level != -1) return;
      const int code = common->err->msg_code;
      if (code == JWRN_JPEG_EOF) self->ended_ = true;
      // Reaching the end of the file is not damage by itself: only the end marker may be missing.
      if (self->ended_ && (code == JWRN_HIT_MARKER || code == JWRN_MUST_RESYNC)) {
        self->truncated_ = true;
      }
    };
    errors_.output_message = [](j_common_ptr) {};
    jpeg_.client_data = this;
  }
  ~JpegReader() { jpeg_destroy_decompress(&jpeg_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  Raster Read() {
    Try([this] { ReadHeader(); });
    file_.CheckSize(jpeg_.image_width, jpeg_.image_height);
    raster_.orientation = Orientation();
    // jpeg_start_decompress takes one of these and, for a progressive file, reads it to its end.
    const bool four = jpeg_.num_components == 4;
    jpeg_.out_color_space = four ? JCS_CMYK : JCS_RGB;
    Try([this] {
      jpeg_start_decompress(&jpeg_);
      FailIfTruncated();
    });
    raster_.Allocate(static_cast<int>(jpeg_.output_width), static_cast<int>(jpeg_.output_height),
                     four ? 4 : 3);
    Try([this] { ReadRows(); });
    if (four) CmykToRgb();
    return std::move(raster_);
  }

 private:
  template <typename Step>
  void Try(const Step& step) {
    if (setjmp(jump_) != 0) {
      if (cancelled_) file_.FailCancelled();
      file_.Fail(message_);
    }
    step();
  }

  static void FormatMessage(j_common_ptr common, char* message) {
    std::memcpy(message, "damaged JPEG: ", 14);
    common->err->format_message(common, message + 14);
  }

  void Stop(const char* reason) {
    std::strncpy(message_, reason, sizeof(message_) - 1);
    std::longjmp(jump_, 1);
  }

  void FailIfTruncated() {
    if (file_.options.truncated == TruncatedMode::kFill) return;
    if (truncated_ || (ended_ && !AllScansRead())) {
      Stop("truncated JPEG: the file ends before the picture does");
    }
  }

  // Whether a file of several scans contained every bit of every coefficient. For a file of one
  // scan, libjpeg's warnings show this, except with arithmetic coding, which gives none.
  bool AllScansRead() const {
    if (jpeg_.arith_code) return false;
    for (int c = 0; c < jpeg_.num_components; ++c) {
      if (jpeg_.comp_info[c].quant_table == nullptr) return false;  // in no scan so far
      if (!jpeg_.progressive_mode || jpeg_.coef_bits == nullptr) continue;
      for (int k = 0; k < DCTSIZE2; ++k) {
        if (jpeg_.coef_bits[c][k] != 0) return false;
      }
    }
    return true;
  }

  // Called by libjpeg for every row of blocks of every scan.
  void OnProgress() {
    const uint64_t scans = static_cast<uint64_t>(std::max(0, jpeg_.input_scan_number));
    const uint64_t pixels = uint64_t{jpeg_.image_width} * jpeg_.image_height;
    if (scans > kMaxScans || (scans > 1 && scans * pixels > kMaxScannedPixels)) {
      Stop("damaged JPEG: too many scans");
    }
    if (file_.Cancelled()) {
      cancelled_ = true;
      Stop("");
    }
  }

  void ReadHeader() {
    jpeg_create_decompress(&jpeg_);
    progress_.progress_monitor = [](j_common_ptr common) {
      static_cast<JpegReader*>(common->client_data)->OnProgress();
    };
    jpeg_.progress = &progress_;
    jpeg_mem_src(&jpeg_, file_.bytes.data(), static_cast<unsigned long>(file_.bytes.size()));
    jpeg_save_markers(&jpeg_, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&jpeg_, TRUE);
  }

  void ReadRows() {
    while (jpeg_.output_scanline < jpeg_.output_height) {
      JSAMPROW row = raster_.row(static_cast<int>(jpeg_.output_scanline));
      jpeg_read_scanlines(&jpeg_, &row, 1);
      // libjpeg fills up with grey where the data ends.
      FailIfTruncated();
    }
  }

  int Orientation() const {
    for (auto* marker = jpeg_.marker_list; marker != nullptr; marker = marker->next) {
      if (marker->data_length >= 6 && std::memcmp(marker->data, "Exif\0", 6) == 0) {
        return ExifOrientation({marker->data, marker->data_length});
      }
    }
    return 1;
  }

  // CMYK in JPEG files is stored inverted, a convention of Adobe's programs (Pillow assumes it for
  // all files). Converts `raster_` to RGB; ink * black is rounded as in Pillow.
  void CmykToRgb() {
    const size_t count = raster_.pixels.size() / 4;
    for (size_t i = 0; i < count; ++i) {
      const uint8_t* in = raster_.pixels.data() + 4 * i;
      uint8_t* out = raster_.pixels.data() + 3 * i;
      const int black = in[3];
      for (int c = 0; c < 3; ++c) {
        const int product = (255 - in[c]) * black + 128;
        out[c] = static_cast<uint8_t>(black - ((product + (product >> 8)) >> 8));
      }
    }
    raster_.pixels.resize(count * 3);
    raster_.channels = 3;
  }

  const EncodedFile& file_;
  jpeg_decompress_struct jpeg_ = {};
  jpeg_error_mgr errors_ = {};
  jpeg_progress_mgr progress_ = {};
  std::jmp_buf jump_;
  char message_[JMSG_LENGTH_MAX + 16] = {};
  bool ended_ = false;      // the file ended without an end marker
  bool truncated_ = false;  // and with pixels missing
  bool cancelled_ = false;
  Raster raster_;
};

}  // namespace

Raster DecodeJpeg(const EncodedFile& file) { return JpegReader(file).Read(); }

}  // namespace uffizi
