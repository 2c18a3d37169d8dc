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

const char* ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kIo:
      return "io_error";
    case ErrorCode::kInvalidModel:
      return "invalid_model";
    case ErrorCode::kInvalidImage:
      return "invalid_image";
    case ErrorCode::kImageTooLarge:
      return "image_too_large";
    case ErrorCode::kInvalidPrompt:
      return "invalid_prompt";
    case ErrorCode::kPromptTooLong:
      return "prompt_too_long";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

}  // namespace uffizi
