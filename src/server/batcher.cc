#include "server/batcher.h"

#include <algorithm>
#include <exception>
#include <span>

#include "server/problem.h"
#include "uffizi/image.h"

namespace uffizi::server {
namespace {

using Clock = Job::Clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Problem TimedOut() {
  return Problem(504, "timeout", "the answer took longer than the server's limit");
}

}  // namespace

// A job in the batch, and where its questions stand among the batch's queries.
struct Batcher::Asked {
  std::shared_ptr<Job> job;
  size_t first_query;
  double decode_seconds;
  double queue_seconds;
  bool timed_out = false;
  std::vector<bool> cut;  // for each question: stopped at max_tokens
};

Batcher::Batcher(std::shared_ptr<const Engine> engine, const BatcherOptions& options,
                 Metrics& metrics)
    : options_(options),
      metrics_(metrics),
      session_(std::move(engine)),
      worker_([this] { Work(); }) {}

Batcher::~Batcher() { Stop(); }

void Batcher::Stop() {
  stopping_ = true;
  Close();
  if (worker_.joinable()) worker_.join();
}

std::shared_ptr<Job> Batcher::Submit(AnnotateRequest request) {
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                           std::chrono::duration<double>(options_.max_seconds));
  auto job = std::make_shared<Job>(std::move(request), deadline);
  {
    const std::lock_guard lock(mutex_);
    if (closed_) throw Problem(503, "shutting_down", "the server is shutting down");
    if (queue_.size() >= options_.max_waiting) {
      throw Problem(
          503, "overloaded",
          std::to_string(queue_.size()) + " requests are waiting already; try again later");
    }
    queue_.push_back(job);
  }
  arrived_.notify_one();
  return job;
}

void Batcher::Cancel(const std::shared_ptr<Job>& job) {
  job->Cancel();
  metrics_.CountClientGone();
  const std::lock_guard lock(mutex_);
  std::erase(queue_, job);
}

void Batcher::Close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  arrived_.notify_all();
}

size_t Batcher::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

void Batcher::Work() {
  for (Jobs jobs = NextBatch(); !jobs.empty(); jobs = NextBatch()) Answer(jobs);
}

Batcher::Jobs Batcher::NextBatch() {
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [&] { return closed_ || !queue_.empty(); });
  Jobs jobs;
  size_t questions = 0;
  while (!queue_.empty()) {
    questions += queue_.front()->request.questions.size();
    if (!jobs.empty() && questions > options_.max_batch) break;
    jobs.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return jobs;
}

void Batcher::Answer(const Jobs& jobs) {
  std::vector<Asked> asked;
  std::vector<Query> queries;
  for (const std::shared_ptr<Job>& job : jobs) {
    try {
      Prepare(job, asked, queries);
    } catch (const std::exception&) {  // costs this request, not the others of the batch
      job->Fail(std::current_exception());
    }
  }
  if (queries.empty()) return;
  try {
    metrics_.CountBatch(queries.size());
    Run(asked, queries);
  } catch (const std::exception&) {
    for (const Asked& one : asked) one.job->Fail(std::current_exception());
  }
}

void Batcher::Prepare(const std::shared_ptr<Job>& job, std::vector<Asked>& asked,
                      std::vector<Query>& queries) {
  const AnnotateRequest& request = job->request;
  const double queue_seconds = SecondsSince(job->created);
  if (stopping_) throw Problem(503, "shutting_down", "the server is shutting down");
  if (job->cancelled()) throw Problem(499, "cancelled", "the client went away");
  if (Clock::now() > job->deadline) throw TimedOut();
  const auto start = Clock::now();
  const auto* bytes = reinterpret_cast<const uint8_t*>(request.image.data());
  const Image image =
      DecodeImage({bytes, request.image.size()}, request.image_name, request.decode);
  const double decode_seconds = SecondsSince(start);
  // The questions first: what is wrong with them needs no encoding.
  std::vector<Prompt> prompts;
  for (const RequestedTask& question : request.questions) {
    prompts.push_back(question.For(image.width, image.height));
  }
  const EncodedImage encoded = session_.Encode(image.view());
  std::vector<Query> own;
  for (const Prompt& prompt : prompts) {
    own.push_back(engine().MakeQuery(encoded, prompt, request.generation));
  }
  asked.push_back(
      {job, queries.size(), decode_seconds, queue_seconds, false, std::vector<bool>(own.size())});
  queries.insert(queries.end(), own.begin(), own.end());
}

void Batcher::Run(std::vector<Asked>& asked, const std::vector<Query>& queries) {
  std::vector<Asked*> owners(queries.size());  // of each query
  for (Asked& one : asked) {
    for (size_t i = 0; i < one.cut.size(); ++i) owners[one.first_query + i] = &one;
  }
  std::vector<Result> results = session_.Run(queries, [&](const Progress& progress) {
    Asked& one = *owners[progress.query];
    const size_t question = progress.query - one.first_query;
    if (stopping_ || one.job->cancelled()) return false;
    if (Clock::now() > one.job->deadline) {
      one.timed_out = true;
      return false;
    }
    one.job->Update(question, progress.text, queries[progress.query].num_beams() == 1);
    if (progress.token_ids.size() < static_cast<size_t>(options_.max_tokens)) return true;
    one.cut[question] = true;
    return false;
  });
  const int image_tokens = engine().info().image_tokens;
  for (Asked& one : asked) {
    if (stopping_ || one.timed_out) {
      one.job->Fail(std::make_exception_ptr(
          one.timed_out ? TimedOut()
                        : Problem(503, "shutting_down", "the server is shutting down")));
      continue;
    }
    Answered answered;
    answered.queue_seconds = one.queue_seconds;
    for (size_t i = 0; i < one.cut.size(); ++i) {
      Result& result = results[one.first_query + i];
      Timings& timings = result.timings;
      if (i == 0) {
        timings.decode = one.decode_seconds;
        timings.total += one.decode_seconds;
      } else {  // the picture was decoded and encoded once, for the first
        timings.total -= timings.preprocess + timings.vision_encoder;
        timings.preprocess = timings.vision_encoder = 0;
      }
      result.truncated |= one.cut[i];
      answered.input_tokens.push_back(
          image_tokens + static_cast<int>(queries[one.first_query + i].input_ids().size()));
      metrics_.CountResult(result);
      answered.results.push_back(std::move(result));
    }
    one.job->Finish(std::move(answered));
  }
}

}  // namespace uffizi::server
