// Quantization compared with plain arithmetic in double, over sizes, ranges and bits.

#include "kernels/quantize.h"

#include <gtest/gtest.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include "core/half.h"
#include "kernels/row_factors.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

using Weights = std::vector<float>;

Weights Normal(size_t count, float spread, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, spread);
  Weights w(count);
  for (float& value : w) value = normal(random);
  return w;
}

double SquaredError(const Weights& a, const Weights& b, std::span<const float> importance = {}) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double weight = importance.empty() ? 1 : importance[i % importance.size()];
    sum += weight * std::pow(static_cast<double>(a[i]) - b[i], 2);
  }
  return sum;
}

Weights Values(const QuantizedMatrix& matrix) {
  Weights out(matrix.rows * matrix.columns);
  Dequantize(matrix, out.data());
  return out;
}

// Plain rounding: every value to the nearest on the grid that spans its group. Scales are rounded
// to the stored type.
Weights RoundToNearest(const Weights& w, const QuantizeOptions& options, size_t group) {
  const double steps = (1 << options.bits) - 1;
  Weights out(w.size());
  for (size_t begin = 0; begin < w.size(); begin += group) {
    double low = 0, high = 0;
    for (size_t i = begin; i < begin + group; ++i) {
      low = std::min<double>(low, w[i]);
      high = std::max<double>(high, w[i]);
    }
    if (options.symmetric) {
      high = std::max(-low, high);
      low = -high;
    }
    const double scale = HalfToFloat(FloatToHalf(static_cast<float>((high - low) / steps)));
    const double zero = options.symmetric ? (steps + 1) / 2 : std::round(-low / scale);
    for (size_t i = begin; i < begin + group; ++i) {
      const double code = std::clamp(std::nearbyint(w[i] / scale) + zero, 0.0, steps);
      out[i] = static_cast<float>(scale * (code - zero));
    }
  }
  return out;
}

struct Case {
  int bits;
  size_t group_size;
  bool symmetric;
};

class QuantizeCases : public ::testing::TestWithParam<Case> {
 protected:
  QuantizeOptions options() const {
    return {GetParam().bits, GetParam().group_size, GetParam().symmetric};
  }
};

// Each element by the definition in quantized_matrix.h.
TEST(Dequantize, ComputesEveryElementOfAnyGroup) {
  std::mt19937 random(1);
  for (const int bits : {4, 8}) {
    for (const size_t group : {1, 3, 4, 10, 64}) {
      for (const bool symmetric : {true, false}) {
        QuantizedMatrix matrix;
        matrix.rows = 3, matrix.columns = 4 * group, matrix.bits = bits, matrix.group_size = group;
        matrix.codes.resize(matrix.rows * matrix.row_bytes());
        for (uint8_t& code : matrix.codes) code = static_cast<uint8_t>(random());
        for (size_t i = 0; i < matrix.rows * matrix.groups(); ++i) {
          matrix.scales.push_back(0.01f * static_cast<float>(1 + random() % 100));
          if (!symmetric) matrix.zeros.push_back(static_cast<uint8_t>(random() % (1u << bits)));
        }
        const Weights values = Values(matrix);
        for (size_t r = 0; r < matrix.rows; ++r) {
          for (size_t c = 0; c < matrix.columns; ++c) {
            const uint8_t byte = matrix.codes[r * matrix.row_bytes() + (bits == 4 ? c / 2 : c)];
            const int code = bits == 8 ? byte : c % 2 == 0 ? byte & 15 : byte >> 4;
            const size_t at = r * matrix.groups() + c / group;
            const int zero = symmetric ? matrix.symmetric_zero() : matrix.zeros[at];
            EXPECT_EQ(values[r * matrix.columns + c],
                      matrix.scales[at] * static_cast<float>(code - zero))
                << bits << " bits, groups of " << group << ", row " << r << ", column " << c;
          }
        }
      }
    }
  }
}

TEST_P(QuantizeCases, FreeScalesAreNeverWorseThanRoundToNearest) {
  const size_t rows = 7, columns = 384;
  const size_t group = options().group_size == 0 ? columns : options().group_size;
  Weights heavy_tails = Normal(rows * columns, 0.02f, 2);
  for (float& value : heavy_tails) value *= 1 + std::abs(value) * 100;
  Weights shifted = Normal(rows * columns, 0.02f, 3);
  for (float& value : shifted) value += 0.05f;
  for (const Weights& w : {Normal(rows * columns, 0.02f), heavy_tails, shifted}) {
    const Weights nearest = RoundToNearest(w, options(), group);
    QuantizeOptions free_scales = options();
    free_scales.factors = false;
    const Weights ours = Values(Quantize(w.data(), rows, columns, free_scales));
    double total = 0, total_nearest = 0;
    for (size_t begin = 0; begin < w.size(); begin += group) {
      const auto part = [&](const Weights& all) {
        return Weights(all.begin() + static_cast<ptrdiff_t>(begin),
                       all.begin() + static_cast<ptrdiff_t>(begin + group));
      };
      const double error = SquaredError(part(w), part(ours));
      const double error_nearest = SquaredError(part(w), part(nearest));
      EXPECT_LE(error, error_nearest * (1 + 1e-4)) << "group at " << begin;
      total += error;
      total_nearest += error_nearest;
    }
    EXPECT_LT(total, total_nearest * 0.99);
  }
}

