// Smoothing: the estimates of activations, the resulting factors, and that no layer is left out.
// tests/system/outliers shows that outliers no longer do harm.

#include "checkpoint/smoothing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>

#include "core/half.h"
#include "kernels/quantize.h"
#include "support/random_model.h"

namespace uffizi {
namespace {

// Mean and deviation of many samples.
struct Sampled {
  double sum = 0, squares = 0, count = 0;

  void Add(double value) { sum += value, squares += value * value, ++count; }
  double mean() const { return sum / count; }
  double deviation() const { return std::sqrt(squares / count - mean() * mean()); }
};

double Gelu(double x) { return 0.5 * x * std::erfc(-x * std::sqrt(0.5)); }

TEST(ColumnMoments, AreThoseOfSamples) {
  const std::vector<float> weight = {1.0f, -2.0f, 0.1f}, bias = {0.0f, 1.0f, -3.0f};
  const std::vector<float> w = {0.5f, 1.0f, 2.0f, -1.0f, 0.3f, 0.0f}, b = {0.25f, -0.5f};
  const ColumnMoments normed = MomentsOfNorm(weight, bias);
  const ColumnMoments linear = MomentsOfLinear(w.data(), 2, b.data(), normed);
  const ColumnMoments gelu = MomentsOfGelu(linear);
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  Sampled of_linear[2], of_gelu[2];
  for (int i = 0; i < 400000; ++i) {
    double x[3];
    for (size_t c = 0; c < 3; ++c) x[c] = normal(random) * weight[c] + bias[c];
    for (size_t r = 0; r < 2; ++r) {
      double y = b[r];
      for (size_t c = 0; c < 3; ++c) y += w[r * 3 + c] * x[c];
      of_linear[r].Add(y);
      of_gelu[r].Add(Gelu(y));
    }
  }
  for (size_t r = 0; r < 2; ++r) {
    EXPECT_NEAR(linear.mean[r], of_linear[r].mean(), 0.02);
    EXPECT_NEAR(linear.deviation[r], of_linear[r].deviation(), 0.02);
    EXPECT_NEAR(gelu.mean[r], of_gelu[r].mean(), 0.02);
    EXPECT_NEAR(gelu.deviation[r], of_gelu[r].deviation(), 0.02);
  }
}

TEST(ColumnMoments, OfCodesAreThoseOfTheirValues) {
  constexpr size_t kRows = 9, kColumns = 72;
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> w(kRows * kColumns), bias(kRows);
  ColumnMoments in{std::vector<float>(kColumns), std::vector<float>(kColumns)};
  for (auto* values : {&w, &bias, &in.mean, &in.deviation}) {
    for (float& value : *values) value = normal(random);
  }
  for (const QuantizeOptions& options :
       {QuantizeOptions{4, 24, true}, QuantizeOptions{4, 9, false}, QuantizeOptions{8, 0, true}}) {
    const QuantizedMatrix codes = Quantize(w.data(), kRows, kColumns, options);
    std::vector<float> values(kRows * kColumns);
    Dequantize(codes, values.data());
    const ColumnMoments of_codes = MomentsOfLinear(codes, bias.data(), in);
    const ColumnMoments of_values = MomentsOfLinear(values.data(), kRows, bias.data(), in);
    EXPECT_EQ(of_codes.mean, of_values.mean);
    EXPECT_EQ(of_codes.deviation, of_values.deviation);
  }
}

TEST(ColumnMoments, OfAConstant) {
  const ColumnMoments gelu = MomentsOfGelu({{300.0f, -300.0f}, {0.0f, 0.0f}});
  EXPECT_THAT(gelu.mean, ::testing::ElementsAre(300.0f, 0.0f));
  EXPECT_THAT(gelu.deviation, ::testing::ElementsAre(0.0f, 0.0f));
}

TEST(ColumnMoments, OfAMixtureAreThoseOfAllItsColumns) {
  const ColumnMoments mixed = MomentsOfMixture({{1.0f, 3.0f, 5.0f}, {2.0f, 2.0f, 1.0f}}, 2);
  EXPECT_THAT(mixed.mean, ::testing::ElementsAre(2.0f, 2.0f, 5.0f));
  EXPECT_FLOAT_EQ(mixed.deviation[0], std::sqrt(5.0f));
  EXPECT_FLOAT_EQ(mixed.deviation[1], std::sqrt(5.0f));
  EXPECT_FLOAT_EQ(mixed.deviation[2], 1.0f);
}

constexpr size_t kColumns = 128, kRows = 40;

// Normally distributed activations and weights, in which columns can be made outliers.
class Products {
 public:
  Products() : activations_(kColumns, 1.0f) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    rows_.resize(kRows * kColumns);
    for (float& weight : rows_) weight = normal(random);
  }
  void MakeOutlier(size_t column, float factor) {
    activations_[column] *= factor;
    for (size_t r = 0; r < kRows; ++r) rows_[r * kColumns + column] /= factor;
  }
  std::vector<float> Choose(size_t mixed = 1) const {
    return ChooseSmoothingFactors(activations_, rows_, {}, mixed);
  }

