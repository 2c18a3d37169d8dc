#include "engine/scheduler.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include "engine/scheduler_work.h"
#include "engine/scheduler_worker.h"

namespace uffizi {
namespace {

// Pictures of more pixels are decoded one at a time, when no other pixels wait.
constexpr size_t kUsualPixels = 24'000'000;

}  // namespace

Scheduler::Impl::Impl(std::shared_ptr<const Engine> loaded, const SchedulerOptions& wanted)
    : engine(std::move(loaded)),
      options(wanted),
      shared(wanted.shared ? wanted.shared : SharedThreads::For(wanted.threads, wanted.workers)),
      image_tokens(engine->info().image_tokens) {
  for (int i = 0; i < options.workers; ++i) {
    threads_.emplace_back([this] { Worker(*this).Run(); });
    threads_.emplace_back([this] { DecodePictures(); });
  }
}

Scheduler::Impl::~Impl() {
  Stop();
  for (std::thread& thread : threads_) thread.join();
}

Scheduler::WorkPtr Scheduler::Impl::Submit(Ask ask) {
  auto work = std::make_shared<Work>(std::move(ask), image_tokens);
  std::unique_lock lock(mutex);
  if (stopping) {
    work->submitted = false;
    End(work, AskedEnd::kStopped, nullptr, lock);
    return work;
  }
  raw.push_back(work);
  ++load.waiting;
  fresh += options.fair ? 1 : 0;
  lock.unlock();
  to_decode.notify_one();
  return work;
}

void Scheduler::Impl::Cancel(const WorkPtr& work) {
  std::unique_lock lock(mutex);
  work->cancelled = true;
  // A thread that holds it notices at the next token; work that no thread holds ends here.
  if (work->held == 0 && !work->ended) End(work, AskedEnd::kCancelled, nullptr, lock);
}

bool Scheduler::Impl::CancelWaiting(const WorkPtr& work) {
  std::unique_lock lock(mutex);
  if (std::find(raw.begin(), raw.end(), work) == raw.end()) return false;
  work->cancelled = true;
  End(work, AskedEnd::kCancelled, nullptr, lock);
  return true;
}

std::optional<size_t> Scheduler::Impl::Ahead(const WorkPtr& work) const {
  const std::lock_guard lock(mutex);
  if (work->begun || work->ended) return std::nullopt;
  const auto place_in = [&](const std::deque<WorkPtr>& queue) {
    return static_cast<size_t>(std::find(queue.begin(), queue.end(), work) - queue.begin());
  };
  if (const size_t place = place_in(decoded); place < decoded.size()) return place;
  const size_t place = place_in(raw);
  if (place == raw.size()) return decoded.size();  // it is being decoded
  return load.waiting - raw.size() + place;
}

void Scheduler::Impl::Stop() {
  std::unique_lock lock(mutex);
  stopping = true;
  for (auto* queue : {&raw, &decoded, &asking}) {
    while (!queue->empty()) {
      const WorkPtr work = queue->front();
      queue->pop_front();
      if (work->held == 0 && !work->ended) End(work, AskedEnd::kStopped, nullptr, lock);
    }
  }
  lock.unlock();
  to_decode.notify_all();
  to_answer.notify_all();
}

std::optional<AskedEnd> Scheduler::Impl::MustEnd(const Work& work) const {
  if (stopping) return AskedEnd::kStopped;
  if (work.cancelled) return AskedEnd::kCancelled;
  if (work.failed) return AskedEnd::kFailed;
  if (work.ask.deadline && Ask::Clock::now() > *work.ask.deadline) return AskedEnd::kOverdue;
  return std::nullopt;
}

void Scheduler::Impl::End(const WorkPtr& work, AskedEnd end, std::exception_ptr failure,
                          std::unique_lock<std::mutex>& lock) {
  work->ended = true;
  std::erase(raw, work);
  std::erase(decoded, work);
  std::erase(asking, work);
  if (work->submitted) {
    --(work->begun ? load.answering : load.waiting);
    if (work->fresh && options.fair) --fresh;
    pixel_bytes -= work->image.pixels.size();
  }
  lock.unlock();
  to_decode.notify_all();
  to_answer.notify_all();
  Asked asked = work->TakeAnswers(end, std::move(failure));
  work->ask.holder.reset();
  work->ask.done(std::move(asked));
  work->ask.done = nullptr;  // the callback may hold a reference to the work
  work->ask.progress = nullptr;
  work->ask.look = nullptr;
  lock.lock();
}

bool Scheduler::Impl::MayDecode() const {
  if (raw.empty()) return false;
  if (raw.front()->huge) return pixel_bytes == 0 && decoding == 0;
  // Pictures being decoded will need memory too, probably as much as the last one.
  const auto coming = static_cast<size_t>(decoding) * last_pixel_bytes;
  return pixel_bytes + coming < options.pixel_bytes;
}

void Scheduler::Impl::DecodePictures() {
  std::unique_lock lock(mutex);
  for (;;) {
    to_decode.wait(lock, [&] { return stopping || MayDecode(); });
    if (stopping) return;
    const WorkPtr work = std::move(raw.front());
    raw.pop_front();
    if (const auto end = MustEnd(*work)) {
      End(work, *end, nullptr, lock);
      continue;
    }
    Decode(work, lock);
  }
}

void Scheduler::Impl::Decode(const WorkPtr& work, std::unique_lock<std::mutex>& lock) {
  ++decoding;
  ++work->held;
  lock.unlock();
  bool put_back = false;
  std::exception_ptr failure =
      work->Decode(work->huge ? std::nullopt : std::optional(kUsualPixels), put_back,
                   [&] { return stopping || work->cancelled || work->Overdue(); });
  lock.lock();
  --decoding;
  --work->held;
  std::optional<AskedEnd> end = MustEnd(*work);
  if (!end && failure != nullptr) end = AskedEnd::kFailed;
  if (!end && work->ask.look && !put_back) end = AskedEnd::kAnswered;
  if (end) {
    pixel_bytes += work->image.pixels.size();  // which End subtracts
    End(work, *end, *end == AskedEnd::kFailed ? failure : nullptr, lock);
  } else if (put_back) {
    work->huge = true;
    raw.push_front(work);
  } else {
    last_pixel_bytes = work->image.pixels.size();
    pixel_bytes += last_pixel_bytes;
    decoded.push_back(work);
  }
  to_decode.notify_all();
  to_answer.notify_all();
}

Scheduler::Scheduler(std::shared_ptr<const Engine> engine, const SchedulerOptions& options)
    : impl_(std::make_unique<Impl>(std::move(engine), options)) {}
Scheduler::~Scheduler() = default;

Scheduler::WorkPtr Scheduler::Submit(Ask ask) { return impl_->Submit(std::move(ask)); }
void Scheduler::Cancel(const WorkPtr& work) { impl_->Cancel(work); }
bool Scheduler::CancelWaiting(const WorkPtr& work) { return impl_->CancelWaiting(work); }
void Scheduler::Stop() { impl_->Stop(); }
std::optional<size_t> Scheduler::Ahead(const WorkPtr& work) const { return impl_->Ahead(work); }
const Engine& Scheduler::engine() const { return *impl_->engine; }
Scheduler::Load Scheduler::load() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->load;
}

std::vector<Outcome> RunEach(Session& session, std::span<const Query> queries,
                             const ProgressCallback& progress) {
  std::vector<Outcome> outcomes(queries.size());
  try {
    std::vector<Result> results = session.Run(queries, progress);
    for (size_t i = 0; i < results.size(); ++i) outcomes[i].result = std::move(results[i]);
    return outcomes;
  } catch (const std::exception&) {
    // One of them, or all of them together, were too much; each is retried alone below.
  }
  for (size_t i = 0; i < queries.size(); ++i) {
    try {
      const auto alone = [&](const Progress& now) {
        return progress({i, now.token_ids, now.text});
      };
      std::vector<Result> results =
          session.Run(queries.subspan(i, 1), progress ? ProgressCallback(alone) : nullptr);
      outcomes[i].result = std::move(results.front());
    } catch (const std::exception&) {
      outcomes[i].error = std::current_exception();
    }
  }
  return outcomes;
}

}  // namespace uffizi
