#include "server/job.h"

#include <algorithm>

namespace uffizi::server {

void Job::Update(size_t question, const std::string& text, bool only_grows) {
  if (!request.stream) return;
  {
    const std::lock_guard lock(mutex_);
    TextState& state = texts_[question];
    if (state.text == text) return;
    state = {text, only_grows, true};
  }
  news_.notify_all();
}

void Job::Finish(Answered answered) {
  {
    const std::lock_guard lock(mutex_);
    answered_ = std::move(answered);
    ended_ = true;
  }
  news_.notify_all();
}

void Job::Fail(std::exception_ptr error) {
  {
    const std::lock_guard lock(mutex_);
    error_ = std::move(error);
    ended_ = true;
  }
  news_.notify_all();
}

Job::News Job::Wait(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  news_.wait_for(lock, limit, [&] {
    return ended_ || std::any_of(texts_.begin(), texts_.end(),
                                 [](const TextState& state) { return state.changed; });
  });
  News news;
  for (size_t i = 0; i < texts_.size(); ++i) {
    if (texts_[i].changed) news.texts.push_back({i, texts_[i].text, texts_[i].only_grows});
    texts_[i].changed = false;
  }
  news.ended = ended_;
  return news;
}

Answered Job::Take() {
  ThrowIfFailed();
  const std::lock_guard lock(mutex_);
  return std::move(answered_);
}

void Job::ThrowIfFailed() {
  const std::lock_guard lock(mutex_);
  if (error_) std::rethrow_exception(error_);
}

}  // namespace uffizi::server
