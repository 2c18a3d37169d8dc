#include "uffizi/error.h"

#include <algorithm>
#include <utility>

namespace uffizi {
namespace {

std::string OneLine(std::string text) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; };
  std::replace_if(text.begin(), text.end(), is_control, '?');
  return text;
}

}  // namespace

Error::Error(ErrorCode code, std::string message)
    : std::runtime_error(OneLine(std::move(message))), code_(code) {}

}  // namespace uffizi
