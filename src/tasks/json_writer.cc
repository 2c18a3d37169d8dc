#include "tasks/json_writer.h"

#include <charconv>
#include <cmath>

#include "text/unicode.h"

namespace uffizi {
namespace {

// The longest is a float near the smallest one, written without exponent; we never do.
constexpr size_t kNumberBuffer = 64;

void AppendEscaped(char c, std::string& out) {
  constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      if (static_cast<unsigned char>(c) >= 0x20) {
        out += c;
        return;
      }
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
  }
}

}  // namespace

void AppendJsonString(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : ReplaceInvalidUtf8(text)) AppendEscaped(c, out);
  out += '"';
}

void AppendJsonNumber(float number, std::string& out) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  char buffer[kNumberBuffer];
  // Pixels read best without exponent; only probabilities get so small that they need one.
  const float size = std::fabs(number);
  const bool plain = size == 0 || (size >= 1e-4f && size < 1e15f);
  const auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
  out.append(buffer, std::to_chars(buffer, buffer + sizeof(buffer), number, format).ptr);
}

void AppendJsonSeconds(double seconds, std::string& out) {
  if (!std::isfinite(seconds)) seconds = 0;
  AppendJsonNumber(static_cast<float>(std::round(seconds * 1e6) / 1e6), out);
}

void AppendJsonNumber(int number, std::string& out) { out += std::to_string(number); }

}  // namespace uffizi
