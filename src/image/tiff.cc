#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

#include "image/decoders.h"
#include "image/tiff_samples.h"

namespace uffizi {
namespace {

// One strip or tile may need this much for each pixel that a picture may have; libtiff refuses
// larger ones.
constexpr uint64_t kMaxBytesPerPixel = 8;

// The bytes that libtiff reads, and its first error message.
struct TiffSource {
  const EncodedFile& file;
  std::span<const uint8_t> bytes;
  bool cancelled = false;
  uint64_t position = 0;
  char message[256] = {};
};

tmsize_t OnRead(thandle_t handle, void* out, tmsize_t count) {
  auto* source = static_cast<TiffSource*>(handle);
  const uint64_t size = source->bytes.size();
  // Called once per strip or tile; without data libtiff gives up.
  if (source->cancelled || source->file.Cancelled()) {
    source->cancelled = true;
    return 0;
  }
  if (source->position >= size || count <= 0) return 0;
  const uint64_t taken = std::min<uint64_t>(static_cast<uint64_t>(count), size - source->position);
  std::memcpy(out, source->bytes.data() + source->position, taken);
  source->position += taken;
  return static_cast<tmsize_t>(taken);
}

tmsize_t OnWrite(thandle_t, void*, tmsize_t) { return 0; }

toff_t OnSeek(thandle_t handle, toff_t offset, int whence) {
  auto* source = static_cast<TiffSource*>(handle);
  if (whence == SEEK_CUR) offset += source->position;
  if (whence == SEEK_END) offset += source->bytes.size();
  source->position = offset;
  return offset;
}

int OnClose(thandle_t) { return 0; }
toff_t OnSize(thandle_t handle) { return static_cast<TiffSource*>(handle)->bytes.size(); }

// Not mapped, so that every strip is read through OnRead.
int OnMap(thandle_t, void**, toff_t*) { return 0; }
void OnUnmap(thandle_t, void*, toff_t) {}

int OnError(TIFF*, void* user, const char*, const char* format, va_list arguments) {
  auto* source = static_cast<TiffSource*>(user);
  if (source->message[0] == 0) {
    std::vsnprintf(source->message, sizeof(source->message), format, arguments);
  }
  return 1;
}
int OnWarning(TIFF*, void*, const char*, const char*, va_list) { return 1; }

struct CloseTiff {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
struct FreeOptions {
  void operator()(TIFFOpenOptions* options) const { TIFFOpenOptionsFree(options); }
};

class TiffReader {
 public:
  explicit TiffReader(const EncodedFile& file) : file_(file), source_{file, file.bytes} {
    const std::unique_ptr<TIFFOpenOptions, FreeOptions> options(TIFFOpenOptionsAlloc());
    if (options == nullptr) throw std::bad_alloc();
    TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), MaxAllocation());
    TIFFOpenOptionsSetErrorHandlerExtR(options.get(), OnError, &source_);
    TIFFOpenOptionsSetWarningHandlerExtR(options.get(), OnWarning, &source_);
    tiff_.reset(TIFFClientOpenExt("picture", "r", &source_, OnRead, OnWrite, OnSeek, OnClose,
                                  OnSize, OnMap, OnUnmap, options.get()));
    if (tiff_ == nullptr) Fail("its header cannot be read");
  }

  // The directories that are pages: neither reduced copies of others nor masks, unless there is
  // nothing else. Leaves libtiff at the last one.
  std::vector<tdir_t> Pages() {
    std::vector<tdir_t> pages, others;
    do {
      file_.CheckCancelled();
      uint32_t kind = 0;
      TIFFGetField(tiff_.get(), TIFFTAG_SUBFILETYPE, &kind);
      const tdir_t directory = TIFFCurrentDirectory(tiff_.get());
      const bool page = (kind & (FILETYPE_REDUCEDIMAGE | FILETYPE_MASK)) == 0;
      (page ? pages : others).push_back(directory);
    } while (TIFFReadDirectory(tiff_.get()) != 0);
    if (source_.cancelled) file_.FailCancelled();
    source_.message[0] = 0;  // ignores errors after the last valid one
    return !pages.empty() ? pages : others;
  }

