#ifndef UFFIZI_SERVER_WAITING_JOB_H_
#define UFFIZI_SERVER_WAITING_JOB_H_

#include <chrono>
#include <memory>

#include "server/http.h"
#include "server/job.h"
#include "server/models.h"

namespace uffizi::server {

// A connection's handle of its job: cancels it when the client disconnects, or when the handle is
// destroyed before the job has ended.
class WaitingJob {
 public:
  // Submits the request; throws what Batcher::Submit() throws.
  WaitingJob(std::shared_ptr<ServedModel> model, const HttpRequest& request, AnnotateRequest asked)
      : model_(std::move(model)),
        request_(request),
        job_(model_->batcher.Submit(std::move(asked))) {}
  ~WaitingJob();
  WaitingJob(const WaitingJob&) = delete;
  WaitingJob& operator=(const WaitingJob&) = delete;

  // Waits for news, at most for `limit`; with `stages`, changes of the stage are news too. Throws
  // Problem(499) if the client has disconnected.
  Job::News Wait(std::chrono::milliseconds limit, bool stages = false);
  // Waits for the answers; throws if there are none.
  Answered WaitForEnd();

  Job& job() { return *job_; }
  const ServedModel& model() const { return *model_; }

 private:
  const std::shared_ptr<ServedModel> model_;
  const HttpRequest& request_;
  const std::shared_ptr<Job> job_;
  std::optional<Job::Stage> stage_;  // that was reported last
  bool ended_ = false;
};

// Submits a request to the model that it names, within that model's limits, as one of `pictures`
// asked together. Throws Problem and Error.
std::shared_ptr<WaitingJob> Submit(Models& models, HttpRequest& request, AnnotateRequest asked,
                                   size_t pictures = 1);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_WAITING_JOB_H_
