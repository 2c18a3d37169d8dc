#ifndef UFFIZI_APPS_SERVE_SIGNALS_H_
#define UFFIZI_APPS_SERVE_SIGNALS_H_

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace uffizi::cli {

// Signal handling of a server, also as the first process of a container, which has no default
// handlers. SIGINT and SIGTERM shut it down, a second one stops it at once; SIGHUP reopens logs;
// SIGUSR1, SIGUSR2 and SIGPIPE are ignored. Create it before any other thread.
class ServeSignals {
 public:
  ServeSignals();
  ~ServeSignals();
  ServeSignals(const ServeSignals&) = delete;
  ServeSignals& operator=(const ServeSignals&) = delete;

  // From here on the first signal starts an orderly shutdown; before, it ends the process.
  // `hang_up` is called for each SIGHUP, until WaitForEnd() returns.
  void Started(std::function<void()> hang_up);
  // Waits for the signal to shut down.
  void WaitForEnd();

 private:
  void Work();

  std::mutex mutex_;
  std::condition_variable news_;
  std::function<void()> hang_up_;
  bool started_ = false, end_ = false;
  std::thread thread_;
};

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_SERVE_SIGNALS_H_
