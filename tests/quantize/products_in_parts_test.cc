// Moments of many layers are asked for in parts.

#include "quantize/products_in_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace uffizi {
namespace {

using ::testing::ElementsAre;

TEST(ProductsInParts, AsksForNoMoreThanAGigabyteAtOnce) {
  std::vector<std::vector<std::string>> asked;
  const auto source = [&](std::span<const std::string> weights) {
    asked.emplace_back(weights.begin(), weights.end());
    std::map<std::string, InputProducts> products;
    for (const std::string& weight : weights) products[weight] = {{1.0f}, {2.0f}};
    return products;
  };
  // 0.27, 0.27, 0.6, 1.6 and 0.07 GB.
  ProductsInParts parts(
      source, {{"a", 8192}, {"b", 8192}, {"c", 12288}, {"d", 20000}, {"e", 4096}, {"f", 4096}});
  EXPECT_TRUE(parts.Has("f"));
  EXPECT_FALSE(parts.Has("g"));
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) {
    const auto taken = parts.Take(name);
    ASSERT_TRUE(taken.has_value());
    EXPECT_EQ(taken->mean, std::vector<float>{2.0f});
  }
  EXPECT_THAT(asked, ElementsAre(ElementsAre("a", "b"), ElementsAre("c"), ElementsAre("d"),
                                 ElementsAre("e", "f")));
}

TEST(ProductsInParts, KnowNothingWithoutASourceOrOfALayerThatIsNotReached) {
  EXPECT_FALSE(ProductsInParts({}, {{"a", 64}}).Has("a"));
  EXPECT_FALSE(ProductsInParts({}, {{"a", 64}}).Take("a").has_value());
  const auto nothing = [](auto) { return std::map<std::string, InputProducts>(); };
  EXPECT_FALSE(ProductsInParts(nothing, {{"a", 64}, {"b", 64}}).Take("a").has_value());
}

}  // namespace
}  // namespace uffizi
