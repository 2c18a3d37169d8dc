#include "server/server.h"

#include <chrono>
#include <thread>

namespace uffizi {

Server::Server(std::shared_ptr<const Engine> engine, const ServerOptions& options)
    : batcher_(std::move(engine), options.batcher, metrics_),
      api_(options.api, batcher_, metrics_),
      http_(std::make_unique<HttpServer>(options.http, api_)) {}

Server::~Server() {
  batcher_.Stop();  // connections wait for it
}

void Server::Shutdown(double grace_seconds) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(grace_seconds));
  api_.SetShuttingDown();
  http_->StopListening();
  while (api_.active() > 0 && Clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  batcher_.Stop();
  http_.reset();
}

}  // namespace uffizi
