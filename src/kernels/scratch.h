#ifndef UFFIZI_KERNELS_SCRATCH_H_
#define UFFIZI_KERNELS_SCRATCH_H_

#include <cstddef>

namespace uffizi {

// Working memory of the calling thread, aligned to a cache line and kept from call to call. For the
// body of one piece of a ParallelFor, which runs to its end on one thread. The next call on this
// thread returns the same bytes, so they must not be held across a ParallelFor.
void* ThreadScratch(size_t bytes);

}  // namespace uffizi

#endif  // UFFIZI_KERNELS_SCRATCH_H_
