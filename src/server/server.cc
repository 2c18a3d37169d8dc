#include "server/server.h"

#include <thread>

namespace uffizi::server {

Server::Server(std::vector<ModelSource> models, const ServerOptions& options)
    : log_(options.api.log),
      models_(std::move(models), options.models, metrics_),
      api_(options.api, models_, metrics_, log_),
      http_(std::make_unique<HttpServer>(options.http, api_)) {
  api_.Watch(http_.get());
}

Server::~Server() {
  api_.Watch(nullptr);
  models_.Stop();  // connections wait for it
}

void Server::WaitUntilIdle(std::chrono::duration<double> limit) const {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (api_.active() > 0 && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void Server::Shutdown(double grace_seconds) {
  api_.SetShuttingDown();
  http_->StopListening();
  WaitUntilIdle(std::chrono::duration<double>(grace_seconds));
  models_.Stop();
  // Aborted requests get their response before the connections are closed.
  WaitUntilIdle(std::chrono::seconds(2));
  api_.Watch(nullptr);
  http_.reset();
}

}  // namespace uffizi::server
