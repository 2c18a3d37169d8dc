#ifndef UFFIZI_SERVER_CORS_H_
#define UFFIZI_SERVER_CORS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http.h"

namespace uffizi::server {

// The pages of other origins that may send requests from a browser (CORS, as in the Fetch
// standard). Without origins, none may, and no CORS headers are sent.
class Cors {
 public:
  // "https://photos.example", or "*" for every origin.
  explicit Cors(std::vector<std::string> origins) : origins_(std::move(origins)) {}

  bool Allows(std::string_view origin) const;
  // Whether a request comes from no page, from the server's own page, or from an allowed origin.
  // Browsers send a request that needs no preflight before they check.
  bool IsOwnOrAllowed(const HttpRequest& request) const;
  // The response to a preflight request; nothing if `request` is not one.
  std::optional<HttpResponse> AnswerPreflight(const HttpRequest& request) const;
  // Adds headers that let the page that sent `request` read `response`, if it is allowed.
  void Allow(const HttpRequest& request, HttpResponse& response) const;

 private:
  std::vector<std::string> origins_;
};

// Throws Error(kInvalidArgument) if it is neither "*" nor an origin: scheme, host and, if it is not
// the usual one, port.
void CheckOrigin(std::string_view origin);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_CORS_H_
