#ifndef UFFIZI_SERVER_SERVER_H_
#define UFFIZI_SERVER_SERVER_H_

#include <chrono>
#include <memory>
#include <vector>

#include "server/api.h"
#include "server/http.h"
#include "server/metrics.h"
#include "server/models.h"

namespace uffizi::server {

struct ServerOptions {
  HttpOptions http;
  ApiOptions api;
  Models::Options models;
};

// The HTTP API for one or several models. Listens from construction until shutdown.
class Server {
 public:
  // Loads the first model. Throws what that throws, and HttpServer's constructor.
  Server(std::vector<ModelSource> models, const ServerOptions& options);
  ~Server();

  int port() const { return http_->port(); }
  // Reopens the access log by name.
  void ReopenLog() { log_.Reopen(); }
  // Refuses new requests, answers existing ones for at most this many seconds, and stops. Call it
  // once.
  void Shutdown(double grace_seconds);

 private:
  void WaitUntilIdle(std::chrono::duration<double> limit) const;

  AccessLog log_;
  Metrics metrics_;
  Models models_;
  Api api_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_SERVER_H_
