#ifndef UFFIZI_IMAGE_SAMPLES_H_
#define UFFIZI_IMAGE_SAMPLES_H_

#include <cstdint>
#include <span>

namespace uffizi {

// The values that become black and white.
struct SampleRange {
  double low = 0, high = 255;
};

// The range of samples that are not bytes, guessed from the samples alone. Integers: 0 to 255 or 0
// to 65535 if all are in it. Others: 0 to 1 or 0 to 255 if all are in it. Otherwise from the
// smallest to the largest sample. NaN and infinities are ignored.
SampleRange RangeOf(std::span<const float> samples, bool whole_numbers);

// Converts a sample to a byte, rounding down as with the high byte of a 16-bit sample; NaN is
// black.
uint8_t ByteOf(double sample, const SampleRange& range);

}  // namespace uffizi

#endif  // UFFIZI_IMAGE_SAMPLES_H_
