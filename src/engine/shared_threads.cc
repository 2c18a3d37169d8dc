#include "engine/shared_threads.h"

#include <algorithm>
#include <utility>

namespace uffizi {

int SharedThreads::Enter(bool fresh) {
  std::unique_lock lock(mutex_);
  const uint64_t ticket = next_ticket_++;
  left_.wait(lock, [&] { return ticket == next_in_ && busy_ < workers_; });
  ++next_in_;
  ++busy_;
  busy_fresh_ += fresh ? 1 : 0;
  left_.notify_all();
  return std::max(1, threads_ / (fresh ? busy_fresh_ : busy_));
}

void SharedThreads::Leave(bool fresh) {
  const std::lock_guard lock(mutex_);
  --busy_;
  busy_fresh_ -= fresh ? 1 : 0;
  left_.notify_all();
}

std::unique_ptr<Arena> SharedThreads::TakeBuffers() {
  const std::lock_guard lock(mutex_);
  if (buffers_.empty()) return std::make_unique<Arena>();
  std::unique_ptr<Arena> last = std::move(buffers_.back());
  buffers_.pop_back();
  return last;
}

void SharedThreads::ReturnBuffers(std::unique_ptr<Arena> buffers) {
  const std::lock_guard lock(mutex_);
  buffers_.push_back(std::move(buffers));
}

int SharedThreads::computing() const {
  const std::lock_guard lock(mutex_);
  return busy_;
}

int SharedThreads::waiting() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(next_ticket_ - next_in_);
}

size_t SharedThreads::idle_buffers() const {
  const std::lock_guard lock(mutex_);
  return buffers_.size();
}

}  // namespace uffizi
