#include "image/formats.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <string>
#include <vector>

#include "image/byte_order.h"
#include "image/config.h"

namespace uffizi {
namespace {

using namespace std::string_view_literals;

bool HasAt(const EncodedFile& file, size_t at, std::string_view magic) {
  return file.bytes.size() >= at + magic.size() &&
         std::memcmp(file.bytes.data() + at, magic.data(), magic.size()) == 0;
}

bool IsJpeg(const EncodedFile& file) { return HasAt(file, 0, "\xFF\xD8\xFF"sv); }
bool IsPng(const EncodedFile& file) { return HasAt(file, 0, "\x89PNG\r\n\x1A\n"sv); }
bool IsWebp(const EncodedFile& file) { return HasAt(file, 0, "RIFF") && HasAt(file, 8, "WEBP"); }
bool IsGif(const EncodedFile& file) { return HasAt(file, 0, "GIF87a") || HasAt(file, 0, "GIF89a"); }
bool IsTiff(const EncodedFile& file) {
  return HasAt(file, 0, "II*\0"sv) || HasAt(file, 0, "MM\0*"sv) || HasAt(file, 0, "II+\0"sv) ||
         HasAt(file, 0, "MM\0+"sv);
}

// Whether one of `brands` is a brand of an ISO base media file: its major brand or one of its
// compatible brands.
bool HasBrand(const EncodedFile& file, std::span<const std::string_view> brands) {
  if (!HasAt(file, 4, "ftyp")) return false;
  const size_t size = std::min<size_t>(file.bytes[3] | file.bytes[2] << 8, file.bytes.size());
  for (size_t at = 8; at + 4 <= size; at += 4) {
    if (at == 12) continue;  // the version of the first
    for (const std::string_view brand : brands) {
      if (HasAt(file, at, brand)) return true;
    }
  }
  return false;
}
bool IsAvif(const EncodedFile& file) {
  static constexpr std::array kBrands = {"avif"sv, "avis"sv};
  return HasBrand(file, kBrands);
}
bool IsHeif(const EncodedFile& file) {
  static constexpr std::array kBrands = {"heic"sv, "heix"sv, "heim"sv, "heis"sv, "hevc"sv,
                                         "hevx"sv, "hevm"sv, "mif1"sv, "msf1"sv, "mif2"sv};
  return HasBrand(file, kBrands);
}
bool IsJxl(const EncodedFile& file) {
  return HasAt(file, 0, "\xFF\x0A"sv) || HasAt(file, 0, "\0\0\0\x0CJXL \r\n\x87\n"sv);
}
bool IsJpeg2000(const EncodedFile& file) {
  return HasAt(file, 4, "jP  \r\n\x87\n"sv) || HasAt(file, 0, "\xFF\x4F\xFF\x51"sv);
}
bool IsPnm(const EncodedFile& file) {
  if (file.bytes.size() < 3 || file.bytes[0] != 'P') return false;
  return std::strchr("1234567fF", file.bytes[1]) != nullptr && file.bytes[1] != 0 &&
         (std::isspace(file.bytes[2]) != 0 || file.bytes[2] == '#');
}
bool IsQoi(const EncodedFile& file) { return HasAt(file, 0, "qoif"); }
// Many TGA files also start with two zero bytes and a 1 or 2, so the first entry must be plausible.
bool IsIco(const EncodedFile& file) {
  if (!HasAt(file, 0, "\0\0\1\0"sv) && !HasAt(file, 0, "\0\0\2\0"sv)) return false;
  if (file.bytes.size() < 22 || file.bytes[9] != 0) return false;
  const size_t count = LittleEndian16(file.bytes, 4), offset = LittleEndian32(file.bytes, 18);
  return count > 0 && offset >= 6 + 16 * count && offset < file.bytes.size();
}
bool IsBmp(const EncodedFile& file) { return HasAt(file, 0, "BM"); }
// PDF readers search for the signature in the first kilobyte.
bool IsPdf(const EncodedFile& file) {
  const std::string_view start(reinterpret_cast<const char*>(file.bytes.data()),
                               std::min<size_t>(file.bytes.size(), 1024));
  return start.find("%PDF-") != std::string_view::npos;
}
bool IsPsd(const EncodedFile& file) { return HasAt(file, 0, "8BPS"); }
bool IsSvg(const EncodedFile& file) { return HasAt(file, 0, "<svg"); }

std::string LowerExtension(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return extension;
}

// TGA has no signature at its start. Version 2 has one at its end; otherwise the file's extension
// decides.
constexpr std::array kTga = {".tga"sv, ".icb"sv, ".vda"sv, ".vst"sv};
bool IsTga(const EncodedFile& file) {
  const size_t size = file.bytes.size();
  if (size > 18 && HasAt(file, size - 18, "TRUEVISION-XFILE.\0"sv)) return true;
  const std::string extension = LowerExtension(file.name);
  return size > 18 && std::find(kTga.begin(), kTga.end(), extension) != kTga.end();
}

constexpr std::array kJpeg = {".jpg"sv, ".jpeg"sv, ".jpe"sv, ".jfif"sv};
constexpr std::array kPng = {".png"sv, ".apng"sv};
constexpr std::array kWebp = {".webp"sv};
constexpr std::array kGif = {".gif"sv};
constexpr std::array kTiff = {".tif"sv, ".tiff"sv};
constexpr std::array kAvif = {".avif"sv, ".avifs"sv};
constexpr std::array kHeif = {".heic"sv, ".heif"sv, ".hif"sv, ".heics"sv, ".heifs"sv};
constexpr std::array kJxl = {".jxl"sv};
constexpr std::array kJpeg2000 = {".jp2"sv, ".j2k"sv, ".j2c"sv, ".jpc"sv, ".jpx"sv, ".jpf"sv};
constexpr std::array kPnm = {".ppm"sv, ".pgm"sv, ".pbm"sv, ".pnm"sv, ".pam"sv, ".pfm"sv};
constexpr std::array kQoi = {".qoi"sv};
constexpr std::array kIco = {".ico"sv, ".cur"sv};
constexpr std::array kBmp = {".bmp"sv, ".dib"sv};
constexpr std::array kPdf = {".pdf"sv};
constexpr std::array kPsd = {".psd"sv};

constexpr std::array kFormats = {
    PictureFormat{"JPEG", kJpeg, IsJpeg, DecodeJpeg, nullptr},
    PictureFormat{"PNG", kPng, IsPng, DecodePng, nullptr},
    PictureFormat{"WebP", kWebp, IsWebp, DecodeWebp, InspectWebp},
    PictureFormat{"GIF", kGif, IsGif, DecodeGif, InspectGif},
    PictureFormat{"TIFF", kTiff, IsTiff, DecodeTiff, InspectTiff},
    PictureFormat{"BMP", kBmp, IsBmp, DecodeBmp, nullptr},
    PictureFormat{"AVIF", kAvif, IsAvif, DecodeAvif, InspectAvif},
    PictureFormat{"HEIC", kHeif, IsHeif, DecodeHeif, InspectHeif},
    PictureFormat{"JPEG XL", kJxl, IsJxl, DecodeJxl, InspectJxl},
    PictureFormat{"JPEG 2000", kJpeg2000, IsJpeg2000, DecodeJpeg2000, nullptr},
    PictureFormat{"PNM", kPnm, IsPnm, DecodePnm, nullptr},
    PictureFormat{"QOI", kQoi, IsQoi, DecodeQoi, nullptr},
    PictureFormat{"ICO", kIco, IsIco, DecodeIco, nullptr},
    PictureFormat{"PDF", kPdf, IsPdf, DecodePdf, InspectPdf},
    PictureFormat{"Photoshop", kPsd, IsPsd, nullptr, nullptr},
    PictureFormat{"SVG", {}, IsSvg, nullptr, nullptr},
    PictureFormat{"TGA", kTga, IsTga, DecodeTga, nullptr},
};

}  // namespace

std::span<const PictureFormat> PictureFormats() { return kFormats; }

const PictureFormat& FormatOf(const EncodedFile& file) {
  if (file.bytes.empty()) file.Fail("the file is empty");
  for (const PictureFormat& format : kFormats) {
    if (format.matches(file)) return format;
  }
  std::string names;
  for (const PictureFormat& format : kFormats) {
    if (format.decode != nullptr) names += (names.empty() ? "" : ", ") + std::string(format.name);
  }
  file.Fail("not a picture in a known format (" + names + ")");
}

std::span<const std::string_view> PictureExtensions() {
  static const std::vector<std::string_view> extensions = [] {
    std::vector<std::string_view> all;
    for (const PictureFormat& format : kFormats) {
      all.insert(all.end(), format.extensions.begin(), format.extensions.end());
    }
    return all;
  }();
  return extensions;
}

bool HasPictureExtension(const std::filesystem::path& path) {
  const auto extensions = PictureExtensions();
  return std::find(extensions.begin(), extensions.end(), LowerExtension(path)) != extensions.end();
}

// Decoder stubs for builds without a library.
#define UFFIZI_LEFT_OUT(Format, kind, option)                                    \
  Raster Decode##Format(const EncodedFile& file) {                               \
    throw Error(ErrorCode::kUnsupported, file.name + ": this build has no " kind \
                                                     " reader "                  \
                                                     "(built without " option    \
                                                     "); convert the picture "   \
                                                     "to JPEG or PNG");          \
  }
#define UFFIZI_LEFT_OUT_PAGES(Format) \
  PageInfo Inspect##Format(const EncodedFile&) { return {}; }

#if !UFFIZI_WITH_AVIF
UFFIZI_LEFT_OUT(Avif, "AVIF", "UFFIZI_AVIF")
UFFIZI_LEFT_OUT_PAGES(Avif)
#endif
#if !UFFIZI_WITH_HEIF
UFFIZI_LEFT_OUT(Heif, "HEIC", "UFFIZI_HEIF")
UFFIZI_LEFT_OUT_PAGES(Heif)
#endif
#if !UFFIZI_WITH_JXL
UFFIZI_LEFT_OUT(Jxl, "JPEG XL", "UFFIZI_JXL")
UFFIZI_LEFT_OUT_PAGES(Jxl)
#endif
#if !UFFIZI_WITH_JPEG2000
UFFIZI_LEFT_OUT(Jpeg2000, "JPEG 2000", "UFFIZI_JPEG2000")
#endif

}  // namespace uffizi