// Scales that are small integers times one per row increase the squared error by a few percent
// compared with free scales.
TEST_P(QuantizeCases, FactorsCostLittle) {
  const size_t rows = 24, columns = 1024;
  Weights heavy_tails = Normal(rows * columns, 0.02f, 2);
  for (float& value : heavy_tails) value *= 1 + std::abs(value) * 100;
  Weights uneven = Normal(rows * columns, 0.02f, 3);  // groups of very different size
  for (size_t i = 0; i < uneven.size(); ++i) uneven[i] *= 1.0f + static_cast<float>(i / 64 % 7);
  for (const Weights& w :
       {Normal(rows * columns, 0.02f), Normal(rows * columns, 2.0f), heavy_tails, uneven}) {
    QuantizeOptions free_scales = options();
    free_scales.factors = false;
    const QuantizedMatrix with = Quantize(w.data(), rows, columns, options());
    const Weights without = Values(Quantize(w.data(), rows, columns, free_scales));
    EXPECT_LE(SquaredError(w, Values(with)), 1.05 * SquaredError(w, without))
        << SquaredError(w, Values(with)) / SquaredError(w, without);
    EXPECT_EQ(!FindMatrixFactors(with).empty(),
              options().bits == 4 && options().symmetric && with.group_size % 64 == 0);
  }
}

TEST_P(QuantizeCases, ImportanceMovesTheErrorToWhereItDoesNotMatter) {
  const size_t rows = 16, columns = 384;
  const Weights w = Normal(rows * columns, 0.02f);
  Weights importance(columns);
  for (size_t c = 0; c < columns; ++c) importance[c] = c % 16 == 0 ? 1.0f : 0.001f;
  const Weights plain = Values(Quantize(w.data(), rows, columns, options()));
  const Weights weighted = Values(Quantize(w.data(), rows, columns, options(), importance));
  EXPECT_LT(SquaredError(w, weighted, importance), 0.95 * SquaredError(w, plain, importance));
  const Weights zero(columns, 0.0f);
  EXPECT_EQ(Values(Quantize(w.data(), rows, columns, options(), zero)), plain);
}

TEST_P(QuantizeCases, WhatIsOnAGridStaysExact) {
  const size_t rows = 3, columns = 384;
  std::mt19937 random(5);
  const int half = 1 << (options().bits - 1);
  Weights w(rows * columns);
  for (float& value : w)
    value = 0.25f *
            static_cast<float>(static_cast<int>(random() % static_cast<unsigned>(2 * half)) - half);
  for (size_t i = 0; i < w.size(); i += 32) {  // every group spans the whole grid
    w[i] = -0.25f * static_cast<float>(half);
    w[i + 1] = 0.25f * static_cast<float>(half - 1);
  }
  const Weights values = Values(Quantize(w.data(), rows, columns, options()));
  EXPECT_LT(std::sqrt(SquaredError(w, values) / SquaredError(w, Weights(w.size()))), 1e-3);
}

TEST_P(QuantizeCases, WhatIsOnAGridOfFewerCodesStaysExact) {
  if (options().bits == 8 || !options().symmetric) GTEST_SKIP() << "promised for 4 bits, symmetric";
  const size_t rows = 16, columns = 384;
  std::mt19937 random(6);
  Weights w(rows * columns);
  const size_t group = options().group_size == 0 ? columns : options().group_size;
  for (size_t i = 0; i < w.size(); ++i) {
    // Scales of a row are multiples of one, and groups have from one code to all of them.
    const size_t number = i / group;
    const int most = 1 + static_cast<int>(number % 7);
    const int factor = 8 + static_cast<int>(number % 8);
    const int code = static_cast<int>(random() % static_cast<unsigned>(2 * most + 1)) - most;
    w[i] = 0.03125f * static_cast<float>(factor * (i % group == 0 ? most : code));
  }
  const Weights values = Values(Quantize(w.data(), rows, columns, options()));
  EXPECT_LT(std::sqrt(SquaredError(w, values) / SquaredError(w, Weights(w.size()))), 1e-3);
}

