// Picture decoders that are our own or use stb_image, each tested separately: the first byte
// selects one, so that no signature is needed to reach it.

#include <iterator>
#include <span>

#include "fuzz/harness.h"
#include "image/decoders.h"

using namespace uffizi;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4) return 0;
  using Decoder = Raster (*)(const EncodedFile&);
  static constexpr Decoder kDecoders[] = {DecodeBmp, DecodeTga, DecodePnm,
                                          DecodeQoi, DecodeIco, DecodeTiff};
  DecodeOptions options;
  options.max_pixels = 1 << 18;
  options.page = data[0] >> 7;
  fuzz::Guard([&] {
    const EncodedFile file{std::span(data + 1, size - 1), "picture", options};
    const Raster raster = kDecoders[data[0] % std::size(kDecoders)](file);
    const auto width = static_cast<size_t>(raster.width);
    const auto height = static_cast<size_t>(raster.height);
    fuzz::Require(width > 0 && height > 0 && width * height <= options.max_pixels, "a size");
    fuzz::Require(raster.pixels.size() == width * height * static_cast<size_t>(raster.channels),
                  "pixels that do not fit the size");
  });
  return 0;
}
