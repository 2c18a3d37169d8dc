#include "core/large_vector.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <utility>

namespace uffizi {
namespace {

// Around the sizes from which blocks are mapped, and of huge pages.
class LargeVectorSizes : public testing::TestWithParam<size_t> {};

TEST_P(LargeVectorSizes, HoldsWhatIsWrittenToAllOfIt) {
  LargeVector<uint32_t> numbers(GetParam());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(numbers.data()) % 64, 0u);
  std::iota(numbers.begin(), numbers.end(), 7u);
  const LargeVector<uint32_t> copy = numbers;
  EXPECT_EQ(copy, numbers);
  const uint32_t* data = numbers.data();
  const LargeVector<uint32_t> moved = std::move(numbers);
  EXPECT_EQ(moved.data(), data);
  for (size_t i = 0; i < moved.size(); ++i) ASSERT_EQ(moved[i], 7 + i);
}

INSTANTIATE_TEST_SUITE_P(, LargeVectorSizes,
                         testing::Values(0, 1, 1000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 19,
                                         (3 << 19) + 5),
                         testing::PrintToStringParamName());

TEST(LargeVector, GivenValuesAreKept) {
  EXPECT_EQ(LargeVector<int>(5, 3), (LargeVector<int>{3, 3, 3, 3, 3}));
  LargeVector<int> grown(2, 1);
  grown.resize(4, 2);
  EXPECT_EQ(grown, (LargeVector<int>{1, 1, 2, 2}));
}

}  // namespace
}  // namespace uffizi
