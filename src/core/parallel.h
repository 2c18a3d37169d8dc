#ifndef UFFIZI_CORE_PARALLEL_H_
#define UFFIZI_CORE_PARALLEL_H_

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/partitioner.h>
#include <oneapi/tbb/task_arena.h>

#include <cstddef>

namespace uffizi {

// Threads that the surrounding task arena allows, the caller's own included.
inline int MaxThreads() { return oneapi::tbb::this_task_arena::max_concurrency(); }

// Calls body(begin, end) over [0, count), in parallel on the threads of the surrounding task arena.
// No piece except the last is smaller than `grain`. The body must give the same result however the
// range is split: results never depend on the number of threads.
template <typename Body>
void ParallelFor(size_t count, size_t grain, const Body& body) {
  if (count == 0) return;
  if (grain == 0) grain = 1;
  if (count <= grain || MaxThreads() == 1) {
    body(size_t{0}, count);
    return;
  }
  oneapi::tbb::parallel_for(
      oneapi::tbb::blocked_range<size_t>(0, count, grain),
      [&](const oneapi::tbb::blocked_range<size_t>& range) { body(range.begin(), range.end()); },
      oneapi::tbb::auto_partitioner());
}

}  // namespace uffizi

#endif  // UFFIZI_CORE_PARALLEL_H_
