#ifndef UFFIZI_APPS_SERVE_SIGNALS_H_
#define UFFIZI_APPS_SERVE_SIGNALS_H_

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace uffizi::cli {

// How a server takes signals, also as the first process of a container, for which the system does
// nothing by itself: SIGINT and SIGTERM ask it to end, a second one ends it at once; SIGHUP opens
// logs again; SIGUSR1 and SIGUSR2 mean nothing; SIGPIPE is no reason to end. Make it before any
// other thread.
class ServeSignals {
 public:
  ServeSignals();
  ~ServeSignals();
  ServeSignals(const ServeSignals&) = delete;
  ServeSignals& operator=(const ServeSignals&) = delete;

  // From here on the first signal is one to end in good order; before, it ends the process.
  // `hang_up` is called at each SIGHUP, until WaitForEnd has returned.
  void Started(std::function<void()> hang_up);
  // Waits for the signal to end.
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
