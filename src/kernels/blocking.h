#ifndef UFFIZI_KERNELS_BLOCKING_H_
#define UFFIZI_KERNELS_BLOCKING_H_

// All blocking constants of the byte products, with their reasons.
//
// A product y[rows, n] = x[rows, k] w[n, k]^T is blocked as by Goto and van de Geijn (Anatomy of
// High-Performance Matrix Multiplication, 2008):
//   mr x nr  sums that the micro-kernel keeps in registers
//   kc       depth that is summed before anything leaves the registers: a quantization group
//   mc x nc  rows and columns of y that one thread computes while a packed piece of w is in its
//            caches. nc is a panel (64 columns), the unit in which w is stored.

#include <algorithm>
#include <cstddef>

namespace uffizi::blocking {

// mr: rows of the micro-kernel. A vector of nr columns needs a register for each row's sum and one
// for the weights, and the broadcast activation takes one more. AVX-512's 32 registers hold 6 x 4
// integer sums, and AVX2's 16 hold 6 x 2; 12 are enough to cover the latency of a multiply and an
// add (5 cycles, two a cycle).
constexpr size_t kMr = 6;

// nr in vectors. A single row needs eight independent sums to cover that latency. More rows need
// fewer columns for that, and share the loads of weights. But the more columns, the less unpacking
// and broadcasting, so with 512-bit vectors it is the whole panel, and three rows, the beams of one
// question, take 3 x 4 of 16 registers. What the sums are added to once in 64 columns then goes
// through memory.
constexpr size_t NrVectors(size_t rows, size_t vector_bytes) {
  if (rows >= 3 && vector_bytes == 64) return 4;
  if (rows == 3 && vector_bytes == 32) return 4;
  return rows == 1 ? 8 : rows == 2 ? 4 : 2;
}

// nr in vectors of the micro-kernel for signed weights, which keeps no floats in registers. Of 32
// registers, 6 x 4 hold sums, 4 weights and one an activation; of 16 registers, 6 x 2, 2 and 1.
constexpr size_t SignedNrVectors(size_t vector_bytes) { return vector_bytes == 32 ? 2 : 4; }

// Products of at most this many rows are memory-bound: each weight is used once or twice. They
// prefetch a whole group of weights at a time. With more rows, each prefetches the weights that it
// will read itself, further ahead.
constexpr size_t kMemoryBoundRows = 2;

// Prefetch distance in bytes. Eight kilobytes cover the latency of memory (about 100 ns) at the 20
// to 40 GB/s that a core reads.
constexpr size_t kPrefetchDistance = 8192;
// Prefetch distance for a panel that is already in the L2 cache: a kilobyte, a few blocks of codes.
constexpr size_t kCachedPrefetchDistance = 1024;

// Rows that are multiplied by a piece of the panel together, when there are more than
// kMemoryBoundRows but too few to make it worth keeping the panel in cache. It is two passes of the
// micro-kernel, the last of which prefetches the next piece.
constexpr size_t kFewRows = 2 * kMr;

// mc: rows that share a panel while it is in a core's caches. Unpacking a panel takes about as long
// as multiplying it by six rows, which is under two percent of 384. Activations of 384 rows and
// 1024 columns take 400 KB, which stay in the L2 cache while the panels stream through.
constexpr size_t kMc = 64 * kMr;

// mc for matrices with factors: the activations of a block, a byte per column, stay in the L2 cache
// together with the unpacked panels, as long as the block has enough rows to make unpacking cheap.
// 768 rows of results touch about as many pages as the TLB holds.
constexpr size_t kBlockActivations = size_t{1} << 20;
constexpr size_t RowsOfBlock(size_t columns) {
  return std::clamp(kBlockActivations / columns / kMr * kMr, size_t{48} * kMr, size_t{128} * kMr);
}

// With at least this many rows, a panel is first unpacked to bytes, if unpacked weights multiply
// faster.
constexpr size_t kUnpackRows = 24;

// Unpacking a panel takes as long as multiplying it by this many rows.
constexpr size_t kUnpackCost = 5;
// nc: size of the panels that are unpacked to bytes at a time, less than half of an L2 cache of 1
// MB or more. The rest is for activations and results.
constexpr size_t kUnpackedBytes = size_t{384} << 10;
constexpr size_t kMaxUnpackedPanels = 4;

// AMX tiles are used for at least this many rows: unpacking for tiles takes as long as twelve rows.
constexpr size_t kLeastRowsForTiles = 12;
// nc for AMX: the panels that are unpacked at a time stay in half of the L2 cache (2 MB on
// processors with AMX) while mc rows stream through. A tile is 16 rows.
constexpr size_t kTilePanelBytes = size_t{1} << 20;
constexpr size_t kMaxTilePanels = 8;
constexpr size_t kTileMc = 32 * 16;
// The time to unpack a panel, in rows: tiles multiply a vector of weights by 16 rows in a cycle.
constexpr size_t kTileUnpackCost = 26;

}  // namespace uffizi::blocking

#endif  // UFFIZI_KERNELS_BLOCKING_H_
