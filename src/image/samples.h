#ifndef UFFIZI_IMAGE_SAMPLES_H_
#define UFFIZI_IMAGE_SAMPLES_H_

#include <cstdint>
#include <span>

namespace uffizi {

// The values that become black and white.
struct SampleRange {
  double low = 0, high = 255;
};

// The range of samples that are not bytes, when nothing but the samples tells it. Whole numbers: 0
// to 255 or 0 to 65535 if all lie there. Others: 0 to 1 or 0 to 255 if all lie there. Anything
// else: from the least to the greatest. NaN and infinities are left out.
SampleRange RangeOf(std::span<const float> samples, bool whole_numbers);

// A sample as a byte, rounded down as a 16-bit sample's high byte is; NaN is black.
uint8_t ByteOf(double sample, const SampleRange& range);

}  // namespace uffizi

#endif  // UFFIZI_IMAGE_SAMPLES_H_
