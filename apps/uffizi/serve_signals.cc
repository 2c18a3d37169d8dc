#include "serve_signals.h"

#include <signal.h>
#include <unistd.h>

#include <utility>

namespace uffizi::cli {
namespace {

// Sent by this process to end the thread that waits for signals.
constexpr int kDone = SIGUSR2;
constexpr int kExitOfSignal = 128;  // as in shells

sigset_t Handled() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2}) sigaddset(&signals, signal);
  return signals;
}

}  // namespace

ServeSignals::ServeSignals() {
  const sigset_t signals = Handled();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  thread_ = std::thread([this] { Work(); });
}

ServeSignals::~ServeSignals() {
  {
    const std::lock_guard lock(mutex_);
    started_ = false;
    end_ = true;
  }
  pthread_kill(thread_.native_handle(), kDone);
  thread_.join();
}

void ServeSignals::Started(std::function<void()> hang_up) {
  const std::lock_guard lock(mutex_);
  hang_up_ = std::move(hang_up);
  started_ = true;
}

void ServeSignals::WaitForEnd() {
  std::unique_lock lock(mutex_);
  news_.wait(lock, [&] { return end_; });
  hang_up_ = nullptr;
}

void ServeSignals::Work() {
  const sigset_t signals = Handled();
  for (;;) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    const std::lock_guard lock(mutex_);
    if (signal == SIGINT || signal == SIGTERM) {
      if (!started_ || end_) _exit(kExitOfSignal + signal);
      end_ = true;
      news_.notify_all();
    } else if (signal == SIGHUP) {
      if (hang_up_) hang_up_();
    } else if (signal == kDone && end_ && !started_) {
      return;
    }
  }
}

}  // namespace uffizi::cli
