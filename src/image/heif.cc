// HEIC, by libheif, which is loaded when it is first needed. It is under the LGPL and depends on
// encoders under the GPL, so we neither link nor ship it.
#include <libheif/heif.h>

#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "image/decoders.h"
#include "image/runtime_library.h"

namespace uffizi {
namespace {

struct Libheif {
  RuntimeLibrary library;
  decltype(heif_context_alloc)* context_alloc;
  decltype(heif_context_free)* context_free;
  decltype(heif_context_read_from_memory_without_copy)* read;
  decltype(heif_context_get_number_of_top_level_images)* count;
  decltype(heif_context_get_list_of_top_level_image_IDs)* ids;
  decltype(heif_context_get_primary_image_ID)* primary;
  decltype(heif_context_get_image_handle)* handle;
  decltype(heif_context_set_maximum_image_size_limit)* set_limit;
  decltype(heif_context_set_max_decoding_threads)* set_threads;
  decltype(heif_image_handle_release)* handle_release;
  decltype(heif_image_handle_get_width)* width;
  decltype(heif_image_handle_get_height)* height;
  decltype(heif_image_handle_has_alpha_channel)* has_alpha;
  decltype(heif_image_handle_is_premultiplied_alpha)* premultiplied;
  decltype(heif_decoding_options_alloc)* options_alloc;
  decltype(heif_decoding_options_free)* options_free;
  decltype(heif_decode_image)* decode;
  decltype(heif_image_get_width)* image_width;
  decltype(heif_image_get_height)* image_height;
  decltype(heif_image_get_plane_readonly)* plane;
  decltype(heif_image_release)* image_release;
  bool complete;

  static constexpr std::array kNames = {
      "libheif.so.1", "libheif.so",
      // The copy in the Python package pillow-heif.
      "$VIRTUAL_ENV/lib/python3*/site-packages/pillow_heif.libs/libheif-*.so*",
      "$HOME/.local/lib/python3*/site-packages/pillow_heif.libs/libheif-*.so*",
      "/usr/local/lib/python3*/dist-packages/pillow_heif.libs/libheif-*.so*"};

  Libheif() : library("UFFIZI_LIBHEIF", kNames) {
    complete = library.Find("heif_context_alloc", context_alloc) &&
               library.Find("heif_context_free", context_free) &&
               library.Find("heif_context_read_from_memory_without_copy", read) &&
               library.Find("heif_context_get_number_of_top_level_images", count) &&
               library.Find("heif_context_get_list_of_top_level_image_IDs", ids) &&
               library.Find("heif_context_get_primary_image_ID", primary) &&
               library.Find("heif_context_get_image_handle", handle) &&
               library.Find("heif_context_set_maximum_image_size_limit", set_limit) &&
               library.Find("heif_context_set_max_decoding_threads", set_threads) &&
               library.Find("heif_image_handle_release", handle_release) &&
               library.Find("heif_image_handle_get_width", width) &&
               library.Find("heif_image_handle_get_height", height) &&
               library.Find("heif_image_handle_has_alpha_channel", has_alpha) &&
               library.Find("heif_image_handle_is_premultiplied_alpha", premultiplied) &&
               library.Find("heif_decoding_options_alloc", options_alloc) &&
               library.Find("heif_decoding_options_free", options_free) &&
               library.Find("heif_decode_image", decode) &&
               library.Find("heif_image_get_width", image_width) &&
               library.Find("heif_image_get_height", image_height) &&
               library.Find("heif_image_get_plane_readonly", plane) &&
               library.Find("heif_image_release", image_release);
  }

