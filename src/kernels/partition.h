#ifndef UFFIZI_KERNELS_PARTITION_H_
#define UFFIZI_KERNELS_PARTITION_H_

// How a matrix product is split among threads.

#include <cstddef>
#include <vector>

namespace uffizi {

struct ProductShape {
  size_t rows;
  size_t units;     // of columns that stay together: panels, or those of a quantized output's group
  size_t mr;        // rows of the micro-kernel
  size_t overhead;  // additional cost of each unit that a run touches, in rows
};

// The micro-kernels of a product, numbered down the first unit of columns, then down the second,
// and so on, are split into runs such that the longest takes as little time as possible. So a run
// is the lower part of a unit, some whole units, and the upper part of another.
class Partition {
 public:
  // For `threads` threads that each take the next run when they finish one.
  Partition(const ProductShape& shape, size_t threads);

  // Rows [row, end) of units [first, last).
  struct Piece {
    size_t row, end, first, last;
  };

  size_t runs() const { return ends_.size(); }
  // Calls visit(piece) for the one to three pieces of a run.
  template <class Visit>
  void ForEachPiece(size_t run, const Visit& visit) const {
    size_t at = run == 0 ? 0 : ends_[run - 1];
    const size_t end = ends_[run];
    while (at < end) {
      const size_t unit = at / down_, inside = at % down_;
      if (inside != 0 || end - at < down_) {  // a part of one unit
        const size_t stop = end - at < down_ - inside ? inside + (end - at) : down_;
        visit(Rows(inside, stop, unit, unit + 1));
        at += stop - inside;
      } else {
        const size_t whole = (end - at) / down_;
        visit(Rows(0, down_, unit, unit + whole));
        at += whole * down_;
      }
    }
  }

 private:
  Piece Rows(size_t begin, size_t end, size_t first, size_t last) const {
    return {begin * mr_, end * mr_ < rows_ ? end * mr_ : rows_, first, last};
  }

  size_t EndOfRun(size_t at, size_t cost) const;
  void Cut(size_t runs);

  size_t rows_, mr_, overhead_;
  size_t down_;               // micro-kernels in a unit
  size_t total_;              // micro-kernels in all units
  std::vector<size_t> ends_;  // of runs
};

// Rows that go through a chain of products together, so that intermediate results stay in the
// caches: `rows`, which is enough for eight threads, or a multiple of it for more threads.
constexpr size_t ChainRows(size_t rows, size_t threads) { return rows * ((threads + 7) / 8); }

}  // namespace uffizi

#endif  // UFFIZI_KERNELS_PARTITION_H_
