#ifndef UFFIZI_BENCH_LIMIT_H_
#define UFFIZI_BENCH_LIMIT_H_

#include <cstddef>

namespace uffizi {

// Multiplies bytes in registers with the instructions that the kernels use for 4-bit products on
// this machine (UFFIZI_TARGET forces others), and nothing else: what the processor allows at this
// minute. Returns the operations, two for each product of bytes; 0 where the kernels are plain
// code.
double RunInstructionLimit(size_t iterations);

}  // namespace uffizi

#endif  // UFFIZI_BENCH_LIMIT_H_
