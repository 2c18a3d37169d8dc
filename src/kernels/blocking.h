#ifndef UFFIZI_KERNELS_BLOCKING_H_
#define UFFIZI_KERNELS_BLOCKING_H_

// How the products of bytes are blocked, all in one place, with the reasons.
//
// A product y[rows, n] = x[rows, k] w[n, k]^T is cut as Goto and van de Geijn cut it (Anatomy of
// High-Performance Matrix Multiplication, 2008):
//   mr x nr  sums that the micro-kernel keeps in registers
//   kc       depth that is summed before anything leaves the registers: a quantization group
//   mc x nc  rows and columns of y that one thread computes while a packed piece of w is in its
//            caches. nc is a panel (64 columns), the unit in which w is stored.

#include <algorithm>
#include <cstddef>

namespace uffizi::blocking {

// mr: rows of the micro-kernel. A vector of nr columns needs a register for each row's sum and one
// for the weights, and the broadcast activation takes one more. With sums in integers and in float
// both in registers, AVX-512's 32 registers hold 6 x 2 vectors of each. AVX2's 16 hold the integer
// sums, and 6 x 2 = 12 of them are enough to cover the latency of a multiply and an add (5 cycles,
// two a cycle).
constexpr size_t kMr = 6;

// nr in vectors. A single row needs eight sums under way to cover that latency; more rows have
// enough with fewer columns, and share the loads of weights.
constexpr size_t NrVectors(size_t rows) { return rows == 1 ? 8 : rows == 2 ? 4 : 2; }

// nr in vectors of the micro-kernel for signed weights, which keeps no float in registers: 6 x 4
// sums, 4 weights and an activation of 32 registers, or 6 x 2, 2 and 1 of 16.
constexpr size_t SignedNrVectors(size_t vector_bytes) { return vector_bytes == 32 ? 2 : 4; }

// nr in vectors of few rows of a matrix with factors: three rows, the beams of one question, fit 32
// registers with a whole panel of 512-bit vectors, and then unpack and broadcast half as often.
constexpr size_t FactorNrVectors(size_t rows, size_t vector_bytes) {
  return rows == 3 && vector_bytes == 64 ? 4 : NrVectors(rows);
}

// Products of so few rows are memory-bound: each weight is used once or twice. They prefetch a
// whole group of weights at a time. More rows prefetch what they read themselves, further on.
constexpr size_t kMemoryBoundRows = 2;

// Prefetch distance in bytes. Eight kilobytes cover the latency of memory (about 100 ns) at the 20
// to 40 GB/s that a core reads.
constexpr size_t kPrefetchDistance = 8192;
// For a panel that is in the second-level cache already: a kilobyte, a few blocks of codes.
constexpr size_t kCachedPrefetchDistance = 1024;

// Rows that go through a piece of the panel together when there are more than kMemoryBoundRows of
// them but too few for the panel to be worth keeping: two passes of the micro-kernel, of which the
// last prefetches the next piece.
constexpr size_t kFewRows = 2 * kMr;

// mc: rows that share a panel while it is in a core's caches. Unpacking a panel costs about as much
// as multiplying it with six rows, which is under two percent of 384; activations of 384 rows and
// 1024 columns take 400 KB, which stay in the second-level cache while panels pass by.
constexpr size_t kMc = 64 * kMr;

// mc for matrices with factors: activations of a block, a byte a column, stay in the second-level
// cache with the unpacked panels, so long as it has rows enough to make unpacking cheap. 768 rows
// of results are as many pages as the processor has translations of at hand.
constexpr size_t kBlockActivations = size_t{1} << 20;
constexpr size_t RowsOfBlock(size_t columns) {
  return std::clamp(kBlockActivations / columns / kMr * kMr, size_t{48} * kMr, size_t{128} * kMr);
}

// From so many rows on a panel is first unpacked to bytes, where unpacked weights multiply faster.
constexpr size_t kUnpackRows = 24;

// Unpacking a panel costs as much as multiplying it with so many rows.
constexpr size_t kUnpackCost = 5;
// nc: panels unpacked to bytes at a time, in less than half of a core's second-level cache of 1 MB
// or more; the rest is for activations and results.
constexpr size_t kUnpackedBytes = size_t{384} << 10;
constexpr size_t kMaxUnpackedPanels = 4;

// AMX tiles. Fewer rows are faster without: unpacking for tiles costs as much as twelve rows.
constexpr size_t kLeastRowsForTiles = 12;
// nc in panels: those that are unpacked at a time stay in half of a core's second-level cache (2 MB
// on the processors with tiles) while mc rows pass by. A tile is 16 rows.
constexpr size_t kTilePanelBytes = size_t{1} << 20;
constexpr size_t kMaxTilePanels = 8;
constexpr size_t kTileMc = 32 * 16;
// What unpacking a panel costs in rows: tiles multiply a vector of weights with 16 rows in a cycle.
constexpr size_t kTileUnpackCost = 26;

}  // namespace uffizi::blocking

#endif  // UFFIZI_KERNELS_BLOCKING_H_
