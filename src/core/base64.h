#ifndef UFFIZI_CORE_BASE64_H_
#define UFFIZI_CORE_BASE64_H_

#include <optional>
#include <string>
#include <string_view>

namespace uffizi {

// Decodes base64 (RFC 4648), with or without padding; line breaks are skipped. Returns nothing if
// `text` is not valid base64.
std::optional<std::string> DecodeBase64(std::string_view text);

// The other way, with padding and without line breaks.
std::string EncodeBase64(std::string_view bytes);

}  // namespace uffizi

#endif  // UFFIZI_CORE_BASE64_H_