  static const Libheif& Get(const EncodedFile& file) {
    static const Libheif heif;
    if (heif.complete) return heif;
    throw Error(ErrorCode::kUnsupported,
                file.name +
                    ": HEIC pictures are read with libheif 1.9 or later, which is not installed "
                    "here: apt install libheif1, dnf install libheif or pip install pillow-heif; "
                    "or set UFFIZI_LIBHEIF to its file");
  }
};

class HeifReader {
 public:
  explicit HeifReader(const EncodedFile& file)
      : file_(file),
        heif_(Libheif::Get(file)),
        context_(heif_.context_alloc(), heif_.context_free),
        handle_(nullptr, heif_.handle_release) {
    if (context_ == nullptr) throw std::bad_alloc();
    const double side = std::ceil(std::sqrt(static_cast<double>(file.options.max_pixels)));
    heif_.set_limit(context_.get(), static_cast<int>(std::min(side, 32768.0)));
    heif_.set_threads(context_.get(), 0);
    Check(heif_.read(context_.get(), file.bytes.data(), file.bytes.size(), nullptr));
    heif_item_id primary = 0;
    Check(heif_.primary(context_.get(), &primary));
    ids_.resize(static_cast<size_t>(std::max(0, heif_.count(context_.get()))));
    ids_.resize(
        static_cast<size_t>(heif_.ids(context_.get(), ids_.data(), static_cast<int>(ids_.size()))));
    // The primary picture is the first page.
    std::erase(ids_, primary);
    ids_.insert(ids_.begin(), primary);
  }

  size_t count() const { return ids_.size(); }

  Raster Read() {
    file_.CheckPage(count());
    heif_image_handle* handle = nullptr;
    Check(heif_.handle(context_.get(), ids_[file_.options.page], &handle));
    handle_.reset(handle);
    file_.CheckSize(static_cast<uint64_t>(std::max(0, heif_.width(handle))),
                    static_cast<uint64_t>(std::max(0, heif_.height(handle))));
    const std::unique_ptr<heif_decoding_options, decltype(heif_.options_free)> options(
        heif_.options_alloc(), heif_.options_free);
    if (options == nullptr) throw std::bad_alloc();
    // Its own rotation is applied while decoding; the EXIF orientation must not be applied in
    // addition.
    options->ignore_transformations = file_.options.apply_exif_orientation ? 0 : 1;
    options->convert_hdr_to_8bit = 1;
    const bool alpha = heif_.has_alpha(handle) != 0;
    heif_image* image = nullptr;
    Check(heif_.decode(handle, &image, heif_colorspace_RGB,
                       alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB,
                       options.get()));
    const std::unique_ptr<heif_image, decltype(heif_.image_release)> release(image,
                                                                             heif_.image_release);
    Raster raster = Copy(image, alpha ? 4 : 3);
    raster.premultiplied = alpha && heif_.premultiplied(handle) != 0;
    return raster;
  }

 private:
  void Check(const heif_error& error) const {
    if (error.code == heif_error_Ok) return;
    const std::string message = error.message != nullptr ? error.message : "it cannot be decoded";
    if (error.code == heif_error_Unsupported_feature ||
        error.code == heif_error_Unsupported_filetype) {
      throw Error(ErrorCode::kUnsupported,
                  file_.name + ": HEIC of an unsupported kind: " + message);
    }
    if (error.subcode == heif_suberror_End_of_data) {
      file_.Fail("truncated HEIC: the file ends before the picture does");
    }
    file_.Fail("damaged HEIC: " + message);
  }

  Raster Copy(const heif_image* image, int channels) const {
    int stride = 0;
    const uint8_t* pixels = heif_.plane(image, heif_channel_interleaved, &stride);
    const int width = heif_.image_width(image, heif_channel_interleaved);
    const int height = heif_.image_height(image, heif_channel_interleaved);
    if (pixels == nullptr || width <= 0 || height <= 0 || stride < width * channels) {
      file_.Fail("damaged HEIC: it cannot be decoded");
    }
    file_.CheckSize(static_cast<uint64_t>(width), static_cast<uint64_t>(height));
    Raster raster;
    raster.Allocate(width, height, channels);
    for (int y = 0; y < height; ++y) {
      std::memcpy(raster.row(y), pixels + static_cast<ptrdiff_t>(y) * stride,
                  static_cast<size_t>(width) * static_cast<size_t>(channels));
    }
    return raster;
  }

  const EncodedFile& file_;
  const Libheif& heif_;
  std::unique_ptr<heif_context, decltype(heif_context_free)*> context_;
  std::unique_ptr<const heif_image_handle, decltype(heif_image_handle_release)*> handle_;
  std::vector<heif_item_id> ids_;
};

}  // namespace

Raster DecodeHeif(const EncodedFile& file) { return HeifReader(file).Read(); }

PageInfo InspectHeif(const EncodedFile& file) { return {HeifReader(file).count(), {}}; }

}  // namespace uffizi
