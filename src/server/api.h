#ifndef UFFIZI_SERVER_API_H_
#define UFFIZI_SERVER_API_H_

#include <atomic>
#include <string>
#include <vector>

#include "server/access_log.h"
#include "server/annotate_request.h"
#include "server/batcher.h"
#include "server/http.h"
#include "server/metrics.h"

namespace uffizi::server {

struct ApiOptions {
  RequestLimits limits;
  std::string model_name;                  // in answers
  std::vector<std::string> api_keys = {};  // any of which /v1/ asks for; empty: none
  std::string log = {};                    // where a line for each request goes: see AccessLog
};

// Memory that a byte of a JSON body takes at most while it is parsed.
inline constexpr size_t kBytesOfJson = 4;

// What the server answers to each path; docs/server.md and /openapi.json describe it.
class Api : public HttpHandler {
 public:
  Api(ApiOptions options, Batcher& batcher, Metrics& metrics, AccessLog& log);

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
  // Tells of `server`'s connections in /metrics, from now on; null: no more.
  void Watch(const HttpServer* server) { server_ = server; }
  // From here on /healthz says that the server is going away.
  void SetShuttingDown() { shutting_down_ = true; }

 private:
  struct Route {
    std::string method, path;
    HttpResponse (Api::*answer)(HttpRequest&);
    bool quick = true;
  };

  static std::vector<Route> AddFiles(std::vector<Route> routes);
  std::string ModelJson() const;
  const Route* FindRoute(const std::string& method, const std::string& path) const;
  HttpResponse WrongPath(const HttpRequest& request) const;
  bool HasKey(const HttpRequest& request) const;

  HttpResponse Annotate(HttpRequest& request);
  HttpResponse Chat(HttpRequest& request);
  HttpResponse Thumbnail(HttpRequest& request);
  HttpResponse Limits(HttpRequest& request);
  HttpResponse Models(HttpRequest& request);
  HttpResponse Model(HttpRequest& request);
  HttpResponse Tasks(HttpRequest& request);
  HttpResponse Health(HttpRequest& request);
  HttpResponse MetricsText(HttpRequest& request);
  HttpResponse File(HttpRequest& request);  // of web/, and the OpenAPI document

  const ApiOptions options_;
  Batcher& batcher_;
  Metrics& metrics_;
  AccessLog& log_;
  const std::vector<Route> routes_;
  const int64_t started_;  // seconds since 1970
  std::atomic<size_t> active_ = 0;
  std::atomic<bool> shutting_down_ = false;
  std::atomic<const HttpServer*> server_ = nullptr;
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_API_H_
