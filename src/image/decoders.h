#ifndef UFFIZI_IMAGE_DECODERS_H_
#define UFFIZI_IMAGE_DECODERS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "uffizi/error.h"
#include "uffizi/image.h"

namespace uffizi {

// A picture file in memory, with the options of its decoder.
struct EncodedFile {
  std::span<const uint8_t> bytes;
  std::string name;  // for messages
  const DecodeOptions& options;

  // Throws Error(kInvalidImage) with the file's name and `reason`.
  [[noreturn]] void Fail(const std::string& reason) const;

  // Every decoder calls this with the header's size before it allocates memory for pixels. Throws
  // kInvalidImage for an empty size and kImageTooLarge above options.max_pixels.
  void CheckSize(uint64_t width, uint64_t height) const;

  // Throws kInvalidArgument if there are not more than options.page pages.
  void CheckPage(size_t count) const {
    if (options.page >= count) FailPage();
  }
  [[noreturn]] void FailPage() const;

  // Whether the caller has cancelled. Decoders ask every few milliseconds.
  bool Cancelled() const { return options.cancelled && options.cancelled(); }
  // Throws Error(kCancelled) then.
  void CheckCancelled() const {
    if (Cancelled()) FailCancelled();
  }
  [[noreturn]] void FailCancelled() const;
};

// A decoder's result: pixels as stored, neither rotated upright nor flattened.
struct Raster {
  int width = 0;
  int height = 0;
  int channels = 3;             // 3: RGB, 4: RGBA
  bool premultiplied = false;   // RGB already multiplied by alpha
  int orientation = 1;          // EXIF, 1..8; 1 is upright
  std::vector<uint8_t> pixels;  // [height, width, channels]

  uint8_t* row(int y) {
    return pixels.data() +
           static_cast<size_t>(y) * static_cast<size_t>(width) * static_cast<size_t>(channels);
  }
  void Allocate(int new_width, int new_height, int new_channels) {
    width = new_width;
    height = new_height;
    channels = new_channels;
    pixels.resize(static_cast<size_t>(width) * static_cast<size_t>(height) *
                  static_cast<size_t>(channels));
  }
};

// Decode the picture, or its page options.page.
Raster DecodeAvif(const EncodedFile& file);
Raster DecodeBmp(const EncodedFile& file);
Raster DecodeGif(const EncodedFile& file);
Raster DecodeHeif(const EncodedFile& file);
Raster DecodeIco(const EncodedFile& file);
Raster DecodeJpeg(const EncodedFile& file);
Raster DecodeJpeg2000(const EncodedFile& file);
Raster DecodeJxl(const EncodedFile& file);
Raster DecodePdf(const EncodedFile& file);
Raster DecodePng(const EncodedFile& file);
Raster DecodePnm(const EncodedFile& file);
Raster DecodeQoi(const EncodedFile& file);
Raster DecodeTga(const EncodedFile& file);
Raster DecodeTiff(const EncodedFile& file);
Raster DecodeWebp(const EncodedFile& file);

// Count the pages or frames without decoding them.
PageInfo InspectAvif(const EncodedFile& file);
PageInfo InspectGif(const EncodedFile& file);
PageInfo InspectHeif(const EncodedFile& file);
PageInfo InspectJxl(const EncodedFile& file);
PageInfo InspectPdf(const EncodedFile& file);
PageInfo InspectTiff(const EncodedFile& file);
PageInfo InspectWebp(const EncodedFile& file);

}  // namespace uffizi

#endif  // UFFIZI_IMAGE_DECODERS_H_
