#ifndef UFFIZI_CAPI_GUARD_H_
#define UFFIZI_CAPI_GUARD_H_

#include <string>

#include "uffizi/error.h"
#include "uffizi/uffizi.h"

namespace uffizi::capi {

uffizi_status StatusOf(ErrorCode code);

// The status of the exception being handled; `message` receives its text.
uffizi_status DescribeException(std::string& message) noexcept;

// Sets what uffizi_last_error() returns in this thread.
void SetLastError(const std::string& message) noexcept;

// Throws Error(kInvalidArgument) if `pointer` is null.
void Require(const void* pointer, const char* name);

// Runs the body of a function of the C interface and catches all exceptions.
template <typename Body>
uffizi_status Guard(const Body& body) noexcept {
  try {
    body();
    return UFFIZI_OK;
  } catch (...) {
    std::string message;
    const uffizi_status status = DescribeException(message);
    SetLastError(message);
    return status;
  }
}

}  // namespace uffizi::capi

#endif  // UFFIZI_CAPI_GUARD_H_
