#ifndef UFFIZI_SERVER_HTTP_HEAD_H_
#define UFFIZI_SERVER_HTTP_HEAD_H_

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/http.h"

namespace uffizi::server {

using HttpParser = boost::beast::http::request_parser<boost::beast::http::string_body>;

// The parsed request line and headers.
struct HttpHead {
  HttpRequest request;
  std::optional<uint64_t> content_length;
  bool chunked = false;
  bool expects_continue = false;

  bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

// Reads a request's line and headers, with the empty line that ends them, into `parser`, which
// continues with the body. To prevent request smuggling between programs that parse a message
// differently, everything that RFC 9112 lets a server refuse is refused: bare CR or LF, folded
// lines, control characters, spaces before a colon, more than one length, any transfer coding but
// chunked, a missing or second Host. Throws Problem(400), (413), (417), (431), (501) or (505).
HttpHead ReadHead(std::string_view text, HttpParser& parser);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_HTTP_HEAD_H_
