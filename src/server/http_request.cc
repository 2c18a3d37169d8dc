#include <poll.h>

#include <algorithm>
#include <boost/beast/core/string.hpp>

#include "server/http.h"

namespace uffizi::server {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

}  // namespace

std::optional<std::string_view> HttpRequest::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (boost::beast::iequals(key, name)) return value;
  }
  return std::nullopt;
}

std::string HttpRequest::MediaType() const {
  std::string type(Header("Content-Type").value_or(""));
  type.resize(std::min(type.size(), type.find_first_of("; \t")));
  std::transform(type.begin(), type.end(), type.begin(), Lower);
  return type;
}

bool HttpRequest::ClientGone() const {
  if (gone && gone()) return true;
  pollfd poll_for = {socket, POLLRDHUP, 0};
  return poll(&poll_for, 1, 0) > 0 && (poll_for.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace uffizi::server
