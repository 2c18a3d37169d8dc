#include "image/lettering.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "image/font_data.h"
#include "uffizi/error.h"

// Only this file holds the library's code, and only the functions that it uses.
#define STB_TRUETYPE_IMPLEMENTATION
#define STBTT_STATIC
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_truetype.h>
#pragma GCC diagnostic pop

namespace uffizi {
namespace {

constexpr char32_t kReplacement = 0xFFFD;
constexpr char32_t kEllipsis = 0x2026;

const stbtt_fontinfo& BuiltInFont() {
  static const stbtt_fontinfo font = [] {
    stbtt_fontinfo info;
    if (!stbtt_InitFont(&info, kFontData, 0)) {
      throw Error(ErrorCode::kInternal, "the built-in font is damaged");
    }
    return info;
  }();
  return font;
}

// Reads the code point at text[at] and advances `at` past it.
char32_t NextCodePoint(std::string_view text, size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
  if (lead < 0xC2 || lead > 0xF4) return kReplacement;
  char32_t value = lead & (0x3F >> more);
  for (int i = 0; i < more; ++i) {
    if (at == text.size() || (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80) {
      return kReplacement;
    }
    value = value << 6 | (static_cast<unsigned char>(text[at++]) & 0x3F);
  }
  static constexpr char32_t kSmallest[] = {0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xD800 && value < 0xE000;
  return value < kSmallest[more] || surrogate || value > 0x10FFFF ? kReplacement : value;
}

}  // namespace

std::u32string DecodeUtf8(std::string_view utf8) {
  std::u32string text;
  text.reserve(utf8.size());
  for (size_t at = 0; at < utf8.size();) {
    const char32_t character = NextCodePoint(utf8, at);
    const bool control = character < 0x20 || (character >= 0x7F && character < 0xA0);
    text.push_back(control && character != U'\n' ? U' ' : character);
  }
  return text;
}

Lettering::Lettering(double size) : size_(size) {
  const stbtt_fontinfo& font = BuiltInFont();
  scale_ = static_cast<double>(stbtt_ScaleForMappingEmToPixels(&font, static_cast<float>(size)));
  int x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  stbtt_GetCodepointBox(&font, 'H', &x0, &y0, &x1, &y1);
  cap_height_ = y1 * scale_;
  int ascent = 0, descent = 0, gap = 0;
  stbtt_GetFontVMetrics(&font, &ascent, &descent, &gap);
  ascent_ = ascent * scale_;
  descent_ = -descent * scale_;
  line_height_ = 1.25 * size;
}

double Lettering::Advance(char32_t character) const {
  int advance = 0, bearing = 0;
  stbtt_GetCodepointHMetrics(&BuiltInFont(), static_cast<int>(character), &advance, &bearing);
  return advance * scale_;
}

double Lettering::Width(std::u32string_view text) const {
  double width = 0;
  for (const char32_t character : text) width += Advance(character);
  return width;
}

std::u32string Lettering::Shorten(std::u32string_view text, double max_width) const {
  const double room = max_width - Advance(kEllipsis);
  double width = 0;
  size_t fits = 0;  // characters that leave room for the ellipsis
  for (size_t i = 0; i < text.size(); ++i) {
    width += Advance(text[i]);
    if (width <= room) fits = i + 1;
    if (width > max_width) {
      while (fits > 0 && text[fits - 1] == U' ') --fits;
      return std::u32string(text.substr(0, fits)) + kEllipsis;
    }
  }
  return std::u32string(text);
}

std::vector<std::u32string> Lettering::Wrap(std::u32string_view text, double max_width) const {
  std::vector<std::u32string> lines;
  std::u32string line;
  double width = 0;
  size_t space = std::u32string::npos;  // the last one in `line`, where it can be broken
  for (const char32_t character : text) {
    if (character == U'\n') {
      lines.push_back(std::move(line));
      line.clear();
      width = 0;
      space = std::u32string::npos;
      continue;
    }
    if (character == U' ' && line.empty() && !lines.empty()) continue;
    const double advance = Advance(character);
    if (width + advance > max_width && !line.empty() && character != U' ') {
      std::u32string rest;
      if (space != std::u32string::npos) {
        rest = line.substr(space + 1);
        line.resize(space);
      }
      lines.push_back(std::move(line));
      line = std::move(rest);
      width = Width(line);
      space = std::u32string::npos;
    }
    if (character == U' ') space = line.size();
    line.push_back(character);
    width += advance;
  }
  if (!line.empty()) lines.push_back(std::move(line));
  return lines;
}

void Lettering::Draw(Canvas& canvas, std::u32string_view text, double x, double baseline,
                     Color color) const {
  const stbtt_fontinfo& font = BuiltInFont();
  const auto scale = static_cast<float>(scale_);
  // Baselines are rounded to pixel boundaries, which keeps small letters sharp.
  const int base = static_cast<int>(std::lround(baseline));
  std::vector<uint8_t> mask;
  for (const char32_t character : text) {
    if (x >= canvas.width()) break;
    const int glyph = stbtt_FindGlyphIndex(&font, static_cast<int>(character));
    const double whole = std::floor(x);
    const auto shift = static_cast<float>(x - whole);
    int left = 0, top = 0, right = 0, bottom = 0;
    stbtt_GetGlyphBitmapBoxSubpixel(&font, glyph, scale, scale, shift, 0, &left, &top, &right,
                                    &bottom);
    const int columns = right - left;
    const int rows = bottom - top;
    if (columns > 0 && rows > 0) {
      mask.assign(static_cast<size_t>(columns) * static_cast<size_t>(rows), 0);
      stbtt_MakeGlyphBitmapSubpixel(&font, mask.data(), columns, rows, columns, scale, scale, shift,
                                    0, glyph);
      canvas.FillMask(mask.data(), columns, rows, static_cast<int>(whole) + left, base + top,
                      color);
    }
    x += Advance(character);
  }
}

}  // namespace uffizi
