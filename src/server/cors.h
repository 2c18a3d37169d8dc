#ifndef UFFIZI_SERVER_CORS_H_
#define UFFIZI_SERVER_CORS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http.h"

namespace uffizi::server {

// Which pages of other origins may ask the server from a browser, as the Fetch standard has it.
// Without origins, none may, and nothing is said of it.
class Cors {
 public:
  // "https://photos.example", or "*" for every origin.
  explicit Cors(std::vector<std::string> origins) : origins_(std::move(origins)) {}

  bool Allows(std::string_view origin) const;
  // The answer to a browser's question of whether it may ask: nothing if `request` is none.
  std::optional<HttpResponse> AnswerPreflight(const HttpRequest& request) const;
  // Lets the page that sent `request` read `response`, if it may.
  void Allow(const HttpRequest& request, HttpResponse& response) const;

 private:
  std::vector<std::string> origins_;
};

// Throws Error(kInvalidArgument) if it is neither "*" nor an origin: scheme, host and, if it is not
// the usual one, port.
void CheckOrigin(std::string_view origin);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_CORS_H_
