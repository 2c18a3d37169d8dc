#ifndef UFFIZI_SERVER_BATCHER_H_
#define UFFIZI_SERVER_BATCHER_H_

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "server/job.h"
#include "server/metrics.h"
#include "uffizi/engine.h"

namespace uffizi::server {

struct BatcherOptions {
  size_t max_waiting = 64;   // requests, beside those being answered
  size_t max_batch = 8;      // questions that are answered together, if one request has no more
  int max_tokens = 1024;     // of an answer, which then is truncated
  double max_seconds = 120;  // of a request, from its arrival
};

// The one worker of the engine. Requests that have come while it was busy are answered together, in
// one Session::Run.
class Batcher {
 public:
  Batcher(std::shared_ptr<const Engine> engine, const BatcherOptions& options, Metrics& metrics);
  ~Batcher();

  // Queues a request. Throws Problem(503) if the queue is full, or after Close.
  std::shared_ptr<Job> Submit(AnnotateRequest request);
  // Nobody waits for this job any more: it leaves the queue, or its answer is broken off.
  void Cancel(const std::shared_ptr<Job>& job);
  // Takes no more requests; those that are here are answered.
  void Close();
  // Closes, fails what still waits, breaks off what runs, and waits for the worker.
  void Stop();

  size_t waiting() const;
  const BatcherOptions& options() const { return options_; }
  const Engine& engine() const { return session_.engine(); }

 private:
  struct Asked;
  using Jobs = std::vector<std::shared_ptr<Job>>;

  void Work();
  Jobs NextBatch();
  void Answer(const Jobs& jobs);
  void Prepare(const std::shared_ptr<Job>& job, std::vector<Asked>& asked,
               std::vector<Query>& queries);
  void Run(std::vector<Asked>& asked, const std::vector<Query>& queries);

  const BatcherOptions options_;
  Metrics& metrics_;
  Session session_;  // the worker's
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::shared_ptr<Job>> queue_;
  bool closed_ = false;
  std::atomic<bool> stopping_ = false;
  std::thread worker_;
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_BATCHER_H_
