#include "text/unicode.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace uffizi {
namespace {

// Sorted; see make_unicode_table.py.
constexpr uint32_t kRanges[] = {
#include "text/unicode_table.inc"
};

constexpr CharClass Find(char32_t code) {
  const uint32_t* after = std::upper_bound(std::begin(kRanges), std::end(kRanges), code << 3 | 7);
  return static_cast<CharClass>(*(after - 1) & 7);
}

constexpr std::array<CharClass, 128> MakeAscii() {
  std::array<CharClass, 128> classes{};
  for (char32_t code = 0; code < 128; ++code) classes[code] = Find(code);
  return classes;
}

constexpr std::array<CharClass, 128> kAscii = MakeAscii();

}  // namespace

CharClass ClassOf(char32_t code) { return code < 128 ? kAscii[code] : Find(code); }

}  // namespace uffizi