  Raster Read() {
    if (file_.options.page > 0) {
      const std::vector<tdir_t> pages = Pages();
      file_.CheckPage(pages.size());
      if (TIFFSetDirectory(tiff_.get(), pages[file_.options.page]) == 0)
        Fail("its page cannot be read");
    }
    uint32_t width = 0, height = 0;
    TIFFGetField(tiff_.get(), TIFFTAG_IMAGEWIDTH, &width);
    TIFFGetField(tiff_.get(), TIFFTAG_IMAGELENGTH, &height);
    file_.CheckSize(width, height);
    if (NeedsRange(tiff_.get())) {
      Raster raster = ReadRangedSamples(tiff_.get(), file_, width, height,
                                        [this](const std::string& reason) { Fail(reason); });
      raster.orientation = Orientation();
      return raster;
    }
    const Alpha alpha = PrepareAlpha();

    char reason[1024] = {};
    if (!TIFFRGBAImageOK(tiff_.get(), reason)) {
      throw Error(ErrorCode::kUnsupported, file_.name + ": TIFF of an unsupported kind: " + reason);
    }
    TIFFRGBAImage image;
    if (!TIFFRGBAImageBegin(&image, tiff_.get(), /*stop=*/1, reason)) Fail(reason);
    const std::unique_ptr<TIFFRGBAImage, decltype(&TIFFRGBAImageEnd)> end(&image, TIFFRGBAImageEnd);
    // Reads rows as stored; TurnUpright() does the rest.
    image.orientation = ORIENTATION_TOPLEFT;
    image.req_orientation = ORIENTATION_TOPLEFT;

    Raster raster;
    raster.Allocate(static_cast<int>(width), static_cast<int>(height), 4);
    raster.premultiplied = alpha == Alpha::kMultiplied;
    std::vector<uint32_t> abgr(static_cast<size_t>(width) * height);
    if (!TIFFRGBAImageGet(&image, abgr.data(), width, height)) Fail("it cannot be decoded");
    uint8_t* out = raster.pixels.data();
    for (const uint32_t pixel : abgr) {
      *out++ = static_cast<uint8_t>(TIFFGetR(pixel));
      *out++ = static_cast<uint8_t>(TIFFGetG(pixel));
      *out++ = static_cast<uint8_t>(TIFFGetB(pixel));
      *out++ = alpha == Alpha::kNone ? 255 : static_cast<uint8_t>(TIFFGetA(pixel));
    }
    raster.orientation = Orientation();
    return raster;
  }

 private:
  tmsize_t MaxAllocation() const {
    constexpr uint64_t kSlack = 16 << 20;  // tables, rows of padding
    constexpr uint64_t kLimit = uint64_t{1} << 31;
    return static_cast<tmsize_t>(
        std::min(kLimit, file_.options.max_pixels * kMaxBytesPerPixel + kSlack));
  }

  [[noreturn]] void Fail(const std::string& fallback) const {
    if (source_.cancelled) file_.FailCancelled();
    file_.Fail("damaged TIFF: " + (source_.message[0] != 0 ? source_.message : fallback));
  }

  int Orientation() const {
    uint16_t orientation = 1;
    TIFFGetField(tiff_.get(), TIFFTAG_ORIENTATION, &orientation);
    return orientation;
  }

  // The meaning of a sample after the colours. kNone: there is none, or it is not alpha, such as
  // near infrared, which libtiff would take for alpha.
  enum class Alpha { kNone, kPlain, kMultiplied };

  // libtiff would multiply unassociated colours by their alpha and lose bits. Declared as
  // associated, they are returned as stored.
  Alpha PrepareAlpha() {
    uint16_t count = 0;
    uint16_t* kinds = nullptr;
    if (!TIFFGetField(tiff_.get(), TIFFTAG_EXTRASAMPLES, &count, &kinds) || count == 0) {
      return Alpha::kPlain;  // libtiff says whether there is a fourth sample
    }
    if (kinds[0] == EXTRASAMPLE_ASSOCALPHA) return Alpha::kMultiplied;
    if (kinds[0] == EXTRASAMPLE_UNSPECIFIED) return Alpha::kNone;
    std::vector<uint16_t> changed(kinds, kinds + count);
    changed[0] = EXTRASAMPLE_ASSOCALPHA;
    TIFFSetField(tiff_.get(), TIFFTAG_EXTRASAMPLES, count, changed.data());
    return Alpha::kPlain;
  }

  const EncodedFile& file_;
  TiffSource source_;
  std::unique_ptr<TIFF, CloseTiff> tiff_;
};

}  // namespace

Raster DecodeTiff(const EncodedFile& file) { return TiffReader(file).Read(); }

PageInfo InspectTiff(const EncodedFile& file) { return {TiffReader(file).Pages().size(), {}}; }

}  // namespace uffizi