  // As if the weights came from a model in 4 bits.
  void Round() {
    Dequantize(Quantize(rows_.data(), kRows, kColumns, {}), rows_.data());
    for (float& weight : rows_) weight = HalfToFloat(FloatToHalf(weight));
  }
  void MultiplyActivations(size_t column, float factor) { activations_[column] *= factor; }

  void MultiplyRow(size_t row, float factor) {
    for (size_t c = 0; c < kColumns; ++c) rows_[row * kColumns + c] *= factor;
  }
  void MakeNothing() {
    std::fill(rows_.begin(), rows_.end(), 0.0f);
    std::fill(activations_.begin(), activations_.end(), 0.0f);
  }

 private:
  std::vector<float> activations_, rows_;
};

// The factors cancel: other layers see no difference.
TEST(Factors, UndoOutliers) {
  const std::vector<float> before = Products().Choose();
  for (const float factor : {30.0f, 1000.0f}) {
    Products outliers;
    outliers.MakeOutlier(3, factor);
    outliers.MakeOutlier(70, 1.0f / factor);
    const std::vector<float> after = outliers.Choose();
    const float common = after[0] / before[0];
    for (size_t c = 0; c < kColumns; ++c) {
      const float expected = c == 3 ? factor : c == 70 ? 1.0f / factor : 1.0f;
      EXPECT_NEAR(after[c] / before[c] / common / expected, 1.0f, 0.02f) << c;
    }
  }
}

TEST(Factors, DoNotDependOnTheSizeOfRows) {
  Products products;
  products.MakeOutlier(3, 100.0f);
  const std::vector<float> before = products.Choose();
  products.MultiplyRow(5, 1000.0f);
  const std::vector<float> after = products.Choose();
  for (size_t c = 0; c < kColumns; ++c) EXPECT_NEAR(after[c], before[c], 0.01f * before[c]);
}

TEST(Factors, AreAlikeForMixedColumns) {
  Products products;
  products.MakeOutlier(3, 100.0f);
  const std::vector<float> factors = products.Choose(32);
  for (size_t c = 0; c < kColumns; ++c) EXPECT_EQ(factors[c], factors[c / 32 * 32]) << c;
}

TEST(Factors, DoNotRoundAgain) {
  Products products;
  products.Round();
  products.MultiplyActivations(5, 4.0f);
  for (const float factor : products.Choose()) EXPECT_EQ(factor, 1.0f);
  // Unless activations would be rounded too coarsely.
  products.MultiplyActivations(5, 1000.0f);
  EXPECT_GT(products.Choose()[5], 10.0f);
}

TEST(Factors, OfNothingAreFinite) {
  Products products;
  products.MakeNothing();
  for (const float factor : products.Choose()) EXPECT_EQ(factor, 1.0f);
}

ModelConfig SmallConfig() {
  ModelConfig config;
  config.vision.stages = {{32, 1, 2, 1, 7, 4, 3, false}, {64, 2, 2, 2, 3, 2, 1, true}};
  config.vision.projection_dim = 64;
  config.text.vocab_size = 40;
  config.text.d_model = 64;
  config.text.encoder_layers = 2;
  config.text.decoder_layers = 3;
  config.text.encoder_heads = config.text.decoder_heads = 2;
  config.text.encoder_ffn_dim = config.text.decoder_ffn_dim = 128;
  config.text.max_positions = 64;
  return config;
}

// Every matrix that activations are multiplied with is read at exactly one site. The projector's
// input is a sum over all previous layers, whose size cannot be estimated.
TEST(SmoothingSites, ReachEveryMatrix) {
  const ModelConfig config = SmallConfig();
  std::multiset<std::string> readers;
  for (const SmoothingSite& site : FindSmoothingSites(config).inputs) {
    readers.insert(site.readers.begin(), site.readers.end());
  }
  std::multiset<std::string> matrices = {"lm_head.weight"};
  for (const auto& [name, shape] : testing::WeightShapes(config, true)) {
    const bool product =
        name.find("embed") == std::string::npos && name.find("shared") == std::string::npos &&
        name.find("image_projection") == std::string::npos &&
        name.find(".conv1.") == std::string::npos && name.find(".conv2.") == std::string::npos;
    if (shape.size() > 1 && product) matrices.insert(name);
  }
  EXPECT_EQ(readers, matrices);
}

// Norms and layers that the sites name are there.
TEST(SmoothingSites, NameWhatThereIs) {
  const ModelConfig config = SmallConfig();
  std::set<std::string> names;
  for (const auto& weight : testing::WeightShapes(config, true)) names.insert(weight.name);
  const SmoothingSites sites = FindSmoothingSites(config);
  for (const SmoothingSite& site : sites.inputs) {
    if (site.source != SmoothingSite::Source::kPixels) {
      EXPECT_TRUE(names.contains(site.producer + ".weight")) << site.producer;
    }
  }
  for (const KeySite& site : sites.keys) {
    EXPECT_TRUE(names.contains(site.keys + ".weight")) << site.keys;
    EXPECT_TRUE(names.contains(site.queries + ".weight")) << site.queries;
  }
}

}  // namespace
}  // namespace uffizi
