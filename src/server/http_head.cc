#include "server/http_head.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <charconv>

#include "server/percent_encoding.h"
#include "server/problem.h"

namespace uffizi::server {
namespace {

namespace http = boost::beast::http;

constexpr size_t kMaxHeaders = 100;

[[noreturn]] void Refuse(const std::string& detail, int status = 400) {
  throw Problem(status, status == 400 ? "bad_request" : "unsupported", detail);
}

// Rejects bytes that a lenient parser would accept.
void CheckBytes(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '\r') {
      if (i + 1 == text.size() || text[i + 1] != '\n') Refuse("a CR without its LF");
    } else if (c == '\n') {
      if (i == 0 || text[i - 1] != '\r') Refuse("an LF without its CR");
      if (i + 1 < text.size() && (text[i + 1] == ' ' || text[i + 1] == '\t')) {
        Refuse("a header that goes on in a second line");
      }
    } else if ((c < ' ' && c != '\t') || c == 0x7f) {
      Refuse("a control character in the request's headers");
    }
  }
}

// A host's name or address, with a port or without one.
bool IsHost(std::string_view host) {
  return std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~!$&'()*+,;=%:[]").find(c) != std::string_view::npos;
  });
}

// The path of a request's target, decoded.
std::string PathOf(std::string_view target) {
  if (target.starts_with("http://") || target.starts_with("https://")) {  // as to a proxy
    const size_t slash = target.find('/', target.find("//") + 2);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  if (target == "*") return "*";
  if (!target.starts_with('/')) Refuse("the request's target must be a path");
  const bool is_printable = std::all_of(target.begin(), target.end(),
                                        [](char c) { return c > ' ' && c < 0x7f && c != '#'; });
  if (!is_printable) Refuse("a character that no path may hold as it is");
  std::optional<std::string> path = DecodePercent(target.substr(0, target.find('?')));
  if (!path) Refuse("a path with a bad %XX");
  return *std::move(path);
}

[[noreturn]] void RefuseParse(const boost::system::error_code& error) {
  if (error == http::error::bad_version) Refuse("the protocol must be HTTP/1.1 or HTTP/1.0", 505);
  if (error == http::error::header_limit) Refuse("the request's headers are too long", 431);
  Refuse("no valid HTTP request: " + error.message());
}

// The values of a field, of which there must be at most one.
std::optional<std::string> Single(const HttpRequest& request, std::string_view name) {
  std::optional<std::string> value;
  for (const auto& [key, text] : request.headers) {
    if (!boost::beast::iequals(key, name)) continue;
    if (value) Refuse("more than one " + std::string(name));
    value = text;
  }
  return value;
}

void ReadFraming(HttpHead& head, unsigned version) {
  const auto coding = Single(head.request, "Transfer-Encoding");
  const auto length = Single(head.request, "Content-Length");
  if (coding) {
    if (length) Refuse("both Content-Length and Transfer-Encoding");
    if (version < 11) Refuse("Transfer-Encoding in HTTP/1.0");
    if (!boost::beast::iequals(*coding, "chunked"))
      Refuse("a Transfer-Encoding other than chunked", 501);
    head.chunked = true;
  }
  if (length) {
    uint64_t bytes = 0;
    const char* end = length->data() + length->size();
    const auto [stop, error] = std::from_chars(length->data(), end, bytes);
    const bool digits =
        !length->empty() && length->find_first_not_of("0123456789") == std::string::npos;
    if (!digits) Refuse("a Content-Length that is not a number");
    if (error != std::errc() || stop != end) {
      throw Problem(413, "body_too_large", "the request's body is over the server's limit");
    }
    head.content_length = bytes;
  }
}

}  // namespace

HttpHead ReadHead(std::string_view text, HttpParser& parser) {
  CheckBytes(text);
  boost::system::error_code error;
  parser.put(boost::asio::buffer(text.data(), text.size()), error);
  if (error && error != http::error::need_more) RefuseParse(error);
  if (!parser.is_header_done()) Refuse("no valid HTTP request");
  const auto& message = parser.get();
  HttpHead head;
  HttpRequest& request = head.request;
  request.method = std::string(message.method_string());
  for (const auto& field : message) {
    request.headers.emplace_back(field.name_string(), field.value());
    if (request.headers.size() > kMaxHeaders) Refuse("too many headers", 431);
  }
  for (const char* name : {"Authorization", "Content-Type"}) Single(request, name);
  const auto host = Single(request, "Host");
  if (!host && message.version() >= 11) Refuse("no Host");
  if (host && !IsHost(*host)) Refuse("a Host that is none");
  ReadFraming(head, message.version());
  if (const auto expect = Single(request, "Expect")) {
    if (!boost::beast::iequals(*expect, "100-continue")) {
      Refuse("an expectation other than 100-continue", 417);
    }
    head.expects_continue = true;
  }
  request.path = PathOf(message.target());
  return head;
}

}  // namespace uffizi::server
