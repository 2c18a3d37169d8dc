// Statistics of layer inputs, compared with sums computed by hand.

#include "checkpoint/input_statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace uffizi {
namespace {

constexpr size_t kColumns = 5;

std::vector<float> Rows(size_t count) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0.5f, 1.0f);
  std::vector<float> rows(count * kColumns);
  for (float& value : rows) value = normal(random);
  return rows;
}

// A prompt has few rows, which count as much in total as the picture's.
TEST(InputStatistics, WeighsPromptsAgainstPictures) {
  constexpr size_t kPicture = 300, kPrompt = 12, kAll = kPicture + kPrompt;
  const std::vector<float> x = Rows(kAll);
  InputStatistics statistics([](const std::string&) { return true; });
  LayerInputs& layer = statistics["model.language_model.encoder.layers.0.fc2.weight"];
  for (int sequence = 0; sequence < 2; ++sequence) {
    statistics.Begin({kPicture, kPrompt});
    layer.Add(x.data(), 200, kColumns);  // in parts, as the MLP's
    layer.Add(x.data() + 200 * kColumns, kAll - 200, kColumns);
  }
  const std::vector<float> squares = layer.Means();
  const InputProducts products = layer.TakeProducts();
  for (size_t a = 0; a < kColumns; ++a) {
    double mean = 0;
    for (size_t b = 0; b < kColumns; ++b) {
      double picture = 0, prompt = 0;
      for (size_t r = 0; r < kAll; ++r) {
        const double product = double{x[r * kColumns + a]} * double{x[r * kColumns + b]};
        (r < kPicture ? picture : prompt) += product;
      }
      const double expected = (picture / kPicture + prompt / kPrompt) / 2;
      EXPECT_NEAR(products.products[a * kColumns + b], expected, 1e-4);
      if (a == b) {
        EXPECT_NEAR(squares[a], expected, 1e-4);
      }
    }
    double picture = 0, prompt = 0;
    for (size_t r = 0; r < kAll; ++r) {
      (r < kPicture ? picture : prompt) += double{x[r * kColumns + a]};
    }
    mean = (picture / kPicture + prompt / kPrompt) / 2;
    EXPECT_NEAR(products.mean[a], mean, 1e-4);
  }
}

TEST(InputStatistics, CountsAllRowsAlikeElsewhere) {
  const std::vector<float> x = Rows(40);
  InputStatistics statistics;
  statistics.Begin({30, 10});
  LayerInputs& layer = statistics["model.vision_tower.blocks.0.0.spatial_block.ffn.fc1.weight"];
  layer.Add(x.data(), 40, kColumns);
  for (size_t c = 0; c < kColumns; ++c) {
    double sum = 0;
    for (size_t r = 0; r < 40; ++r)
      sum += double{x[r * kColumns + c]} * double{x[r * kColumns + c]};
    EXPECT_NEAR(layer.Means()[c], sum / 40, 1e-5);
  }
  EXPECT_TRUE(layer.TakeProducts().products.empty());
}

TEST(InputStatistics, KnowsPeaks) {
  std::vector<float> x(100, 1.0f);
  x[42] = -50.0f;
  InputStatistics statistics;
  EXPECT_EQ(statistics["a"].PeakOverRms(), 0.0);
  statistics["a"].Add(x.data(), 20, kColumns);
  EXPECT_NEAR(statistics["a"].PeakOverRms(), 50 / std::sqrt((99 + 2500) / 100.0), 1e-4);
}

}  // namespace
}  // namespace uffizi
