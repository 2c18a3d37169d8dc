#ifndef UFFIZI_SERVER_WAITING_JOB_H_
#define UFFIZI_SERVER_WAITING_JOB_H_

#include <chrono>
#include <memory>

#include "server/batcher.h"
#include "server/http.h"
#include "server/job.h"

namespace uffizi::server {

// A connection's hold on its job: gives it up when the client goes away, or when it is destroyed
// before the job has ended.
class WaitingJob {
 public:
  // Submits the request; throws what Batcher::Submit throws.
  WaitingJob(Batcher& batcher, const HttpRequest& request, AnnotateRequest asked)
      : batcher_(batcher), request_(request), job_(batcher.Submit(std::move(asked))) {}
  ~WaitingJob();
  WaitingJob(const WaitingJob&) = delete;
  WaitingJob& operator=(const WaitingJob&) = delete;

  // Waits for news, but no longer than `limit`; with `stages`, those are news, too. Throws
  // Problem(499) if the client is gone.
  Job::News Wait(std::chrono::milliseconds limit, bool stages = false);
  // Waits for the answers; throws what became of them instead.
  Answered WaitForEnd();

  Job& job() { return *job_; }

 private:
  Batcher& batcher_;
  const HttpRequest& request_;
  const std::shared_ptr<Job> job_;
  std::optional<Job::Stage> stage_;  // that was told last
  bool ended_ = false;
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_WAITING_JOB_H_
