#ifndef UFFIZI_CORE_BASE64_H_
#define UFFIZI_CORE_BASE64_H_

#include <optional>
#include <string>
#include <string_view>

namespace uffizi {

// The bytes that `text` stands for in RFC 4648's base64, with or without its padding; line breaks
// are skipped. Nothing if it is not base64.
std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace uffizi

#endif  // UFFIZI_CORE_BASE64_H_
