#ifndef UFFIZI_SERVER_API_H_
#define UFFIZI_SERVER_API_H_

#include <atomic>
#include <string>
#include <vector>

#include "server/annotate_request.h"
#include "server/batcher.h"
#include "server/http.h"
#include "server/metrics.h"

namespace uffizi::server {

struct ApiOptions {
  RequestLimits limits;
  std::string model_name;  // in answers
  std::string api_key;     // that /v1/ asks for; "": none
};

// What the server answers to each path; docs/server.md and /openapi.json describe it.
class Api : public HttpHandler {
 public:
  Api(ApiOptions options, Batcher& batcher, Metrics& metrics);

  std::optional<HttpResponse> Refuse(const HttpRequest& request) override;
  HttpResponse Answer(const HttpRequest& request) override;
  HttpResponse TooLarge(const HttpRequest& request) override;
  HttpResponse Failed(const HttpRequest& request, const std::exception& error) override;
  void Done(const HttpRequest& request, int status, double seconds) override;

  // Requests that are being read or answered.
  size_t active() const { return active_; }
  // From here on /healthz says that the server is going away.
  void SetShuttingDown() { shutting_down_ = true; }

 private:
  struct Route {
    std::string method, path;
    HttpResponse (Api::*answer)(const HttpRequest&);
  };

  static std::vector<Route> AddFiles(std::vector<Route> routes);
  std::string ModelJson() const;
  const Route* FindRoute(const HttpRequest& request) const;
  bool HasKey(const HttpRequest& request) const;

  HttpResponse Annotate(const HttpRequest& request);
  HttpResponse Chat(const HttpRequest& request);
  HttpResponse Models(const HttpRequest& request);
  HttpResponse Model(const HttpRequest& request);
  HttpResponse Tasks(const HttpRequest& request);
  HttpResponse Health(const HttpRequest& request);
  HttpResponse MetricsText(const HttpRequest& request);
  HttpResponse File(const HttpRequest& request);  // of web/, and the OpenAPI document

  const ApiOptions options_;
  Batcher& batcher_;
  Metrics& metrics_;
  const std::vector<Route> routes_;
  const int64_t started_;  // seconds since 1970
  std::atomic<size_t> active_ = 0;
  std::atomic<bool> shutting_down_ = false;
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_API_H_
