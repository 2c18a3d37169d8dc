#include <avif/avif.h>

#include <array>
#include <memory>

#include "image/decoders.h"

namespace uffizi {
namespace {

struct DestroyDecoder {
  void operator()(avifDecoder* decoder) const { avifDecoderDestroy(decoder); }
};
using Decoder = std::unique_ptr<avifDecoder, DestroyDecoder>;

void Check(const EncodedFile& file, avifResult result) {
  if (result == AVIF_RESULT_OK) return;
  if (result == AVIF_RESULT_TRUNCATED_DATA || result == AVIF_RESULT_WAITING_ON_IO) {
    file.Fail("truncated AVIF: the file ends before the picture does");
  }
  file.Fail(std::string("damaged AVIF: ") + avifResultToString(result));
}

Decoder Open(const EncodedFile& file) {
  Decoder decoder(avifDecoderCreate());
  if (decoder == nullptr) throw std::bad_alloc();
  decoder->maxThreads = 1;
  decoder->ignoreXMP = AVIF_TRUE;
  decoder->ignoreExif = AVIF_TRUE;  // irot and imir give the orientation
  // As in Pillow: files of old encoders lack the property.
  decoder->strictFlags &= ~static_cast<avifStrictFlags>(AVIF_STRICT_PIXI_REQUIRED);
  Check(file, avifDecoderSetIOMemory(decoder.get(), file.bytes.data(), file.bytes.size()));
  Check(file, avifDecoderParse(decoder.get()));
  file.CheckSize(decoder->image->width, decoder->image->height);
  return decoder;
}

// The EXIF orientation equivalent to irot (counterclockwise quarter turns) followed by imir.
int Orientation(const avifImage& image) {
  const int turns = (image.transformFlags & AVIF_TRANSFORM_IROT) != 0 ? image.irot.angle & 3 : 0;
  if ((image.transformFlags & AVIF_TRANSFORM_IMIR) == 0) {
    return std::array{1, 8, 3, 6}[static_cast<size_t>(turns)];
  }
#if AVIF_VERSION >= 1000000
  const bool left_right = image.imir.axis == 1;
#else
  const bool left_right = image.imir.mode == 1;
#endif
  return (left_right ? std::array{2, 7, 4, 5} : std::array{4, 5, 2, 7})[static_cast<size_t>(turns)];
}

}  // namespace

PageInfo InspectAvif(const EncodedFile& file) {
  const Decoder decoder = Open(file);
  PageInfo pages;
  pages.count = static_cast<size_t>(std::max(1, decoder->imageCount));
  for (int i = 0; pages.count > 1 && i < decoder->imageCount; ++i) {
    avifImageTiming timing = {};
    const avifResult found =
        avifDecoderNthImageTiming(decoder.get(), static_cast<uint32_t>(i), &timing);
    pages.seconds.push_back(found == AVIF_RESULT_OK ? timing.pts : 0.0);
  }
  return pages;
}

Raster DecodeAvif(const EncodedFile& file) {
  const Decoder decoder = Open(file);
  file.CheckPage(static_cast<size_t>(std::max(1, decoder->imageCount)));
  Check(file, avifDecoderNthImage(decoder.get(), static_cast<uint32_t>(file.options.page)));
  file.CheckCancelled();
  const avifImage& image = *decoder->image;
  file.CheckSize(image.width, image.height);
  Raster raster;
  const bool alpha = image.alphaPlane != nullptr;
  raster.Allocate(static_cast<int>(image.width), static_cast<int>(image.height), alpha ? 4 : 3);
  raster.premultiplied = alpha && image.alphaPremultiplied;
  raster.orientation = Orientation(image);
  avifRGBImage rgb;
  avifRGBImageSetDefaults(&rgb, &image);
  rgb.depth = 8;
  rgb.format = alpha ? AVIF_RGB_FORMAT_RGBA : AVIF_RGB_FORMAT_RGB;
  rgb.alphaPremultiplied = image.alphaPremultiplied;
  rgb.pixels = raster.pixels.data();
  rgb.rowBytes = image.width * static_cast<uint32_t>(raster.channels);
  Check(file, avifImageYUVToRGB(&image, &rgb));
  return raster;
}

}  // namespace uffizi
