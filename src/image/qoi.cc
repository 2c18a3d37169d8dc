// The Quite OK Image format, see https://qoiformat.org/qoi-specification.pdf.
#include <array>

#include "image/byte_order.h"
#include "image/decoders.h"

namespace uffizi {
namespace {

struct Pixel {
  uint8_t r = 0, g = 0, b = 0, a = 255;
};

class QoiReader {
 public:
  explicit QoiReader(const EncodedFile& file) : file_(file), bytes_(file.bytes) {}

  Raster Read() {
    if (bytes_.size() < kHeader) Truncated();
    const uint32_t width = BigEndian32(bytes_, 4), height = BigEndian32(bytes_, 8);
    const int channels = bytes_[12];
    if (channels != 3 && channels != 4)
      file_.Fail("damaged QOI: " + std::to_string(channels) + " channels");
    file_.CheckSize(width, height);
    Raster raster;
    raster.Allocate(static_cast<int>(width), static_cast<int>(height), channels);
    at_ = kHeader;
    uint8_t* out = raster.pixels.data();
    for (int y = 0; y < raster.height; ++y) {
      if (y % 256 == 0) file_.CheckCancelled();
      for (int x = 0; x < raster.width; ++x) {
        if (run_ > 0) {
          --run_;
        } else {
          Step();
        }
        *out++ = now_.r;
        *out++ = now_.g;
        *out++ = now_.b;
        if (channels == 4) *out++ = now_.a;
      }
    }
    return raster;
  }

 private:
  static constexpr size_t kHeader = 14;

  [[noreturn]] void Truncated() const {
    file_.Fail("truncated QOI: the file ends before the picture does");
  }
  uint8_t Next() {
    if (at_ >= bytes_.size()) Truncated();
    return bytes_[at_++];
  }

  void Step() {
    const uint8_t op = Next();
    if (op == 0xFE || op == 0xFF) {
      now_.r = Next();
      now_.g = Next();
      now_.b = Next();
      if (op == 0xFF) now_.a = Next();
    } else if (op >> 6 == 0) {
      now_ = seen_[op];
    } else if (op >> 6 == 1) {
      Add((op >> 4 & 3) - 2, (op >> 2 & 3) - 2, (op & 3) - 2);
    } else if (op >> 6 == 2) {
      const int green = (op & 63) - 32;
      const uint8_t rest = Next();
      Add(green - 8 + (rest >> 4), green, green - 8 + (rest & 15));
    } else {
      run_ = op & 63;  // in addition to this pixel
    }
    seen_[(now_.r * 3 + now_.g * 5 + now_.b * 7 + now_.a * 11) % 64] = now_;
  }

  void Add(int r, int g, int b) {
    now_.r = static_cast<uint8_t>(now_.r + r);
    now_.g = static_cast<uint8_t>(now_.g + g);
    now_.b = static_cast<uint8_t>(now_.b + b);
  }

  const EncodedFile& file_;
  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
  int run_ = 0;
  Pixel now_;
  std::array<Pixel, 64> seen_ = [] {
    std::array<Pixel, 64> none;
    none.fill({0, 0, 0, 0});
    return none;
  }();
};

}  // namespace

Raster DecodeQoi(const EncodedFile& file) { return QoiReader(file).Read(); }

}  // namespace uffizi
