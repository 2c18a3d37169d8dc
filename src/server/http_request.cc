#include <poll.h>

#include <boost/beast/core/string.hpp>

#include "core/ascii.h"
#include "server/http.h"

namespace uffizi::server {
std::optional<std::string_view> HttpRequest::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (boost::beast::iequals(key, name)) return value;
  }
  return std::nullopt;
}

std::string HttpRequest::MediaType() const {
  const std::string_view type = Header("Content-Type").value_or("");
  return ToLower(type.substr(0, type.find_first_of("; \t")));
}

bool HttpRequest::ClientGone() const {
  if (gone && gone()) return true;
  pollfd poll_for = {socket, POLLRDHUP, 0};
  return poll(&poll_for, 1, 0) > 0 && (poll_for.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace uffizi::server
