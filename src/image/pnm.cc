// The Netpbm family: PBM, PGM and PPM as text (P1 to P3) and binary (P4 to P6), PAM (P7), and PFM
// (Pf, PF), as their pages at netpbm.sourceforge.net/doc describe them.
#include <algorithm>
#include <bit>
#include <cctype>
#include <charconv>
#include <cstring>
#include <string>
#include <vector>

#include "image/decoders.h"
#include "image/samples.h"

namespace uffizi {
namespace {

class PnmReader {
 public:
  explicit PnmReader(const EncodedFile& file) : file_(file), bytes_(file.bytes) {}

  Raster Read() {
    kind_ = static_cast<char>(bytes_[1]);
    at_ = 2;
    if (kind_ == '7') {
      ReadPamHeader();
    } else {
      ReadHeader();
    }
    file_.CheckSize(width_, height_);
    const int channels = depth_ == 2 || depth_ == 4 ? 4 : 3;
    raster_.Allocate(static_cast<int>(width_), static_cast<int>(height_), channels);
    if (kind_ == 'f' || kind_ == 'F') {
      ReadFloats();
      return std::move(raster_);
    }
    std::vector<uint32_t> row(width_ * depth_);
    for (int y = 0; y < raster_.height; ++y) {
      if (y % 64 == 0) file_.CheckCancelled();
      ReadRow(row);
      WriteRow(row, raster_.row(y));
    }
    return std::move(raster_);
  }

 private:
  [[noreturn]] void Damaged(const char* what) const {
    file_.Fail(std::string("damaged PNM: ") + what);
  }
  [[noreturn]] void Truncated() const {
    file_.Fail("truncated PNM: the file ends before the picture does");
  }

  // Skips white space and comments.
  void SkipSpace() {
    while (at_ < bytes_.size()) {
      if (bytes_[at_] == '#') {
        while (at_ < bytes_.size() && bytes_[at_] != '\n') ++at_;
      } else if (std::isspace(bytes_[at_]) != 0) {
        ++at_;
      } else {
        return;
      }
    }
  }

  std::string_view Word() {
    SkipSpace();
    const size_t start = at_;
    while (at_ < bytes_.size() && std::isspace(bytes_[at_]) == 0) ++at_;
    return {reinterpret_cast<const char*>(bytes_.data()) + start, at_ - start};
  }

  uint64_t ToNumber(std::string_view word) const {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (word.empty()) Truncated();
    if (error != std::errc() || end != word.data() + word.size()) Damaged("not a number");
    return value;
  }

  void SetMaximum(uint64_t maximum) {
    if (maximum == 0 || maximum > 65535) Damaged("its maximum is not from 1 to 65535");
    maximum_ = static_cast<uint32_t>(maximum);
  }

  void ReadHeader() {
    width_ = ToNumber(Word());
    height_ = ToNumber(Word());
    depth_ = kind_ == '3' || kind_ == '6' || kind_ == 'F' ? 3 : 1;
    if (kind_ == 'f' || kind_ == 'F') {
      little_endian_ = Word().starts_with('-');
    } else if (kind_ != '1' && kind_ != '4') {
      SetMaximum(ToNumber(Word()));
    }
    ++at_;  // one white space before binary pixels; in text any number is skipped
  }

  void ReadPamHeader() {
    width_ = height_ = depth_ = 0;
    for (std::string_view word = Word(); word != "ENDHDR"; word = Word()) {
      if (word.empty()) Truncated();
      if (word == "WIDTH") width_ = ToNumber(Word());
      if (word == "HEIGHT") height_ = ToNumber(Word());
      if (word == "DEPTH") depth_ = ToNumber(Word());
      if (word == "MAXVAL") SetMaximum(ToNumber(Word()));
      if (word == "TUPLTYPE") Word();
    }
    if (depth_ < 1 || depth_ > 4) Damaged("its number of channels is not from 1 to 4");
    ++at_;
  }

