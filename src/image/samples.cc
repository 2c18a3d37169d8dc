#include "image/samples.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "uffizi/image.h"

namespace uffizi {

SampleRange RangeOf(std::span<const float> samples, bool whole_numbers) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const float value : samples) {
    const auto sample = static_cast<double>(value);
    if (!std::isfinite(sample)) continue;
    low = std::min(low, sample);
    high = std::max(high, sample);
  }
  if (low > high) return {};  // no sample is a number
  const double usual[] = {whole_numbers ? 255.0 : 1.0, whole_numbers ? 65535.0 : 255.0};
  for (const double top : usual) {
    if (low >= 0 && high <= top) return {0, top};
  }
  return {low, high};
}

uint8_t ByteOf(double sample, const SampleRange& range) {
  if (std::isnan(sample) || range.high <= range.low) return 0;
  const double share = std::clamp((sample - range.low) / (range.high - range.low), 0.0, 1.0);
  return static_cast<uint8_t>(std::min(255.0, std::floor(share * 256)));
}

void ScaleToBytes(std::span<const float> samples, bool whole_numbers, uint8_t* out) {
  const SampleRange range = RangeOf(samples, whole_numbers);
  for (const float sample : samples) *out++ = ByteOf(static_cast<double>(sample), range);
}

}  // namespace uffizi
