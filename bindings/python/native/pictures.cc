#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/string.h>

#include <memory>

#include "native.h"
#include "uffizi/error.h"
#include "uffizi/image.h"

namespace uffizi::python {
namespace {

using Array = nb::ndarray<nb::numpy, uint8_t, nb::shape<-1, -1, 3>>;

// The pixels as an array that owns them.
Array ToArray(Image image) {
  auto owned = std::make_unique<Image>(std::move(image));
  const size_t shape[] = {static_cast<size_t>(owned->height), static_cast<size_t>(owned->width), 3};
  uint8_t* data = owned->pixels.data();
  nb::capsule owner(owned.get(), [](void* held) noexcept { delete static_cast<Image*>(held); });
  owned.release();
  return Array(data, 3, shape, owner);
}

DecodeOptions Options(bool exif, bool drop_alpha, size_t max_pixels) {
  DecodeOptions options;
  options.apply_exif_orientation = exif;
  options.alpha = drop_alpha ? AlphaMode::kDrop : AlphaMode::kWhite;
  options.max_pixels = max_pixels;
  return options;
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
      "read_image",
      [](const std::filesystem::path& path, bool exif, bool drop_alpha, size_t max_pixels) {
        Image image;
        {
          const nb::gil_scoped_release release;
          image = ReadImage(path, Options(exif, drop_alpha, max_pixels));
        }
        return ToArray(std::move(image));
      },
      nb::arg("path"), nb::arg("exif"), nb::arg("drop_alpha"), nb::arg("max_pixels"),
      nb::sig("def read_image(path: str | os.PathLike[str], exif: bool, drop_alpha: bool, "
              "max_pixels: int) -> numpy.typing.NDArray[numpy.uint8]"));
  module.def(
      "decode_image",
      [](const nb::bytes& bytes, const std::string& name, bool exif, bool drop_alpha,
         size_t max_pixels) {
        const auto* data = static_cast<const uint8_t*>(bytes.data());
        const size_t size = bytes.size();
        Image image;
        {
          const nb::gil_scoped_release release;
          image = DecodeImage({data, size}, name, Options(exif, drop_alpha, max_pixels));
        }
        return ToArray(std::move(image));
      },
      nb::arg("data"), nb::arg("name"), nb::arg("exif"), nb::arg("drop_alpha"),
      nb::arg("max_pixels"));
  module.def(
      "draw_answer",
      [](const Pixels& pixels, const Answer& answer) {
        const ImageView view = ViewPixels(pixels);
        Image drawn;
        {
          const nb::gil_scoped_release release;
          drawn = DrawAnswer(view, answer);
        }
        return ToArray(std::move(drawn));
      },
      nb::arg("pixels").noconvert(), nb::arg("answer"));
}

}  // namespace uffizi::python
