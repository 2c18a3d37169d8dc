#include "core/write_quietly.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace uffizi {
namespace {

// While it lives, a SIGPIPE caused by this thread is swallowed. Those of other threads are not, and
// the process's handling of the signal does not change.
class NoSigpipe {
 public:
  NoSigpipe() noexcept {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoSigpipe() {
    const timespec now = {};
    if (raised_ && !was_pending_) {
      while (sigtimedwait(&pipe_, nullptr, &now) == -1 && errno == EINTR) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

  void Raised() noexcept { raised_ = true; }

 private:
  sigset_t pipe_, before_;
  bool was_pending_, raised_ = false;
};

}  // namespace

bool WriteQuietly(int descriptor, std::string_view text) noexcept {
  NoSigpipe no_sigpipe;
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EPIPE) no_sigpipe.Raised();
    if (written <= 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace uffizi
