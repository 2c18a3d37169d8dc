// What ffmpeg writes of a video: PPM pictures, one after the other.

#include <algorithm>
#include <cstring>

#include "dataset/ppm_stream.h"
#include "fuzz/harness.h"
#include "uffizi/image.h"

using namespace uffizi;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kMaxPixels = 1 << 16, kMaxFrames = 100;
  size_t at = 0;
  const auto read = [&](char* out, size_t wanted) {
    const size_t count = std::min(wanted, size - at);
    if (count > 0) std::memcpy(out, data + at, count);
    at += count;
    return count;
  };
  fuzz::Guard([&] {
    for (size_t i = 0; i < kMaxFrames; ++i) {
      const std::string frame = dataset::NextPpm(read, kMaxPixels);
      if (frame.empty()) return;
      // A frame that was taken is a picture.
      const Image image = DecodeImage(
          std::span(reinterpret_cast<const uint8_t*>(frame.data()), frame.size()), "frame", {});
      const auto pixels = static_cast<size_t>(image.width) * static_cast<size_t>(image.height);
      fuzz::Require(pixels > 0 && pixels <= kMaxPixels, "a size");
    }
  });
  return 0;
}
