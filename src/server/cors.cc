#include "server/cors.h"

#include <algorithm>

#include "uffizi/error.h"

namespace uffizi::server {

bool Cors::Allows(std::string_view origin) const {
  return std::any_of(origins_.begin(), origins_.end(), [&](const std::string& allowed) {
    return allowed == "*" || allowed == origin;
  });
}

bool Cors::IsOwnOrAllowed(const HttpRequest& request) const {
  const auto origin = request.Header("Origin");
  if (!origin || Allows(*origin)) return true;
  const size_t host = origin->find("://");
  return host != std::string_view::npos && origin->substr(host + 3) == request.Header("Host");
}

std::optional<HttpResponse> Cors::AnswerPreflight(const HttpRequest& request) const {
  const auto method = request.Header("Access-Control-Request-Method");
  const auto origin = request.Header("Origin");
  if (request.method != "OPTIONS" || !method || !origin || !Allows(*origin)) return std::nullopt;
  HttpResponse response;
  response.status = 204;
  response.content_type = "";
  Allow(request, response);
  const auto add = [&](const char* name, std::string_view value) {
    response.headers.emplace_back(name, value);
  };
  add("Access-Control-Allow-Methods", "GET, HEAD, POST");
  if (const auto headers = request.Header("Access-Control-Request-Headers")) {
    add("Access-Control-Allow-Headers", *headers);
  }
  if (request.Header("Access-Control-Request-Private-Network")) {
    add("Access-Control-Allow-Private-Network", "true");
  }
  add("Access-Control-Max-Age", "600");
  return response;
}

void Cors::Allow(const HttpRequest& request, HttpResponse& response) const {
  if (origins_.empty()) return;
  response.headers.emplace_back("Vary", "Origin");
  const auto origin = request.Header("Origin");
  if (!origin || !Allows(*origin)) return;
  response.headers.emplace_back("Access-Control-Allow-Origin", *origin);
  response.headers.emplace_back("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate");
}

void CheckOrigin(std::string_view origin) {
  if (origin == "*") return;
  const bool http = origin.starts_with("http://") || origin.starts_with("https://");
  const size_t host = origin.find("://") + 3;
  if (!http || host >= origin.size() || origin.find('/', host) != std::string_view::npos) {
    throw Error(ErrorCode::kInvalidArgument,
                std::string(origin) +
                    ": an origin is a scheme and a host, such as "
                    "https://photos.example or http://localhost:3000; or *");
  }
}

}  // namespace uffizi::server
