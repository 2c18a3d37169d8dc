#ifndef UFFIZI_IMAGE_TIFF_SAMPLES_H_
#define UFFIZI_IMAGE_TIFF_SAMPLES_H_

#include <tiffio.h>

#include <functional>
#include <string>

#include "image/decoders.h"

namespace uffizi {

// Whether the samples of the current page need a range to become bytes: signed or floating-point
// ones, those of 32 and 64 bits, and 16-bit grey whose file tells the least and the greatest value.
bool NeedsRange(TIFF* tiff);

// The page's grey or RGB samples, scaled by the range that its tags tell (SMinSampleValue and
// SMaxSampleValue, else MinSampleValue and MaxSampleValue), else by RangeOf. Samples that GDAL's
// "no data" tag names are black. Further samples of a pixel are left out. `fail` throws the reason
// that libtiff gave, or else its argument.
Raster ReadRangedSamples(TIFF* tiff, const EncodedFile& file, uint32_t width, uint32_t height,
                         const std::function<void(const std::string&)>& fail);

}  // namespace uffizi

#endif  // UFFIZI_IMAGE_TIFF_SAMPLES_H_
