// PDF pages, by pdfium (BSD), which is loaded when it is first needed: it is as large as all of
// Uffizi and not part of Linux distributions. The declarations are those of its fpdfview.h and
// fpdf_formfill.h.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <memory>
#include <mutex>
#include <thread>

#include "image/decoders.h"
#include "image/runtime_library.h"

namespace uffizi {
namespace {

// Larger pages are rendered at a lower resolution.
constexpr double kMaxPagePixels = 64e6;

struct PauseCallback {  // IFSDK_PAUSE
  int version;
  int (*need_to_pause)(PauseCallback*);
  void* user;
};

struct Pdfium {
  RuntimeLibrary library;
  std::timed_mutex mutex;  // pdfium is not thread-safe
  void (*init)();
  void* (*load)(const void*, size_t, const char*);
  unsigned long (*last_error)();
  int (*page_count)(void*);
  void (*close)(void*);
  void* (*load_page)(void*, int);
  float (*page_width)(void*);
  float (*page_height)(void*);
  void (*close_page)(void*);
  void* (*create_bitmap)(int, int, int, void*, int);
  void (*fill)(void*, int, int, int, int, unsigned long);
  void (*destroy_bitmap)(void*);
  int (*render)(void*, void*, int, int, int, int, int, int, PauseCallback*);
  int (*go_on)(void*, PauseCallback*);
  void (*render_close)(void*);
  void* (*init_form)(void*, void*);
  void (*exit_form)(void*);
  void (*draw_form)(void*, void*, void*, int, int, int, int, int, int);
  bool complete;

  static constexpr std::array kNames = {
      "libpdfium.so",
      "$VIRTUAL_ENV/lib/python3*/site-packages/pypdfium2_raw/libpdfium.so",
      "$HOME/.local/lib/python3*/site-packages/pypdfium2_raw/libpdfium.so",
      "/usr/local/lib/python3*/dist-packages/pypdfium2_raw/libpdfium.so",
      "/usr/local/lib/python3*/site-packages/pypdfium2_raw/libpdfium.so",
      "/usr/lib/python3*/dist-packages/pypdfium2_raw/libpdfium.so"};

  Pdfium() : library("UFFIZI_PDFIUM", kNames) {
    complete =
        library.Find("FPDF_InitLibrary", init) && library.Find("FPDF_LoadMemDocument64", load) &&
        library.Find("FPDF_GetLastError", last_error) &&
        library.Find("FPDF_GetPageCount", page_count) &&
        library.Find("FPDF_CloseDocument", close) && library.Find("FPDF_LoadPage", load_page) &&
        library.Find("FPDF_GetPageWidthF", page_width) &&
        library.Find("FPDF_GetPageHeightF", page_height) &&
        library.Find("FPDF_ClosePage", close_page) &&
        library.Find("FPDFBitmap_CreateEx", create_bitmap) &&
        library.Find("FPDFBitmap_FillRect", fill) &&
        library.Find("FPDFBitmap_Destroy", destroy_bitmap) &&
        library.Find("FPDF_RenderPageBitmap_Start", render) &&
        library.Find("FPDF_RenderPage_Continue", go_on) &&
        library.Find("FPDF_RenderPage_Close", render_close) &&
        library.Find("FPDFDOC_InitFormFillEnvironment", init_form) &&
        library.Find("FPDFDOC_ExitFormFillEnvironment", exit_form) &&
        library.Find("FPDF_FFLDraw", draw_form);
    if (complete) init();
  }

  static Pdfium& Get(const EncodedFile& file) {
    static Pdfium pdfium;
    if (pdfium.complete) return pdfium;
    throw Error(ErrorCode::kUnsupported,
                file.name +
                    ": PDF pages are rendered with pdfium, which is not installed here: pip "
                    "install pypdfium2; or set UFFIZI_PDFIUM to its libpdfium.so");
  }
};

class PdfReader {
 public:
  explicit PdfReader(const EncodedFile& file) : file_(file), pdfium_(Pdfium::Get(file)) {
    while (!pdfium_.mutex.try_lock_for(std::chrono::milliseconds(20))) file_.CheckCancelled();
    lock_ = std::unique_lock(pdfium_.mutex, std::adopt_lock);
    document_ = {pdfium_.load(file.bytes.data(), file.bytes.size(), nullptr), pdfium_.close};
    if (document_ == nullptr) Fail();
    // Form fields are drawn with their content. The callbacks are all unset; newer versions may
    // have more of them, so the structure is larger than needed.
    form_info_[0] = 2;  // its version
    form_ = {pdfium_.init_form(document_.get(), form_info_.data()), pdfium_.exit_form};
  }

