#include "core/json_writer.h"

#include <charconv>
#include <cmath>
#include <utility>

#include "core/utf8.h"

namespace uffizi {
namespace {

// Enough for any number: the longest would be tiny floats without an exponent, which are never
// written that way.
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

template <std::floating_point Number>
void AppendNumber(Number number, std::string& out) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  char buffer[kNumberBuffer];
  // Pixels are most readable without an exponent; only probabilities get small enough to need one.
  const Number size = std::fabs(number);
  const bool plain = size == 0 || (size >= static_cast<Number>(1e-4) && size < 1e15f);
  const auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
  out.append(buffer, std::to_chars(buffer, buffer + sizeof(buffer), number, format).ptr);
}

}  // namespace

void AppendJsonString(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : ReplaceInvalidUtf8(text)) AppendEscaped(c, out);
  out += '"';
}

void AppendJsonNumber(float number, std::string& out) { AppendNumber(number, out); }

JsonWriter& JsonWriter::Open(char bracket) {
  Separate();
  out_ += bracket;
  open_ += bracket == '{' ? '}' : ']';
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::End() {
  out_ += open_.back();
  open_.pop_back();
  first_ = false;
  return *this;
}

void JsonWriter::Separate() {
  if (!first_) out_ += ", ";
  first_ = false;
}

JsonWriter& JsonWriter::Key(std::string_view key) {
  Separate();
  AppendJsonString(key, out_);
  out_ += ": ";
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::Value(std::string_view text) {
  Separate();
  AppendJsonString(text, out_);
  return *this;
}

JsonWriter& JsonWriter::Value(float number) {
  Separate();
  AppendJsonNumber(number, out_);
  return *this;
}

JsonWriter& JsonWriter::Value(double number) {
  Separate();
  AppendNumber(number, out_);
  return *this;
}

JsonWriter& JsonWriter::Seconds(double seconds) {
  if (!std::isfinite(seconds)) seconds = 0;
  return Value(static_cast<float>(std::round(seconds * 1e6) / 1e6));
}

JsonWriter& JsonWriter::Raw(std::string_view json) {
  Separate();
  out_ += json;
  return *this;
}

std::string JsonWriter::Take() {
  first_ = true;
  open_.clear();
  return std::exchange(out_, {});
}

}  // namespace uffizi
