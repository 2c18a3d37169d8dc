#include "server/waiting_job.h"

#include <algorithm>

#include "server/problem.h"

namespace uffizi::server {

WaitingJob::~WaitingJob() {
  if (!ended_) model_->batcher.Cancel(job_);
}

Job::News WaitingJob::Wait(std::chrono::milliseconds limit, bool stages) {
  // How quickly a disconnected client is noticed.
  constexpr std::chrono::milliseconds kGlance{50};
  const auto end = Job::Clock::now() + limit;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - Job::Clock::now());
    Job::News news = job_->Wait(std::clamp(left, std::chrono::milliseconds{0}, kGlance));
    ended_ = news.ended;
    if (news.ended || !news.texts.empty() || left.count() <= 0) return news;
    if (const Job::Stage stage = model_->batcher.StageOf(*job_); stages && stage != stage_) {
      news.stage = stage_ = stage;
      return news;
    }
    // The scheduler checks only between two steps, which may be far apart.
    if (Job::Clock::now() > job_->deadline + kGlance) throw TimedOut();
    if (request_.ClientGone()) throw ClientGone();
  }
}

Answered WaitingJob::WaitForEnd() {
  while (!Wait(std::chrono::hours{1}).ended) {
  }
  return job_->Take();
}

std::shared_ptr<WaitingJob> Submit(Models& models, HttpRequest& request, AnnotateRequest asked,
                                   size_t pictures) {
  request.body_bytes.Shrink(0);  // the parsed body is freed; its pictures have leases of their own
  std::shared_ptr<ServedModel> model = models.Open(asked.model);
  ApplyLimits(model->limits, asked, pictures);
  return std::make_shared<WaitingJob>(std::move(model), request, std::move(asked));
}

}  // namespace uffizi::server
