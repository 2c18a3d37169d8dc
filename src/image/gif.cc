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

  // Returns the canvas after frame options.page.
  Raster Read() {
    Raster canvas;
    for (size_t index = 0; index <= file_.options.page; ++index) {
      if (!FindFrame()) file_.FailPage();
      const GifImageDesc& frame = gif_->Image;
      if (frame.Width <= 0 || frame.Height <= 0) file_.Fail("damaged GIF: an empty frame");
      if (index == 0) canvas = NewCanvas(frame);
      std::vector<uint8_t> before;
      if (disposal_ == DISPOSE_PREVIOUS && index < file_.options.page) before = canvas.pixels;
      ReadFrame(canvas, index == 0);
      if (index == file_.options.page) break;
      if (disposal_ == DISPOSE_PREVIOUS) canvas.pixels = std::move(before);
      if (disposal_ == DISPOSE_BACKGROUND) Clear(canvas, frame);
    }
    return canvas;
  }

  PageInfo Inspect() {
    PageInfo pages{0, {}};
    double now = 0;
    while (FindFrame()) {
      ++pages.count;
      pages.seconds.push_back(now);
      now += delay_;
      int size = 0;
      GifByteType* block = nullptr;
      Check(DGifGetCode(gif_, &size, &block));
      while (block != nullptr) Check(DGifGetCodeNext(gif_, &block));
    }
    if (pages.count <= 1) pages = {};
    return pages;
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

  // Reads up to the next frame's description. Returns false at the end of the file, which must
  // contain at least one frame.
  bool FindFrame() {
    transparent_ = NO_TRANSPARENT_COLOR;
    disposal_ = DISPOSAL_UNSPECIFIED;
    delay_ = 0;
    while (true) {
      GifRecordType type;
      // Many animations lack the end marker; the frames that exist are used.
      if (DGifGetRecordType(gif_, &type) != GIF_OK) {
        if (frames_ > 0 && position_ >= file_.bytes.size()) return false;
        Fail(gif_->Error);
      }
      if (type == IMAGE_DESC_RECORD_TYPE) break;
      if (type == TERMINATE_RECORD_TYPE) {
        if (frames_ == 0) file_.Fail("damaged GIF: it contains no picture");
        return false;
      }
      if (type == EXTENSION_RECORD_TYPE) ReadExtension();
    }
    Check(DGifGetImageDesc(gif_));
    ++frames_;
    return true;
  }

  void ReadExtension() {
    int code = 0;
    GifByteType* block = nullptr;
    Check(DGifGetExtension(gif_, &code, &block));
    while (block != nullptr) {
      GraphicsControlBlock control;
      if (code == GRAPHICS_EXT_FUNC_CODE && DGifExtensionToGCB(block[0], block + 1, &control)) {
        transparent_ = control.TransparentColor;
        disposal_ = control.DisposalMode;
        delay_ = std::max(0, control.DelayTime) / 100.0;
      }
      Check(DGifGetExtensionNext(gif_, &block));
    }
  }

  // Transparent outside the frame. As in browsers and Pillow, a first frame that exceeds the screen
  // enlarges it.
  Raster NewCanvas(const GifImageDesc& frame) const {
    const int width = std::max<int>(gif_->SWidth, frame.Left + frame.Width);
    const int height = std::max<int>(gif_->SHeight, frame.Top + frame.Height);
    file_.CheckSize(static_cast<uint64_t>(width), static_cast<uint64_t>(height));
    Raster canvas;
    canvas.Allocate(width, height, 4);
    return canvas;
  }

  static void Clear(Raster& canvas, const GifImageDesc& frame) {
    const int right = std::min(canvas.width, frame.Left + frame.Width);
    const int bottom = std::min(canvas.height, frame.Top + frame.Height);
    for (int y = frame.Top; y < bottom; ++y) {
      if (right > frame.Left)
        std::fill_n(canvas.row(y) + 4 * frame.Left, 4 * (right - frame.Left), 0);
    }
  }

  // The transparent pixels of a first frame keep their colour, which AlphaMode::kDrop uses.
  void ReadFrame(Raster& canvas, bool first) {
    const GifImageDesc& frame = gif_->Image;
    const ColorMapObject* colors = frame.ColorMap != nullptr ? frame.ColorMap : gif_->SColorMap;
    if (colors == nullptr) file_.Fail("damaged GIF: it has no colour table");
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
        if (frame.Top + y >= canvas.height) continue;
        uint8_t* out = canvas.row(frame.Top + y) + 4 * static_cast<ptrdiff_t>(frame.Left);
        const int columns = std::min(frame.Width, canvas.width - frame.Left);
        for (int x = 0; x < columns; ++x) {
          const int index = line[static_cast<size_t>(x)];
          if (index < colors->ColorCount && (first || index != transparent_)) {
            const GifColorType& color = colors->Colors[index];
            out[0] = color.Red;
            out[1] = color.Green;
            out[2] = color.Blue;
          }
          if (index != transparent_) {
            out[3] = 255;
          }
          out += 4;
        }
      }
    }
  }

  const EncodedFile& file_;
  GifFileType* gif_ = nullptr;
  size_t position_ = 0;
  size_t frames_ = 0;
  // Of the current frame.
  int transparent_ = NO_TRANSPARENT_COLOR;
  int disposal_ = DISPOSAL_UNSPECIFIED;
  double delay_ = 0;  // seconds
};

}  // namespace

Raster DecodeGif(const EncodedFile& file) { return GifReader(file).Read(); }

PageInfo InspectGif(const EncodedFile& file) { return GifReader(file).Inspect(); }

}  // namespace uffizi
