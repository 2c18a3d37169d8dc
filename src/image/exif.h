#ifndef UFFIZI_IMAGE_EXIF_H_
#define UFFIZI_IMAGE_EXIF_H_

#include <cstdint>
#include <span>

#include "image/decoders.h"

namespace uffizi {

// The orientation (1..8) in a block of EXIF data, with or without its "Exif\0\0" prefix; 1 if there
// is none or the block is damaged. See EXIF 2.32, section 4.6.4, tag 0x0112.
int ExifOrientation(std::span<const uint8_t> exif);

// Rotates `raster`, which must have 3 channels, upright according to its orientation.
Image TurnUpright(Raster raster, int orientation);

}  // namespace uffizi

#endif  // UFFIZI_IMAGE_EXIF_H_
