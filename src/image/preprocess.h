#ifndef UFFIZI_IMAGE_PREPROCESS_H_
#define UFFIZI_IMAGE_PREPROCESS_H_

#include <span>

#include "uffizi/types.h"

namespace uffizi {

// Pillow's resampling filters, with the numbers that preprocessor_config.json's `resample` uses.
enum class ResampleFilter {
  kNearest = 0,
  kLanczos = 1,
  kBilinear = 2,
  kBicubic = 3,
  kBox = 4,
  kHamming = 5,
};

// The filter of a `resample` number. Throws Error(kInvalidArgument) for any other number.
ResampleFilter ResampleFilterFromNumber(int number);

// Resizes `image` to width x height pixels without keeping the aspect ratio, bit-identical to
// Pillow's Image.resize: separable filters widened by the reduction factor, rows first, with 8-bit
// rows between the two passes and 22-bit fixed-point weights. Runs on the threads of the
// surrounding task arena. Throws Error(kInvalidArgument) for an empty picture or size.
Image Resize(ImageView image, int width, int height, ResampleFilter filter);

// out: [height, width, 3] f32, (pixel * scale - mean) / std per channel.
void Normalize(ImageView image, float scale, std::span<const float, 3> mean,
               std::span<const float, 3> std, float* out);

}  // namespace uffizi

#endif  // UFFIZI_IMAGE_PREPROCESS_H_
