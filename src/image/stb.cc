// BMP and TGA, by stb_image.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "image/decoders.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_ONLY_TGA
#define STBI_NO_STDIO
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

namespace uffizi {
namespace {

// stb_image reads zeros after the end of a file; the reader records that it asked for more.
struct StbSource {
  std::span<const uint8_t> bytes;
  size_t position = 0;
  bool truncated = false;

  static int Read(void* user, char* out, int count) {
    auto* source = static_cast<StbSource*>(user);
    const size_t left = source->bytes.size() - source->position;
    const size_t taken = std::min(left, static_cast<size_t>(std::max(count, 0)));
    if (taken > 0) std::memcpy(out, source->bytes.data() + source->position, taken);
    source->position += taken;
    // A request of its buffer's size may come up short; any other request must be fulfilled.
    constexpr int kBuffer = sizeof(stbi__context{}.buffer_start);
    if (taken == 0 || (count != kBuffer && taken < static_cast<size_t>(count))) {
      source->truncated = true;
    }
    return static_cast<int>(taken);
  }
  static void Skip(void* user, int count) {
    auto* source = static_cast<StbSource*>(user);
    const auto position = static_cast<int64_t>(source->position) + count;
    const auto size = static_cast<int64_t>(source->bytes.size());
    if (position > size) source->truncated = true;
    source->position = static_cast<size_t>(std::clamp<int64_t>(position, 0, size));
  }
  static int AtEnd(void* user) {
    auto* source = static_cast<StbSource*>(user);
    return source->position >= source->bytes.size() ? 1 : 0;
  }
};

constexpr stbi_io_callbacks kCallbacks = {StbSource::Read, StbSource::Skip, StbSource::AtEnd};

[[noreturn]] void Fail(const EncodedFile& file, const std::string& kind) {
  const char* reason = stbi_failure_reason();
  const std::string why = reason != nullptr ? reason : "it cannot be decoded";
  if (why == "BMP RLE") {
    throw Error(ErrorCode::kUnsupported,
                file.name + ": run-length-encoded BMP pictures (RLE) are not supported");
  }
  file.Fail("damaged " + kind + ": " + why);
}

Raster Decode(const EncodedFile& file, const std::string& kind, bool has_alpha) {
  int width = 0, height = 0, channels = 0;
  StbSource header{file.bytes};
  if (!stbi_info_from_callbacks(&kCallbacks, &header, &width, &height, &channels)) Fail(file, kind);
  // A negative height means that rows are stored top down.
  file.CheckSize(static_cast<uint64_t>(std::max(0, width)),
                 static_cast<uint64_t>(std::abs(int64_t{height})));
  const int wanted = has_alpha && channels % 2 == 0 ? 4 : 3;
  StbSource source{file.bytes};
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> pixels(
      stbi_load_from_callbacks(&kCallbacks, &source, &width, &height, &channels, wanted),
      stbi_image_free);
  if (pixels == nullptr) Fail(file, kind);
  if (source.truncated) file.Fail("truncated " + kind + ": the file ends before the picture does");
  Raster raster;
  raster.Allocate(width, height, wanted);
  std::copy_n(pixels.get(), raster.pixels.size(), raster.pixels.begin());
  return raster;
}

}  // namespace

Raster DecodeBmp(const EncodedFile& file) {
  // The fourth byte of 32-bit pixels is alpha only if the masks say so; otherwise it is unused.
  const bool masks = file.bytes.size() > 34 && file.bytes[14] >= 40 &&
                     (file.bytes[30] == 3 || file.bytes[30] == 6);
  return Decode(file, "BMP", masks);
}

Raster DecodeTga(const EncodedFile& file) { return Decode(file, "TGA", true); }

}  // namespace uffizi
