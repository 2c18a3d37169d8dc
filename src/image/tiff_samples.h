#ifndef UFFIZI_IMAGE_TIFF_SAMPLES_H_
#define UFFIZI_IMAGE_TIFF_SAMPLES_H_

#include <tiffio.h>

#include <functional>
#include <string>

#include "image/decoders.h"

namespace uffizi {

// Whether the samples of the current page need a range to be converted to bytes: signed,
// floating-point, 32-bit and 64-bit samples, and 16-bit grey if the file gives its smallest and
// largest value.
bool NeedsRange(TIFF* tiff);

// The page's grey or RGB samples, scaled by the range in its tags (SMinSampleValue and
// SMaxSampleValue, else MinSampleValue and MaxSampleValue), else by RangeOf(). Samples with GDAL's
// "no data" value are black. Further samples of a pixel are ignored. `fail` throws libtiff's error
// message, or its argument if there is none.
Raster ReadRangedSamples(TIFF* tiff, const EncodedFile& file, uint32_t width, uint32_t height,
                         const std::function<void(const std::string&)>& fail);

}  // namespace uffizi

#endif  // UFFIZI_IMAGE_TIFF_SAMPLES_H_
