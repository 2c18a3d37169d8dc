#ifndef UFFIZI_ERROR_H_
#define UFFIZI_ERROR_H_

#include <stdexcept>
#include <string>

#include "uffizi/export.h"
#include "uffizi/names.h"

namespace uffizi {

// What went wrong, in the terms of whoever called. The names (EnumNames below) appear in result
// records and are stable.
enum class ErrorCode {
  kInvalidArgument,  // an option or value that makes no sense
  kNotFound,         // a file, folder or name that is not there
  kIo,               // reading or writing failed
  kInvalidModel,     // a model folder that is broken or of another kind
  kInvalidImage,     // a picture that cannot be decoded
  kImageTooLarge,    // a picture over the pixel or byte limit
  kInvalidPrompt,    // a prompt that the task does not take
  kPromptTooLong,    // a prompt over the model's positions
  kUnsupported,      // valid, but not something that this build can do
  kCancelled,        // the caller asked to stop
  kInternal,         // a defect of ours
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

// The one exception type that leaves the library. The message is one line, names the file or tensor
// concerned, and is meant for the person who made the call.
class UFFIZI_API Error : public std::runtime_error {
 public:
  // Control characters in `message`, which quotes files, become '?'.
  Error(ErrorCode code, std::string message);
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace uffizi

#endif  // UFFIZI_ERROR_H_