  void ReadRow(std::vector<uint32_t>& row) {
    if (kind_ == '1') {
      for (uint32_t& value : row) value = ReadTextBit();
    } else if (kind_ == '2' || kind_ == '3') {
      for (uint32_t& value : row) {
        value = static_cast<uint32_t>(std::min<uint64_t>(ToNumber(Word()), maximum_));
      }
    } else if (kind_ == '4') {
      const uint8_t* in = Take((width_ + 7) / 8);
      for (size_t x = 0; x < row.size(); ++x) row[x] = 1 - (in[x / 8] >> (7 - x % 8) & 1u);
    } else if (maximum_ > 255) {
      const uint8_t* in = Take(2 * row.size());
      for (size_t i = 0; i < row.size(); ++i) {
        row[i] = std::min(static_cast<uint32_t>(in[2 * i] << 8 | in[2 * i + 1]), maximum_);
      }
    } else {
      const uint8_t* in = Take(row.size());
      for (size_t i = 0; i < row.size(); ++i) row[i] = std::min<uint32_t>(in[i], maximum_);
    }
  }

  // Digits need no space between them; 1 is black.
  uint32_t ReadTextBit() {
    SkipSpace();
    if (at_ >= bytes_.size()) Truncated();
    const uint8_t digit = bytes_[at_++];
    if (digit != '0' && digit != '1') Damaged("a bit that is neither 0 nor 1");
    return digit == '0' ? 1 : 0;
  }

  const uint8_t* Take(size_t count) {
    if (at_ > bytes_.size() || count > bytes_.size() - at_) Truncated();
    at_ += count;
    return bytes_.data() + at_ - count;
  }

  void WriteRow(const std::vector<uint32_t>& row, uint8_t* out) const {
    const uint32_t top = kind_ == '1' || kind_ == '4' ? 1 : maximum_;
    const auto byte = [top](uint32_t value) {
      return static_cast<uint8_t>((value * 255 + top / 2) / top);
    };
    for (size_t x = 0; x < width_; ++x) {
      const uint32_t* in = row.data() + x * depth_;
      for (size_t c = 0; c < 3; ++c) *out++ = byte(in[depth_ >= 3 ? c : 0]);
      if (depth_ == 2 || depth_ == 4) *out++ = byte(in[depth_ - 1]);
    }
  }

  // PFM's rows are stored bottom up.
  void ReadFloats() {
    std::vector<float> samples(width_ * height_ * depth_);
    const uint8_t* in = Take(samples.size() * sizeof(float));
    for (size_t i = 0; i < samples.size(); ++i, in += sizeof(float)) {
      uint32_t bits = 0;
      for (size_t b = 0; b < 4; ++b) {
        bits |= static_cast<uint32_t>(in[little_endian_ ? b : 3 - b]) << (8 * b);
      }
      samples[i] = std::bit_cast<float>(bits);
    }
    const SampleRange range = RangeOf(samples, /*whole_numbers=*/false);
    for (int y = 0; y < raster_.height; ++y) {
      if (y % 64 == 0) file_.CheckCancelled();
      const float* from =
          samples.data() + static_cast<size_t>(raster_.height - 1 - y) * width_ * depth_;
      uint8_t* out = raster_.row(y);
      for (size_t x = 0; x < width_; ++x) {
        for (size_t c = 0; c < 3; ++c)
          *out++ = ByteOf(static_cast<double>(from[x * depth_ + (depth_ == 3 ? c : 0)]), range);
      }
    }
  }

  const EncodedFile& file_;
  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
  char kind_ = 0;
  uint64_t width_ = 0, height_ = 0, depth_ = 1;
  uint32_t maximum_ = 255;
  bool little_endian_ = false;
  Raster raster_;
};

}  // namespace

Raster DecodePnm(const EncodedFile& file) { return PnmReader(file).Read(); }

}  // namespace uffizi
