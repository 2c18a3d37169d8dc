#include <array>

#include "core/parallel.h"
#include "image/preprocess.h"

namespace uffizi {

void Normalize(ImageView image, float scale, std::span<const float, 3> mean,
               std::span<const float, 3> std, float* out) {
  // A pixel has 256 values only.
  std::array<std::array<float, 256>, 3> table;
  for (size_t c = 0; c < 3; ++c) {
    for (size_t value = 0; value < 256; ++value) {
      table[c][value] = (static_cast<float>(value) * scale - mean[c]) / std[c];
    }
  }
  const auto width = static_cast<size_t>(image.width);
  ParallelFor(static_cast<size_t>(image.height), 64, [&](size_t begin, size_t end) {
    for (size_t y = begin; y < end; ++y) {
      const uint8_t* in = image.data + y * image.stride;
      float* to = out + y * width * 3;
      for (size_t x = 0; x < width; ++x, in += 3, to += 3) {
        to[0] = table[0][in[0]];
        to[1] = table[1][in[1]];
        to[2] = table[2][in[2]];
      }
    }
  });
}

}  // namespace uffizi
