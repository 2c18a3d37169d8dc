#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "hub/fetch.h"
#include "native.h"
#include "uffizi/error.h"
#include "uffizi/image.h"

namespace uffizi::python {
namespace {

using Array = nb::ndarray<nb::numpy, uint8_t, nb::shape<-1, -1, 3>>;

// Returns the pixels as an array that owns them.
Array ToArray(Image image) {
  auto owned = std::make_unique<Image>(std::move(image));
  const auto height = static_cast<size_t>(owned->height), width = static_cast<size_t>(owned->width);
  uint8_t* data = owned->pixels.data();
  return OwnedArray<Array>(std::move(owned), data, {height, width, 3});
}

using Grey = nb::ndarray<nb::numpy, uint8_t, nb::shape<-1, -1>>;

// Converts grey samples of any type to [height, width] u8, as for files with such samples.
Grey ScaleSamples(
    const nb::ndarray<nb::numpy, const float, nb::shape<-1, -1>, nb::c_contig>& samples,
    bool whole_numbers) {
  const std::span<const float> values(samples.data(), samples.size());
  auto owned = std::make_unique<std::vector<uint8_t>>(values.size());
  {
    const nb::gil_scoped_release release;
    ScaleToBytes(values, whole_numbers, owned->data());
  }
  uint8_t* data = owned->data();
  return OwnedArray<Grey>(std::move(owned), data, {samples.shape(0), samples.shape(1)});
}

void BindDecodeOptions(nb::module_& module) {
  nb::class_<DecodeOptions>(module, "DecodeOptions")
      .def(
          "__init__",
          [](DecodeOptions* self, bool exif, bool drop_alpha, size_t max_pixels, size_t page,
             bool fill_truncated, double pdf_dpi) {
            new (self) DecodeOptions();
            self->apply_exif_orientation = exif;
            self->alpha = drop_alpha ? AlphaMode::kDrop : AlphaMode::kWhite;
            self->max_pixels = max_pixels;
            if (page < 1) throw Error(ErrorCode::kInvalidArgument, "pages are counted from 1");
            self->page = page - 1;
            self->truncated = fill_truncated ? TruncatedMode::kFill : TruncatedMode::kRefuse;
            self->pdf_dpi = pdf_dpi;
          },
          nb::arg("exif"), nb::arg("drop_alpha"), nb::arg("max_pixels"), nb::arg("page"),
          nb::arg("fill_truncated"), nb::arg("pdf_dpi"));
}

// Calls `make` while other Python threads can run.
template <typename Make>
Array MakeUnlocked(const Make& make) {
  Image image;
  {
    const nb::gil_scoped_release release;
    image = make();
  }
  return ToArray(std::move(image));
}

std::span<const uint8_t> ViewBytes(const nb::bytes& bytes) {
  return {static_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

// The bytes behind an address. Looks for Ctrl-C meanwhile.
nb::bytes FetchPicture(const std::string& url, bool allow_private) {
  std::optional<nb::python_error> failure;
  FetchOptions options;
  options.max_bytes = DecodeOptions().max_file_bytes;
  options.attempts = kPatientAttempts;
  options.allow_private = allow_private;
  options.cancelled = [&failure] {
    const nb::gil_scoped_acquire acquire;
    if (PyErr_CheckSignals() == 0) return false;
    failure.emplace();
    return true;
  };
  std::string bytes;
  try {
    const nb::gil_scoped_release release;
    bytes = Fetch(url, options);
  } catch (const Error&) {
    if (failure) throw nb::python_error(*failure);
    throw;
  }
  return nb::bytes(bytes.data(), bytes.size());
}

}  // namespace

ImageView ViewPixels(const Pixels& pixels) {
  const auto height = static_cast<int64_t>(pixels.shape(0));
  const auto width = static_cast<int64_t>(pixels.shape(1));
  const bool packed = pixels.stride(2) == 1 && (pixels.stride(1) == 3 || width == 1);
  if (!packed || (pixels.stride(0) < width * 3 && height > 1)) {
    throw Error(ErrorCode::kInvalidArgument, "the array's pixels must be packed in each row");
  }
  if (height > INT32_MAX || width > INT32_MAX) {
    throw Error(ErrorCode::kImageTooLarge, "the array has over 2^31 rows or columns");
  }
  return {pixels.data(), static_cast<int>(width), static_cast<int>(height),
          static_cast<size_t>(pixels.stride(0))};
}

void BindPictures(nb::module_& module) {
  module.attr("DEFAULT_MAX_PIXELS") = DecodeOptions().max_pixels;
  module.def(
      "picture_extensions",
      [] {
        std::vector<std::string> extensions;
        for (const std::string_view extension : PictureExtensions()) {
          extensions.emplace_back(extension);
        }
        return extensions;
      },
      "The endings of files that are taken for pictures: \".jpg\", ...");
  BindDecodeOptions(module);
  module.def(
      "read_image",
      [](const std::filesystem::path& path, const DecodeOptions& options) {
        return MakeUnlocked([&] { return ReadImage(path, options); });
      },
      nb::arg("path"), nb::arg("options"),
      nb::sig("def read_image(path: str | os.PathLike[str], options: DecodeOptions) -> "
              "numpy.typing.NDArray[numpy.uint8]"));
  module.def(
      "decode_image",
      [](const nb::bytes& bytes, const std::string& name, const DecodeOptions& options) {
        const std::span<const uint8_t> file = ViewBytes(bytes);
        return MakeUnlocked([&] { return DecodeImage(file, name, options); });
      },
      nb::arg("data"), nb::arg("name"), nb::arg("options"));
  module.def("is_http_url", &IsHttpUrl, nb::arg("text"));
  module.def("fetch_picture", &FetchPicture, nb::arg("url"), nb::arg("allow_private"));
  // The number of pages, and the start of each frame of an animation.
  module.def(
      "inspect_pages",
      [](const nb::bytes& bytes, const std::string& name, const DecodeOptions& options) {
        const std::span<const uint8_t> file = ViewBytes(bytes);
        const nb::gil_scoped_release release;
        PageInfo pages = InspectPages(file, name, options);
        return std::pair(pages.count, std::move(pages.seconds));
      },
      nb::arg("data"), nb::arg("name"), nb::arg("options"));
  module.def("scale_samples", &ScaleSamples, nb::arg("samples"), nb::arg("whole_numbers"),
             nb::sig("def scale_samples(samples: numpy.typing.NDArray[numpy.float32], "
                     "whole_numbers: bool) -> numpy.typing.NDArray[numpy.uint8]"));
  module.def(
      "draw_answer",
      [](const Pixels& pixels, const Answer& answer) {
        const ImageView view = ViewPixels(pixels);
        return MakeUnlocked([&] { return DrawAnswer(view, answer); });
      },
      nb::arg("pixels").noconvert(), nb::arg("answer"));
}

}  // namespace uffizi::python
