#include <iterator>
#include <new>

#include "capi/guard.h"

namespace uffizi::capi {
namespace {

thread_local std::string last_error;

}  // namespace

uffizi_status StatusOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return UFFIZI_INVALID_ARGUMENT;
    case ErrorCode::kNotFound:
      return UFFIZI_NOT_FOUND;
    case ErrorCode::kIo:
      return UFFIZI_IO;
    case ErrorCode::kInvalidModel:
      return UFFIZI_INVALID_MODEL;
    case ErrorCode::kInvalidImage:
      return UFFIZI_INVALID_IMAGE;
    case ErrorCode::kImageTooLarge:
      return UFFIZI_IMAGE_TOO_LARGE;
    case ErrorCode::kInvalidPrompt:
      return UFFIZI_INVALID_PROMPT;
    case ErrorCode::kPromptTooLong:
      return UFFIZI_PROMPT_TOO_LONG;
    case ErrorCode::kUnsupported:
      return UFFIZI_UNSUPPORTED;
    case ErrorCode::kCancelled:
      return UFFIZI_CANCELLED;
    case ErrorCode::kInternal:
      break;
  }
  return UFFIZI_INTERNAL;
}

uffizi_status DescribeException(std::string& message) noexcept {
  try {
    throw;
  } catch (const Error& error) {
    message = error.what();
    return StatusOf(error.code());
  } catch (const std::bad_alloc&) {
    message = "out of memory";
    return UFFIZI_OUT_OF_MEMORY;
  } catch (const std::exception& error) {
    message = error.what();
  } catch (...) {
    message = "an unknown exception";
  }
  return UFFIZI_INTERNAL;
}

void SetLastError(const std::string& message) noexcept {
  try {
    last_error = message;
  } catch (...) {
    last_error.clear();  // no memory for the message
  }
}

void Require(const void* pointer, const char* name) {
  if (pointer == nullptr) {
    throw Error(ErrorCode::kInvalidArgument, std::string(name) + " must not be NULL");
  }
}

}  // namespace uffizi::capi

const char* uffizi_version(void) { return UFFIZI_VERSION; }

const char* uffizi_status_name(uffizi_status status) {
  if (status == UFFIZI_OK) return "ok";
  if (status == UFFIZI_OUT_OF_MEMORY) return "out_of_memory";
  for (const auto& [code, name] : uffizi::EnumNames<uffizi::ErrorCode>::kAll) {
    if (uffizi::capi::StatusOf(code) == status) return name;
  }
  return nullptr;
}

const char* uffizi_last_error(void) { return uffizi::capi::last_error.c_str(); }