TEST_P(QuantizeCases, ZerosConstantsAndExtremes) {
  const size_t rows = 2, columns = 128;
  const size_t count = rows * columns;
  EXPECT_EQ(Values(Quantize(Weights(count, 0.0f).data(), rows, columns, options())),
            Weights(count, 0.0f));
  for (const float value : {1.0f, -0.3f, 3e-3f, 7e4f, 1e-30f, -1e36f, 1e37f}) {
    const Weights values = Values(Quantize(Weights(count, value).data(), rows, columns, options()));
    for (const float got : values) EXPECT_NEAR(got / value, 1, 5e-3) << value;
  }
  for (const float spread : {1e-12f, 1e-3f, 30.0f, 1e6f, 1e36f}) {
    const Weights w = Normal(count, spread);
    const Weights values = Values(Quantize(w.data(), rows, columns, options()));
    const double limit = options().bits == 4 ? 0.17 : 0.012;
    double error = 0, power = 0;
    for (size_t i = 0; i < count; ++i) {
      error += std::pow(w[i] / spread - values[i] / spread, 2);
      power += std::pow(w[i] / spread, 2);
    }
    EXPECT_LT(std::sqrt(error / power), limit) << spread;
  }
  const Weights denormal(count, 1e-42f);
  for (const float got : Values(Quantize(denormal.data(), rows, columns, options()))) {
    EXPECT_LE(std::abs(got), 2e-42f);
  }
  Weights one_large(count, 1e-5f);  // among weights that vanish beside it
  one_large[77] = 1000;
  EXPECT_NEAR(Values(Quantize(one_large.data(), rows, columns, options()))[77], 1000, 1);
}

TEST_P(QuantizeCases, ScalesAreWhatAFileStores) {
  for (const float spread : {0.02f, 1e-5f, 1e5f}) {
    const Weights w = Normal(2 * 128, spread);
    const QuantizedMatrix matrix = Quantize(w.data(), 2, 128, options());
    const auto all = [&](const std::function<float(float)>& round) {
      return std::all_of(matrix.scales.begin(), matrix.scales.end(),
                         [&](float scale) { return round(scale) == scale; });
    };
    EXPECT_TRUE(all([](float s) { return HalfToFloat(FloatToHalf(s)); }) ||
                all([](float s) { return Bfloat16ToFloat(FloatToBfloat16(s)); }));
  }
}

TEST_P(QuantizeCases, SameOnAnyNumberOfThreads) {
  const Weights w = Normal(200 * 384, 0.02f);
  const QuantizedMatrix many = Quantize(w.data(), 200, 384, options());
  QuantizedMatrix one;
  oneapi::tbb::task_arena(1).execute([&] { one = Quantize(w.data(), 200, 384, options()); });
  EXPECT_EQ(one.codes, many.codes);
  EXPECT_EQ(one.scales, many.scales);
  EXPECT_EQ(one.zeros, many.zeros);
}

INSTANTIATE_TEST_SUITE_P(All, QuantizeCases,
                         ::testing::Values(Case{4, 32, true}, Case{4, 64, true}, Case{4, 128, true},
                                           Case{4, 0, true}, Case{4, 32, false}, Case{4, 64, false},
                                           Case{4, 0, false}, Case{8, 32, true}, Case{8, 0, true},
                                           Case{8, 64, false}, Case{8, 0, false}),
                         [](const auto& test) {
                           return std::to_string(test.param.bits) + "Bits" +
                                  std::to_string(test.param.group_size) +
                                  (test.param.symmetric ? "" : "Asymmetric");
                         });

TEST(Quantize, CodesLieAsTheStructSays) {
  const Weights w = {-8, -7, 0, 7, 1, 2, 3, -1};
  const QuantizedMatrix four = Quantize(w.data(), 1, 8, {4, 8, true});
  EXPECT_EQ(four.scales, (Weights{1}));
  EXPECT_TRUE(four.zeros.empty());
  EXPECT_EQ(four.codes, (LargeVector<uint8_t>{0x10, 0xf8, 0xa9, 0x7b}));
  const QuantizedMatrix two_groups = Quantize(w.data(), 1, 8, {4, 4, false});
  EXPECT_EQ(two_groups.zeros[0], 8);
  EXPECT_EQ(two_groups.groups(), 2u);
}

TEST(Quantize, RefusesWhatMakesNoSense) {
  const Weights w(96);
  const auto refuses = [&](size_t columns, const QuantizeOptions& options,
                           std::span<const float> importance = {}) {
    EXPECT_THROW(Quantize(w.data(), 1, columns, options, importance), Error);
  };
  refuses(96, {3, 32, true});
  refuses(96, {4, 64, true});
  refuses(0, {4, 0, true});
  refuses(5, {4, 5, true});
  refuses(96, {4, 32, true}, std::span(w).first(95));
}

}  // namespace
}  // namespace uffizi
