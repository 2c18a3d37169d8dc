#ifndef UFFIZI_ERROR_H_
#define UFFIZI_ERROR_H_

#include <stdexcept>
#include <string>

#include "uffizi/export.h"
#include "uffizi/names.h"

namespace uffizi {

// What went wrong, from the caller's point of view. The names (EnumNames below) appear in result
// records and are stable.
enum class ErrorCode {
  kInvalidArgument,  // an invalid option or value
  kNotFound,         // a file, folder or name that does not exist
  kIo,               // reading or writing failed
  kInvalidModel,     // a damaged model folder, or another kind of model
  kInvalidImage,     // a picture that cannot be decoded
  kImageTooLarge,    // a picture above the pixel or byte limit
  kInvalidPrompt,    // a prompt that does not fit the task
  kPromptTooLong,    // a prompt longer than the model allows
  kUnsupported,      // valid, but not supported by this build
  kCancelled,        // cancelled by the caller
  kInternal,         // a bug in Uffizi
};

template <>
struct EnumNames<ErrorCode> {
  static constexpr std::pair<ErrorCode, const char*> kAll[] = {
      {ErrorCode::kInvalidArgument, "invalid_argument"},
      {ErrorCode::kNotFound, "not_found"},
      {ErrorCode::kIo, "io_error"},
      {ErrorCode::kInvalidModel, "invalid_model"},
      {ErrorCode::kInvalidImage, "invalid_image"},
      {ErrorCode::kImageTooLarge, "image_too_large"},
      {ErrorCode::kInvalidPrompt, "invalid_prompt"},
      {ErrorCode::kPromptTooLong, "prompt_too_long"},
      {ErrorCode::kUnsupported, "unsupported"},
      {ErrorCode::kCancelled, "cancelled"},
      {ErrorCode::kInternal, "internal"},
  };
};

// The only exception type that leaves the library. The message is one line, names the file or
// tensor concerned, and is meant for the user.
class UFFIZI_API Error : public std::runtime_error {
 public:
  // Control characters in `message`, which may quote files, become '?'.
  Error(ErrorCode code, std::string message);
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace uffizi

#endif  // UFFIZI_ERROR_H_
