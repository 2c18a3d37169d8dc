#ifndef UFFIZI_SERVER_API_H_
#define UFFIZI_SERVER_API_H_

#include <atomic>
#include <string>
#include <vector>

#include "server/access_log.h"
#include "server/cors.h"
#include "server/door.h"
#include "server/http.h"
#include "server/metrics.h"

namespace uffizi::server {

struct ApiOptions {
  PictureAccess access = {};
  std::vector<std::string> api_keys = {};  // any of which is accepted; empty: no key needed
  std::vector<std::string> cors = {};      // origins whose pages may send requests: see Cors
  std::string log = {};                    // file for a line per request: see AccessLog
};

// Maximum memory per byte of a JSON body while it is parsed.
inline constexpr size_t kBytesOfJson = 4;

// Answers requests by path; docs/server.md and /openapi.json describe them.
class Api : public HttpHandler {
 public:
  Api(ApiOptions options, Models& models, Metrics& metrics, AccessLog& log);

  bool Quick(const HttpRequest& request) const override;
  bool Vital(const HttpRequest& request) const override;
  std::optional<HttpResponse> Refuse(const HttpRequest& request) override;
  size_t BytesHeld(const HttpRequest& request) const override;
  HttpResponse Answer(HttpRequest& request) override;
  HttpResponse Failed(const HttpRequest& request, const std::exception& error) override;
  void Begun() override { ++active_; }
  void Done(const HttpExchange& exchange) override;

  // Requests that are being read or answered.
  size_t active() const { return active_; }
  // Reports `server`'s connections in /metrics from now on; null to stop.
  void Watch(const HttpServer* server) { server_ = server; }
  // From here on /healthz reports that the server is shutting down.
  void SetShuttingDown() { shutting_down_ = true; }

 private:
  std::vector<Route> MakeRoutes();
  const Route* FindRoute(const std::string& method, const std::string& path) const;
  std::optional<HttpResponse> RefuseUnasked(const HttpRequest& request) const;
  HttpResponse WrongPath(const HttpRequest& request) const;
  bool HasKey(const HttpRequest& request) const;

  HttpResponse Annotate(HttpRequest& request);
  HttpResponse Thumbnail(HttpRequest& request);
  HttpResponse Limits();
  HttpResponse Health();
  HttpResponse MetricsText();

  const ApiOptions options_;
  const Cors cors_;
  Models& models_;
  Metrics& metrics_;
  AccessLog& log_;
  const Door door_;
  const std::vector<Route> routes_;
  std::atomic<size_t> active_ = 0;
  std::atomic<bool> shutting_down_ = false;
  std::atomic<const HttpServer*> server_ = nullptr;
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_API_H_
