// How products are split among threads: computed from the partition, without timing.

#include "kernels/partition.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <queue>
#include <vector>

namespace uffizi {
namespace {

struct Product {
  size_t rows, n;
  bool quantizes = false;  // its output, in groups of 256 columns: four panels stay together
};

constexpr size_t kPanel = 64;

// Of Florence-2-base and -large, one picture of 768 x 768 and a question of 20 tokens: attention's
// blocks of rows of windows, MLPs' blocks of 512 rows, the text encoder, keys and values.
std::vector<Product> Products(size_t threads) {
  std::vector<Product> products;
  for (const size_t width : {128, 256}) {
    for (size_t stage = 0; stage < 4; ++stage) {
      const size_t dim = width << stage, tokens = (size_t{192} >> stage) * (size_t{192} >> stage);
      const size_t block = std::min(tokens, ChainRows(1152, threads));
      products.push_back({block, 3 * dim});
      products.push_back({block, dim});
      products.push_back({std::min(tokens, ChainRows(512, threads)), 4 * dim, true});
      products.push_back({std::min(tokens, ChainRows(512, threads)), dim});
    }
  }
  for (const size_t dim : {768, 1024}) {
    products.push_back({597, 3 * dim});
    products.push_back({597, dim});
    products.push_back({std::min<size_t>(597, ChainRows(512, threads)), 4 * dim, true});
    products.push_back({std::min<size_t>(597, ChainRows(512, threads)), dim});
  }
  return products;
}

// Time of the slowest thread over the mean, when threads take runs in order. A piece takes as long
// as its rows, in whole micro-kernels, and what it pays for its columns.
double Makespan(const ProductShape& shape, const Partition& cut, size_t threads) {
  std::priority_queue<double, std::vector<double>, std::greater<>> ends;
  for (size_t t = 0; t < threads; ++t) ends.push(0);
  double total = 0;
  for (size_t run = 0; run < cut.runs(); ++run) {
    double cost = 0;
    cut.ForEachPiece(run, [&](const Partition::Piece& piece) {
      const size_t rows = (piece.end - piece.row + shape.mr - 1) / shape.mr * shape.mr;
      cost += static_cast<double>((rows + shape.overhead) * (piece.last - piece.first));
    });
    const double end = ends.top() + cost;
    ends.pop();
    ends.push(end);
    total += cost;
  }
  double last = 0;
  for (; !ends.empty(); ends.pop()) last = ends.top();
  return last / (total / static_cast<double>(threads));
}

TEST(Partition, NoThreadWaitsLong) {
  for (const size_t mr : {6, 16}) {
    const bool tiles = mr == 16;
    const size_t overhead = tiles ? 26 : 5;
    for (size_t threads = 1; threads <= 64; ++threads) {
      for (const Product& product : Products(threads)) {
        const size_t panels = (product.n + kPanel - 1) / kPanel;
        const ProductShape shape{product.rows, product.quantizes ? panels / 4 : panels, mr,
                                 overhead};
        const Partition cut(shape, threads);
        const double waiting = 1 - 1 / Makespan(shape, cut, threads);
        // AMX tiles are coarser: base's text encoder is hard to split among 64 threads.
        EXPECT_LE(waiting, tiles && threads > 60 ? 0.105 : 0.10)
            << product.rows << " rows, " << product.n << " columns, mr " << mr << ", " << threads
            << " threads: " << cut.runs() << " runs";
      }
    }
  }
}

TEST(Partition, CoversEverythingOnce) {
  for (const size_t rows : {1, 2, 7, 600, 1001}) {
    for (const size_t units : {1, 3, 16, 129}) {
      for (const size_t threads : {1, 2, 7, 64}) {
        const Partition cut({rows, units, 6, 5}, threads);
        std::vector<int> covered(rows * units, 0);
        for (size_t run = 0; run < cut.runs(); ++run) {
          cut.ForEachPiece(run, [&](const Partition::Piece& piece) {
            ASSERT_LE(piece.end, rows);
            ASSERT_LE(piece.last, units);
            for (size_t unit = piece.first; unit < piece.last; ++unit) {
              for (size_t row = piece.row; row < piece.end; ++row) ++covered[unit * rows + row];
            }
          });
        }
        EXPECT_EQ(std::count(covered.begin(), covered.end(), 1),
                  static_cast<std::ptrdiff_t>(covered.size()));
      }
    }
  }
}

}  // namespace
}  // namespace uffizi
