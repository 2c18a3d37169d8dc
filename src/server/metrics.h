#ifndef UFFIZI_SERVER_METRICS_H_
#define UFFIZI_SERVER_METRICS_H_

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/scheduler.h"
#include "uffizi/types.h"

namespace uffizi::server {

// The metrics of GET /metrics, in Prometheus's text format. Thread-safe.
class Metrics {
 public:
  Metrics();

  // `path` must be one of the server's own paths, so that the number of series stays small.
  void CountRequest(const std::string& path, int status, double seconds);
  void CountClientGone();
  void CountResult(const Result& result);

  // Values that are read on request, such as waiting requests and open connections.
  struct Gauges {
    Scheduler::Load load;
    size_t waiting_limit = 0;
    size_t active_requests = 0;
    size_t connections = 0;
    size_t held_bytes = 0;
  };
  std::string Text(const Gauges& gauges) const;

 private:
  // Prometheus's histogram: how many values were at most each bound.
  struct Histogram {
    explicit Histogram(std::vector<double> upper_bounds)
        : bounds(std::move(upper_bounds)), counts(bounds.size()) {}
    void Add(double value);
    void Write(const std::string& name, const std::string& help, std::string& out) const;

    std::vector<double> bounds;
    std::vector<uint64_t> counts;
    uint64_t count = 0;
    double sum = 0;
  };

  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, uint64_t> requests_;  // by path and status
  Histogram request_seconds_;
  std::map<std::string, uint64_t> results_;      // by task
  std::map<std::string, double> stage_seconds_;  // by stage
  uint64_t tokens_ = 0;
  uint64_t clients_gone_ = 0;
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_METRICS_H_
