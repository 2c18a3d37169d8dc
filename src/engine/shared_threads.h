#ifndef UFFIZI_ENGINE_SHARED_THREADS_H_
#define UFFIZI_ENGINE_SHARED_THREADS_H_

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/arena.h"

namespace uffizi {

// The threads and buffers that the workers of one or several schedulers share, whatever their
// engines.
class SharedThreads {
 public:
  // At most `workers` compute at once, each with its share of the threads, at least one.
  SharedThreads(int threads, int workers) : threads_(threads), workers_(workers) {}

  // For schedulers with these options: all workers compute at once, or as many as there are
  // threads.
  static std::shared_ptr<SharedThreads> For(int threads, int workers) {
    return std::make_shared<SharedThreads>(threads, std::max(threads, workers));
  }

  // Waits until a worker may compute, in the order of the calls. Returns its number of threads.
  // Work that is not fresh yields to fresh work at the end of its step, so fresh work does not
  // count it.
  int Enter(bool fresh);
  void Leave(bool fresh);

  // Buffers for a worker's batch. They are kept for the next worker.
  std::unique_ptr<Arena> TakeBuffers();
  void ReturnBuffers(std::unique_ptr<Arena> buffers);

  int computing() const;
  int waiting() const;
  size_t idle_buffers() const;

 private:
  const int threads_, workers_;
  mutable std::mutex mutex_;
  std::condition_variable left_;
  uint64_t next_ticket_ = 0, next_in_ = 0;  // of those who wait
  int busy_ = 0, busy_fresh_ = 0;           // workers that compute, and for fresh work
  std::vector<std::unique_ptr<Arena>> buffers_;
};

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_SHARED_THREADS_H_
