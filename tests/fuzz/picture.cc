// A picture of any format. With small limits: pictures that are refused early need no memory.

#include <span>

#include "fuzz/harness.h"
#include "uffizi/image.h"

using namespace uffizi;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  DecodeOptions options;
  options.max_pixels = 1 << 20;
  fuzz::Guard([&] {
    // TGA has no signature: its name must say it.
    const PageInfo pages = InspectPages(std::span(data, size), "picture.tga", options);
    fuzz::Require(pages.count > 0, "a number of pages");
    options.page = pages.count > 1 ? 1 : 0;
    const Image image = DecodeImage(std::span(data, size), "picture.tga", options);
    const auto width = static_cast<size_t>(image.width), height = static_cast<size_t>(image.height);
    fuzz::Require(width > 0 && height > 0 && width * height <= options.max_pixels, "a size");
    fuzz::Require(image.pixels.size() == width * height * 3, "pixels that do not fit the size");
  });
  return 0;
}
