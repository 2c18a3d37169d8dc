#ifndef UFFIZI_SERVER_MULTIPART_H_
#define UFFIZI_SERVER_MULTIPART_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace uffizi::server {

// One field of a multipart/form-data body.
struct FormField {
  std::string name;
  std::string filename;   // "" if the client named none
  std::string_view data;  // within the body
};

// The fields of a multipart/form-data body (RFC 7578) in order; nothing if it is incomplete or has
// more than `max_fields`. `content_type` is the header's value, which contains the boundary.
std::optional<std::vector<FormField>> ParseMultipart(std::string_view content_type,
                                                     std::string_view body, size_t max_fields);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_MULTIPART_H_
