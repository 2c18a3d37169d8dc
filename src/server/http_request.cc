#include <microhttpd.h>
#include <poll.h>

#include <algorithm>

#include "server/http.h"

namespace uffizi::server {
namespace {

// Collects the fields that libmicrohttpd finds in a form, which come in pieces.
MHD_Result AddPiece(void* fields_pointer, MHD_ValueKind, const char* name, const char* filename,
                    const char*, const char*, const char* data, uint64_t offset, size_t size) {
  auto& fields = *static_cast<std::vector<FormField>*>(fields_pointer);
  try {
    if (offset == 0) {
      fields.push_back({name != nullptr ? name : "", filename != nullptr ? filename : "", ""});
    }
    if (fields.empty()) return MHD_NO;
    fields.back().data.append(data, size);
    return MHD_YES;
  } catch (const std::exception&) {  // out of memory must not cross the library's C
    return MHD_NO;
  }
}

}  // namespace

std::optional<std::string> HttpRequest::Header(const char* name) const {
  const char* value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
  if (value == nullptr) return std::nullopt;
  return value;
}

std::string HttpRequest::MediaType() const {
  std::string type = Header("Content-Type").value_or("");
  type.resize(std::min(type.size(), type.find_first_of("; \t")));
  std::transform(type.begin(), type.end(), type.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return type;
}

std::optional<std::vector<FormField>> HttpRequest::Form() const {
  constexpr size_t kBufferBytes = 64u << 10;
  if (MediaType() != "multipart/form-data") return std::nullopt;
  std::vector<FormField> fields;
  MHD_PostProcessor* processor =
      MHD_create_post_processor(connection, kBufferBytes, AddPiece, &fields);
  if (processor == nullptr) return std::nullopt;  // no boundary
  const bool read = MHD_post_process(processor, body.data(), body.size()) == MHD_YES;
  const bool whole = MHD_destroy_post_processor(processor) == MHD_YES;
  if (!read || !whole) return std::nullopt;
  return fields;
}

bool HttpRequest::ClientGone() const {
  const MHD_ConnectionInfo* info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  if (info == nullptr) return true;
  pollfd poll_for = {info->connect_fd, POLLRDHUP, 0};
  return poll(&poll_for, 1, 0) > 0 && (poll_for.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace uffizi::server
