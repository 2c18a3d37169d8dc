#ifndef UFFIZI_SERVER_BATCHER_H_
#define UFFIZI_SERVER_BATCHER_H_

#include <memory>
#include <mutex>

#include "engine/scheduler.h"
#include "server/job.h"
#include "server/metrics.h"
#include "uffizi/engine.h"

namespace uffizi::server {

struct BatcherOptions {
  size_t max_waiting = 64;  // requests whose picture is waiting to be encoded
  size_t max_batch = 8;     // questions that a worker answers together
  int workers = 1;          // of the scheduler
  int threads = 1;          // of all workers together
  std::shared_ptr<SharedThreads> shared = nullptr;  // of all models; null: threads of its own
  int max_tokens = 1024;                            // of an answer, which then is truncated
  double max_seconds = 120;                         // of a request, from its arrival
};

// Passes requests to the scheduler, and answers back.
class Batcher {
 public:
  Batcher(std::shared_ptr<const Engine> engine, const BatcherOptions& options, Metrics& metrics);
  ~Batcher();

  // Submits a request. Throws Problem(503) if too many wait, or after Close().
  std::shared_ptr<Job> Submit(AnnotateRequest request);
  // Cancels a job that nobody waits for: it leaves the queue, or its answer is aborted.
  void Cancel(const std::shared_ptr<Job>& job);
  // The stage of a job that has not ended.
  Job::Stage StageOf(const Job& job) const;
  // Accepts no more requests; existing ones are answered.
  void Close();
  // Closes, and aborts existing requests.
  void Stop();

  Scheduler::Load load() const { return scheduler_.load(); }
  const BatcherOptions& options() const { return options_; }

 private:
  void Finish(Job& job, Asked asked);

  const BatcherOptions options_;
  Metrics& metrics_;
  std::mutex mutex_;
  bool closed_ = false;
  Scheduler scheduler_;
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_BATCHER_H_
