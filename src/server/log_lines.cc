#include "server/log_lines.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/owned_files.h"
#include "core/write_quietly.h"
#include "uffizi/error.h"

namespace uffizi::server {
namespace {

constexpr size_t kMaxWaiting = 10'000;  // lines
constexpr size_t kMaxLine = 4000;       // bytes, so that a line is written to a pipe atomically
constexpr int kPatienceMs = 1000;       // for a pipe that is full

}  // namespace

LogLines::LogLines(const std::string& path) : path_(path) {
  Open();
  if (descriptor_ < 0) {
    throw Error(ErrorCode::kIo, path + ": cannot be written: " + std::strerror(errno));
  }
  writer_ = std::thread([this] { Work(); });
}

LogLines::LogLines(int descriptor)
    : descriptor_(fcntl(descriptor, F_DUPFD_CLOEXEC, 0)), writer_([this] { Work(); }) {}

LogLines::~LogLines() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  news_.notify_one();
  writer_.join();
  if (descriptor_ >= 0) close(descriptor_);
}

void LogLines::Open() {
  if (descriptor_ >= 0) close(descriptor_);
  descriptor_ = path_ == "-" ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0) : OpenLog(path_);
}

void LogLines::Add(std::string line) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    if (lines_.size() >= kMaxWaiting) {
      ++dropped_;
      return;
    }
    line.resize(std::min(line.size(), kMaxLine));
    line += '\n';
    lines_.push_back(std::move(line));
  } catch (const std::exception&) {  // out of memory: the line is lost
    return;
  }
  news_.notify_one();
}

void LogLines::Reopen() {
  {
    const std::lock_guard lock(mutex_);
    reopen_ = !path_.empty();
  }
  news_.notify_one();
}

void LogLines::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    news_.wait(lock, [&] { return stopping_ || reopen_ || !lines_.empty(); });
    std::deque<std::string> lines = std::exchange(lines_, {});
    const size_t dropped = std::exchange(dropped_, 0);
    const bool reopen = std::exchange(reopen_, false), last = stopping_;
    lock.unlock();
    for (const std::string& line : lines) {
      if (!Write(line) && stopping_) break;  // nobody reads the pipe, so drop the others too
    }
    if (dropped > 0) Write("{\"dropped_lines\": " + std::to_string(dropped) + "}\n");
    if (reopen) Open();
    lock.lock();
    if (last && lines_.empty()) return;
  }
}

bool LogLines::Write(const std::string& line) {
  pollfd ready = {descriptor_, POLLOUT, 0};
  return poll(&ready, 1, kPatienceMs) > 0 && WriteQuietly(descriptor_, line);
}

}  // namespace uffizi::server
