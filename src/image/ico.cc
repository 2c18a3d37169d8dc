// Windows icons and cursors: a list of PNG or BMP pictures, of which the largest is taken.
#include <algorithm>
#include <string>

#include "image/byte_order.h"
#include "image/decoders.h"

namespace uffizi {
namespace {

constexpr size_t kDirectory = 6, kEntry = 16;

struct Entry {
  uint32_t width = 0, height = 0;
  uint16_t bits = 0;  // a pixel
  std::span<const uint8_t> data;
};

Entry Largest(const EncodedFile& file) {
  const auto bytes = file.bytes;
  if (bytes.size() < kDirectory) file.Fail("truncated ICO: the file ends before the picture does");
  const size_t count = LittleEndian16(bytes, 4);
  if (count == 0) file.Fail("damaged ICO: it contains no picture");
  Entry best;
  for (size_t i = 0; i < count; ++i) {
    const size_t at = kDirectory + i * kEntry;
    if (bytes.size() < at + kEntry)
      file.Fail("truncated ICO: the file ends before the picture does");
    const size_t size = LittleEndian32(bytes, at + 8), offset = LittleEndian32(bytes, at + 12);
    if (offset > bytes.size() || size > bytes.size() - offset) {
      file.Fail("truncated ICO: the file ends before the picture does");
    }
    Entry entry;
    entry.width = bytes[at] == 0 ? 256 : bytes[at];  // a byte each
    entry.height = bytes[at + 1] == 0 ? 256 : bytes[at + 1];
    entry.bits = LittleEndian16(bytes, at + 6);
    entry.data = bytes.subspan(offset, size);
    const auto rank = [](const Entry& one) {
      return std::pair(one.width * one.height, static_cast<uint32_t>(one.bits));
    };
    if (best.data.empty() || rank(entry) > rank(best)) best = entry;
  }
  return best;
}

// A BMP without file header, twice as high as the picture: the colours are followed by a mask of
// one bit per pixel, which is set where the picture is transparent.
class Bitmap {
 public:
  Bitmap(const EncodedFile& file, std::span<const uint8_t> data) : file_(file), data_(data) {}

  Raster Read() {
    if (data_.size() < 40 || LittleEndian32(data_, 0) < 40 ||
        LittleEndian32(data_, 0) > data_.size()) {
      file_.Fail("damaged ICO: it contains neither PNG nor BMP data");
    }
    const uint32_t width = LittleEndian32(data_, 4), height = LittleEndian32(data_, 8) / 2;
    file_.CheckSize(width, height);
    const uint16_t bits = LittleEndian16(data_, 14);
    uint64_t colors = LittleEndian32(data_, 32);
    if (bits <= 8 && (colors == 0 || colors > 256)) colors = uint64_t{1} << bits;
    if (bits > 8) colors = 0;
    const uint64_t start = LittleEndian32(data_, 0) + 4 * colors;
    const std::string bmp = AsFile(height, start);
    const EncodedFile inner{
        {reinterpret_cast<const uint8_t*>(bmp.data()), bmp.size()}, file_.name, file_.options};
    Raster raster = DecodeBmp(inner);
    const uint64_t rows = (uint64_t{width} * bits + 31) / 32 * 4 * height;
    if (bits == 32) {
      TakeAlpha(raster, start);
    } else {
      ApplyMask(raster, start + rows);
    }
    return raster;
  }

 private:
  std::string AsFile(uint32_t height, uint64_t start) const {
    std::string bmp("BM\0\0\0\0\0\0\0\0", 10);
    const auto append = [&bmp](uint64_t value) {
      for (int shift = 0; shift < 32; shift += 8) bmp.push_back(static_cast<char>(value >> shift));
    };
    append(start + 14);
    bmp.append(reinterpret_cast<const char*>(data_.data()), data_.size());
    for (size_t i = 0; i < 4; ++i) bmp[14 + 8 + i] = static_cast<char>(height >> (8 * i));
    return bmp;
  }

  static void AddChannel(Raster& raster) {
    if (raster.channels == 4) return;
    Raster wide;
    wide.Allocate(raster.width, raster.height, 4);
    for (size_t i = 0; i < raster.pixels.size() / 3; ++i) {
      std::copy_n(raster.pixels.data() + 3 * i, 3, wide.pixels.data() + 4 * i);
      wide.pixels[4 * i + 3] = 255;
    }
    raster = std::move(wide);
  }

  // Uses the fourth byte of each pixel as alpha, unless all are zero: old icons have none.
  void TakeAlpha(Raster& raster, uint64_t start) const {
    const auto count = static_cast<uint64_t>(raster.width) * static_cast<uint64_t>(raster.height);
    if (data_.size() < start + 4 * count) return;
    bool any = false;
    for (uint64_t i = 0; i < count && !any; ++i) any = data_[start + 4 * i + 3] != 0;
    if (!any) return ApplyMask(raster, start + 4 * count);
    AddChannel(raster);
    for (int y = 0; y < raster.height; ++y) {
      const uint8_t* in =
          data_.data() + start +
          4 * static_cast<uint64_t>(raster.width) * static_cast<uint64_t>(raster.height - 1 - y);
      uint8_t* out = raster.row(y);
      for (int x = 0; x < raster.width; ++x) out[4 * x + 3] = in[4 * x + 3];
    }
  }

  void ApplyMask(Raster& raster, uint64_t start) const {
    const uint64_t stride = (static_cast<uint64_t>(raster.width) + 31) / 32 * 4;
    if (data_.size() < start + stride * static_cast<uint64_t>(raster.height))
      return;  // some files lack the mask
    AddChannel(raster);
    for (int y = 0; y < raster.height; ++y) {
      const uint8_t* mask =
          data_.data() + start + stride * static_cast<uint64_t>(raster.height - 1 - y);
      uint8_t* out = raster.row(y);
      for (int x = 0; x < raster.width; ++x) {
        out[4 * x + 3] = (mask[x / 8] >> (7 - x % 8) & 1) != 0 ? 0 : 255;
      }
    }
  }

  const EncodedFile& file_;
  std::span<const uint8_t> data_;
};

}  // namespace

Raster DecodeIco(const EncodedFile& file) {
  const Entry entry = Largest(file);
  const EncodedFile inner{entry.data, file.name, file.options};
  if (entry.data.size() > 8 && entry.data[0] == 0x89 && entry.data[1] == 'P')
    return DecodePng(inner);
  return Bitmap(file, entry.data).Read();
}

}  // namespace uffizi
