#include "tasks/strings.h"

#include <cstddef>

namespace uffizi {
namespace {

bool IsAsciiSpace(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1C && c <= 0x1F);
}

// White space beyond ASCII, as UTF-8.
constexpr std::string_view kWideSpaces[] = {
    "\xC2\x85",      // next line
    "\xC2\xA0",      // no-break space
    "\xE1\x9A\x80",  // ogham space mark
    "\xE2\x80\x80", "\xE2\x80\x81", "\xE2\x80\x82", "\xE2\x80\x83", "\xE2\x80\x84", "\xE2\x80\x85",
    "\xE2\x80\x86", "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A",  // en quad...
    "\xE2\x80\xA8",  // line separator
    "\xE2\x80\xA9",  // paragraph separator
    "\xE2\x80\xAF",  // narrow no-break space
    "\xE2\x81\x9F",  // medium mathematical space
    "\xE3\x80\x80",  // ideographic space
};

size_t SpaceAtBegin(std::string_view text) {
  if (text.empty()) return 0;
  if (IsAsciiSpace(text.front())) return 1;
  for (const std::string_view space : kWideSpaces) {
    if (text.starts_with(space)) return space.size();
  }
  return 0;
}

size_t SpaceAtEnd(std::string_view text) {
  if (text.empty()) return 0;
  if (IsAsciiSpace(text.back())) return 1;
  for (const std::string_view space : kWideSpaces) {
    if (text.ends_with(space)) return space.size();
  }
  return 0;
}

}  // namespace

std::string_view StripLeft(std::string_view text) {
  while (const size_t length = SpaceAtBegin(text)) text.remove_prefix(length);
  return text;
}

std::string_view StripRight(std::string_view text) {
  while (const size_t length = SpaceAtEnd(text)) text.remove_suffix(length);
  return text;
}

std::string_view Strip(std::string_view text) { return StripRight(StripLeft(text)); }

std::string Without(std::string_view token, std::string_view text) {
  std::string kept;
  kept.reserve(text.size());
  while (true) {
    const size_t found = text.find(token);
    kept += text.substr(0, found);
    if (found == std::string_view::npos) return kept;
    text.remove_prefix(found + token.size());
  }
}

}  // namespace uffizi
