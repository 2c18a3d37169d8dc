#ifndef UFFIZI_SERVER_DOOR_H_
#define UFFIZI_SERVER_DOOR_H_

#include <functional>
#include <string>
#include <vector>

#include "server/http.h"
#include "server/models.h"
#include "server/picture_input.h"

namespace uffizi::server {

// What every protocol of the server answers from.
struct Door {
  Models& models;
  const PictureAccess& access;
  int64_t started;  // seconds since 1970

  const RequestLimits& limits() const { return models.limits(); }
};

// What is answered at a path.
struct Route {
  std::string method, path;
  std::function<HttpResponse(HttpRequest&)> answer;
  bool quick = true;  // see HttpHandler::Quick
};

// The paths of each protocol; docs/doors.md tells what is taken of each.
std::vector<Route> OpenAiRoutes(const Door& door);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_DOOR_H_
