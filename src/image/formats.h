#ifndef UFFIZI_IMAGE_FORMATS_H_
#define UFFIZI_IMAGE_FORMATS_H_

#include <span>
#include <string_view>

#include "image/decoders.h"

namespace uffizi {

// A picture file format: its name, how it is detected, and its decoder.
struct PictureFormat {
  std::string_view name;                         // "JPEG"
  std::span<const std::string_view> extensions;  // ".jpg"; the usual one first
  bool (*matches)(const EncodedFile&);           // by content
  Raster (*decode)(const EncodedFile&);          // null: recognized but not supported
  PageInfo (*inspect)(const EncodedFile&);       // null: one picture
};

// All formats, in the order in which they are tried.
std::span<const PictureFormat> PictureFormats();

// The format of a file. Throws Error(kInvalidImage) for an unknown one.
const PictureFormat& FormatOf(const EncodedFile& file);

}  // namespace uffizi

#endif  // UFFIZI_IMAGE_FORMATS_H_
