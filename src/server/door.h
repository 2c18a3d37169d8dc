#ifndef UFFIZI_SERVER_DOOR_H_
#define UFFIZI_SERVER_DOOR_H_

#include <functional>
#include <string>
#include <vector>

#include "server/http.h"
#include "server/models.h"
#include "server/picture_input.h"

namespace uffizi::server {

// What all protocols of the server share.
struct Door {
  Models& models;
  const PictureAccess& access;
  int64_t started;  // seconds since 1970

  const RequestLimits& limits() const { return models.limits(); }
};

// The handler of a path.
struct Route {
  std::string method, path;
  std::function<HttpResponse(HttpRequest&)> answer;
  bool quick = true;  // see HttpHandler::Quick
};

// The paths of each protocol; docs/doors.md describes what is supported.
std::vector<Route> OpenAiRoutes(const Door& door);
std::vector<Route> OllamaRoutes(const Door& door);
std::vector<Route> McpRoutes(const Door& door);
std::vector<Route> LabelStudioRoutes(const Door& door);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_DOOR_H_
