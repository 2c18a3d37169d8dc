#ifndef UFFIZI_SERVER_SERVER_H_
#define UFFIZI_SERVER_SERVER_H_

#include <chrono>
#include <memory>

#include "server/api.h"
#include "server/batcher.h"
#include "server/http.h"
#include "server/metrics.h"
#include "uffizi/engine.h"

namespace uffizi::server {

struct ServerOptions {
  HttpOptions http;
  ApiOptions api;
  BatcherOptions batcher;
};

// The HTTP API over one engine. Listens from its construction to its shutdown.
class Server {
 public:
  // Throws what HttpServer's constructor throws.
  Server(std::shared_ptr<const Engine> engine, const ServerOptions& options);
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
  Batcher batcher_;
  Api api_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_SERVER_H_
