#include "server/batcher.h"

#include <exception>
#include <utility>

#include "server/problem.h"

namespace uffizi::server {
namespace {

SchedulerOptions OptionsOf(const BatcherOptions& options) {
  SchedulerOptions scheduler;
  scheduler.workers = options.workers;
  scheduler.threads = options.threads;
  scheduler.shared = options.shared;
  scheduler.batch = options.max_batch;
  scheduler.fair = true;
  return scheduler;
}

}  // namespace

Batcher::Batcher(std::shared_ptr<const Engine> engine, const BatcherOptions& options,
                 Metrics& metrics)
    : options_(options), metrics_(metrics), scheduler_(std::move(engine), OptionsOf(options)) {}

Batcher::~Batcher() { Stop(); }

void Batcher::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

void Batcher::Stop() {
  Close();
  scheduler_.Stop();
}

std::shared_ptr<Job> Batcher::Submit(AnnotateRequest request) {
  const auto deadline = request.arrived + std::chrono::duration_cast<Job::Clock::duration>(
                                              std::chrono::duration<double>(options_.max_seconds));
  auto job = std::make_shared<Job>(std::move(request), deadline);
  const AnnotateRequest& asked = job->request;
  Ask ask;
  ask.name = asked.image_name;
  auto file = std::make_shared<const ImageFile>(job->TakeImage());
  ask.file = {reinterpret_cast<const uint8_t*>(file->bytes.data()), file->bytes.size()};
  ask.holder = std::move(file);
  ask.decode = asked.decode;
  ask.tiles = asked.tiles;
  ask.filter = asked.filter;
  ask.keep_pixels = asked.keep_pixels;
  ask.questions = asked.questions;
  ask.generation = asked.generation;
  ask.max_tokens = options_.max_tokens;
  ask.deadline = deadline;
  ask.all_or_nothing = true;
  if (asked.stream) {
    ask.progress = [job](size_t question, const std::string& text, bool only_grows) {
      job->Update(question, text, only_grows);
    };
  }
  ask.look = asked.look;
  ask.done = [this, job](Asked answers) { Finish(*job, std::move(answers)); };
  const std::lock_guard lock(mutex_);
  if (closed_) throw ShuttingDown();
  const size_t waiting = scheduler_.load().waiting;
  if (waiting >= options_.max_waiting) {
    throw Problem(503, "overloaded",
                  std::to_string(waiting) + " requests are waiting already; try again later");
  }
  job->work = scheduler_.Submit(std::move(ask));
  return job;
}

void Batcher::Cancel(const std::shared_ptr<Job>& job) {
  metrics_.CountClientGone();
  scheduler_.Cancel(job->work);
}

Job::Stage Batcher::StageOf(const Job& job) const {
  const std::optional<size_t> ahead = scheduler_.Ahead(job.work);
  return {ahead.has_value(), ahead.value_or(0)};
}

// Called by the scheduler's threads.
void Batcher::Finish(Job& job, Asked asked) {
  switch (asked.end) {
    case AskedEnd::kFailed:
      return job.Fail(asked.failure);
    case AskedEnd::kCancelled:
      return job.Fail(std::make_exception_ptr(ClientGone()));
    case AskedEnd::kOverdue:
      return job.Fail(std::make_exception_ptr(TimedOut()));
    case AskedEnd::kStopped:
      return job.Fail(std::make_exception_ptr(ShuttingDown()));
    case AskedEnd::kAnswered:
      break;
  }
  Answered answered;
  answered.queue_seconds = asked.queue_seconds;
  answered.image = std::move(asked.image);
  for (size_t q = 0; q < asked.results.size(); ++q) {
    for (size_t i = 0; i < asked.results[q].size(); ++i) {
      metrics_.CountResult(asked.results[q][i]);
      answered.input_tokens.push_back(asked.input_tokens[q][i]);
      answered.results.push_back(std::move(asked.results[q][i]));
    }
  }
  job.Finish(std::move(answered));
}

}  // namespace uffizi::server