  size_t count() const {
    return static_cast<size_t>(std::max(0, pdfium_.page_count(document_.get())));
  }

  Raster Read() {
    if (count() == 0) file_.Fail("a PDF without pages");
    file_.CheckPage(count());
    const Pointer page(pdfium_.load_page(document_.get(), static_cast<int>(file_.options.page)),
                       pdfium_.close_page);
    if (page == nullptr) file_.Fail("damaged PDF: its page cannot be read");
    const double width = static_cast<double>(pdfium_.page_width(page.get()));
    const double height = static_cast<double>(pdfium_.page_height(page.get()));
    if (!(width > 0) || !(height > 0)) file_.Fail("damaged PDF: an empty page");
    const double limit = std::min(kMaxPagePixels, static_cast<double>(file_.options.max_pixels));
    const double scale =
        std::min(file_.options.pdf_dpi / 72, std::sqrt(limit / (width * height)) * 0.999);
    const auto side = [scale](double points) {
      return std::max(1, static_cast<int>(std::ceil(points * scale)));
    };
    file_.CheckSize(static_cast<uint64_t>(side(width)), static_cast<uint64_t>(side(height)));
    Raster raster;
    raster.Allocate(side(width), side(height), 3);
    Draw(page.get(), raster);
    for (size_t i = 0; i < raster.pixels.size(); i += 3) {
      std::swap(raster.pixels[i], raster.pixels[i + 2]);
    }
    return raster;
  }

 private:
  using Pointer = std::unique_ptr<void, void (*)(void*)>;

  [[noreturn]] void Fail() const {
    constexpr unsigned long kPassword = 4, kSecurity = 5;
    const unsigned long error = pdfium_.last_error();
    if (error == kPassword || error == kSecurity) {
      throw Error(ErrorCode::kUnsupported, file_.name + ": the PDF is protected by a password");
    }
    file_.Fail("damaged PDF: it cannot be read");
  }

  void Draw(void* page, Raster& raster) {
    constexpr int kBgr = 2, kAnnotations = 1;
    constexpr int kToBeContinued = 1, kDone = 2;
    const int width = raster.width, height = raster.height;
    const Pointer bitmap(
        pdfium_.create_bitmap(width, height, kBgr, raster.pixels.data(), 3 * width),
        pdfium_.destroy_bitmap);
    if (bitmap == nullptr) throw std::bad_alloc();
    pdfium_.fill(bitmap.get(), 0, 0, width, height, 0xFFFFFFFF);
    PauseCallback pause = {1,
                           [](PauseCallback* self) {
                             return static_cast<const EncodedFile*>(self->user)->Cancelled() ? 1
                                                                                             : 0;
                           },
                           const_cast<EncodedFile*>(&file_)};
    int status = pdfium_.render(bitmap.get(), page, 0, 0, width, height, 0, kAnnotations, &pause);
    while (status == kToBeContinued && !file_.Cancelled()) status = pdfium_.go_on(page, &pause);
    pdfium_.render_close(page);
    file_.CheckCancelled();
    if (status != kDone) file_.Fail("damaged PDF: its page cannot be rendered");
    if (form_ != nullptr) {
      pdfium_.draw_form(form_.get(), bitmap.get(), page, 0, 0, width, height, 0, kAnnotations);
    }
  }

  const EncodedFile& file_;
  Pdfium& pdfium_;
  std::unique_lock<std::timed_mutex> lock_;  // held until everything below is closed
  std::array<int, 256> form_info_ = {};
  Pointer document_{nullptr, nullptr};
  Pointer form_{nullptr, nullptr};
};

}  // namespace

Raster DecodePdf(const EncodedFile& file) { return PdfReader(file).Read(); }

PageInfo InspectPdf(const EncodedFile& file) { return {PdfReader(file).count(), {}}; }

}  // namespace uffizi
