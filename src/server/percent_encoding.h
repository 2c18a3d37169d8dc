#ifndef UFFIZI_SERVER_PERCENT_ENCODING_H_
#define UFFIZI_SERVER_PERCENT_ENCODING_H_

#include <optional>
#include <string>
#include <string_view>

namespace uffizi::server {

// `text` with each %XX replaced by its byte (RFC 3986, section 2.1). Nothing if a % is not followed
// by two hexadecimal digits, or if the byte is zero.
std::optional<std::string> DecodePercent(std::string_view text);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_PERCENT_ENCODING_H_
