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

// The HTTP API over one model, or several. Listens from its construction to its shutdown.
class Server {
 public:
  // Loads the first model. Throws what that throws, and HttpServer's constructor.
  Server(std::vector<ModelSource> models, const ServerOptions& options);
  ~Server();

  int port() const { return http_->port(); }
  // Opens the access log by its name again.
  void ReopenLog() { log_.Reopen(); }
  // Refuses what is new, answers what is here for at most so many seconds, and ends. Call it once.
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
