#include <gif_lib.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "image/decoders.h"

namespace uffizi {
namespace {

class GifReader {
 public:
  explicit GifReader(const EncodedFile& file) : file_(file) {
    int error = 0;
    gif_ = DGifOpen(this, OnRead, &error);
    if (gif_ == nullptr) Fail(error);
  }
  ~GifReader() { DGifCloseFile(gif_, nullptr); }
  GifReader(const GifReader&) = delete;
  GifReader& operator=(const GifReader&) = delete;

  Raster Read() {
    ReadUpToFirstFrame();
    const GifImageDesc& frame = gif_->Image;
    // Like browsers and Pillow: a frame that leaves the screen makes it larger.
    const int width = std::max<int>(gif_->SWidth, frame.Left + frame.Width);
    const int height = std::max<int>(gif_->SHeight, frame.Top + frame.Height);
    if (frame.Width <= 0 || frame.Height <= 0) file_.Fail("damaged GIF: an empty frame");
    file_.CheckSize(static_cast<uint64_t>(width), static_cast<uint64_t>(height));
    Raster raster;
    raster.Allocate(width, height, 4);  // transparent outside of the frame
    ReadFrame(raster);
    return raster;
  }

 private:
  static int OnRead(GifFileType* gif, GifByteType* out, int count) {
    auto* self = static_cast<GifReader*>(gif->UserData);
    const size_t left = self->file_.bytes.size() - self->position_;
    const size_t taken = std::min(left, static_cast<size_t>(std::max(count, 0)));
    if (taken > 0) std::memcpy(out, self->file_.bytes.data() + self->position_, taken);
    self->position_ += taken;
    return static_cast<int>(taken);
  }

  [[noreturn]] void Fail(int error) const {
    if (position_ >= file_.bytes.size()) {
      file_.Fail("truncated GIF: the file ends before the picture does");
    }
    const char* text = GifErrorString(error);
    file_.Fail(std::string("damaged GIF: ") + (text != nullptr ? text : "it cannot be decoded"));
  }
  void Check(int status) const {
    if (status != GIF_OK) Fail(gif_->Error);
  }

  void ReadUpToFirstFrame() {
    while (true) {
      GifRecordType type;
      Check(DGifGetRecordType(gif_, &type));
      if (type == IMAGE_DESC_RECORD_TYPE) break;
      if (type == TERMINATE_RECORD_TYPE) file_.Fail("damaged GIF: it has no picture");
      if (type == EXTENSION_RECORD_TYPE) ReadExtension();
    }
    Check(DGifGetImageDesc(gif_));
  }

  void ReadExtension() {
    int code = 0;
    GifByteType* block = nullptr;
    Check(DGifGetExtension(gif_, &code, &block));
    while (block != nullptr) {
      GraphicsControlBlock control;
      if (code == GRAPHICS_EXT_FUNC_CODE && DGifExtensionToGCB(block[0], block + 1, &control)) {
        transparent_ = control.TransparentColor;
      }
      Check(DGifGetExtensionNext(gif_, &block));
    }
  }

  void ReadFrame(Raster& raster) {
    const GifImageDesc& frame = gif_->Image;
    const ColorMapObject* colors = frame.ColorMap != nullptr ? frame.ColorMap : gif_->SColorMap;
    if (colors == nullptr) file_.Fail("damaged GIF: it has no colours");
    std::vector<GifPixelType> line(static_cast<size_t>(frame.Width));
    struct Pass {
      int first, step;
    };
    static constexpr Pass kPlain[] = {{0, 1}};
    static constexpr Pass kInterlaced[] = {{0, 8}, {4, 8}, {2, 4}, {1, 2}};
    const std::span<const Pass> passes =
        frame.Interlace ? std::span<const Pass>(kInterlaced) : std::span<const Pass>(kPlain);
    for (const Pass& pass : passes) {
      for (int y = pass.first; y < frame.Height; y += pass.step) {
        if (y % 64 == 0) file_.CheckCancelled();
        Check(DGifGetLine(gif_, line.data(), frame.Width));
        uint8_t* out = raster.row(frame.Top + y) + 4 * static_cast<ptrdiff_t>(frame.Left);
        for (const int index : line) {
          if (index < colors->ColorCount) {
            const GifColorType& color = colors->Colors[index];
            out[0] = color.Red;
            out[1] = color.Green;
            out[2] = color.Blue;
          }
          out[3] = index == transparent_ ? 0 : 255;
          out += 4;
        }
      }
    }
  }

  const EncodedFile& file_;
  GifFileType* gif_ = nullptr;
  size_t position_ = 0;
  int transparent_ = NO_TRANSPARENT_COLOR;
};

}  // namespace

Raster DecodeGif(const EncodedFile& file) { return GifReader(file).Read(); }

}  // namespace uffizi
