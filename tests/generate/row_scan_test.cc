#include "generate/row_scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>
#include <vector>

namespace uffizi {
namespace {

std::vector<float> RandomRow(size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(-3, 6);
  std::vector<float> row(size);
  for (float& value : row) value = normal(random);
  return row;
}

TEST(RowScan, ExpIsCloseToTheLibrarys) {
  for (float x = 0; x > -87; x -= 0.00137f) {
    const double exact = std::exp(static_cast<double>(x));
    ASSERT_NEAR(ExpOfNegative(x) / exact, 1.0, 2e-7) << x;
  }
  EXPECT_EQ(ExpOfNegative(0), 1.0f);
  EXPECT_EQ(ExpOfNegative(kLeastExponent), 0.0f);
  EXPECT_TRUE(std::isnan(ExpOfNegative(std::nanf(""))));
}

TEST(RowScan, ArgMaxIsTheFirstOfTheGreatest) {
  for (size_t size : {1, 2, 15, 16, 17, 100, 128, 129, 5000, 51289}) {
    SCOPED_TRACE(size);
    std::vector<float> row = RandomRow(size, static_cast<unsigned>(size));
    row[size / 2] = row[size - 1] = 1000;
    EXPECT_EQ(ArgMax(row), static_cast<int>(size / 2));
  }
  EXPECT_EQ(ArgMax(std::vector<float>(140, kMinusInfinity)), -1);
}

TEST(RowScan, BestCandidatesAreThoseOfASort) {
  const size_t kSize = 1000;
  for (int capacity : {1, 6, 40, 5000}) {
    SCOPED_TRACE(capacity);
    BestCandidates best(capacity);
    std::vector<Candidate> all;
    for (int pass = 0; pass < 2; ++pass) {  // the second must not see the first
      best.Clear();
      all.clear();
      for (int r = 0; r < 3; ++r) {
        std::vector<float> row = RandomRow(kSize, static_cast<unsigned>(10 * pass + r));
        for (float& value : row) value = std::round(4 * value) / 4;  // many ties
        row[17] = kMinusInfinity;
        best.OfferRow(r, row, -0.5f * static_cast<float>(r));
        for (size_t i = 0; i < kSize; ++i) {
          if (i == 17) continue;
          all.push_back({row[i] - 0.5f * static_cast<float>(r), r, static_cast<int>(i)});
        }
      }
      // Already in the order of rows and tokens: a stable sort leaves ties in it.
      std::stable_sort(all.begin(), all.end(),
                       [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
      const std::span<const Candidate> found = best.Sort();
      ASSERT_EQ(found.size(), std::min(all.size(), static_cast<size_t>(capacity)));
      for (size_t i = 0; i < found.size(); ++i) {
        EXPECT_EQ(found[i].score, all[i].score);
        EXPECT_EQ(found[i].row, all[i].row);
        EXPECT_EQ(found[i].token, all[i].token);
      }
    }
  }
}

}  // namespace
}  // namespace uffizi
