// GPTQ compared with the paper's algorithm: Algorithm 1 of arXiv 2210.17323, in double, column by
// column over the inverse of the damped products.

#include "kernels/gptq.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "kernels/quantize.h"

namespace uffizi {
namespace {

using Matrix = std::vector<std::vector<double>>;

// The mean of x x^T over inputs with correlated columns. Their sizes decrease, so that columns are
// processed in their natural order.
std::vector<float> CorrelatedProducts(size_t columns, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  const size_t inputs = 4 * columns;
  std::vector<float> products(columns * columns);
  std::vector<float> x(columns);
  for (size_t i = 0; i < inputs; ++i) {
    const float shared = normal(random);
    for (size_t c = 0; c < columns; ++c) {
      const float size = 3.0f - 2.0f * static_cast<float>(c) / static_cast<float>(columns);
      x[c] = size * (0.8f * shared + 0.6f * normal(random));
    }
    for (size_t r = 0; r < columns; ++r) {
      for (size_t c = 0; c < columns; ++c) products[r * columns + c] += x[r] * x[c] / inputs;
    }
  }
  for (size_t c = 0; c < columns; ++c) {
    products[c * columns + c] += 2.0f * static_cast<float>(columns - c);
  }
  return products;
}

std::vector<float> RandomWeights(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> w(count);
  for (float& value : w) value = normal(random);
  return w;
}

Matrix Inverse(Matrix a) {  // Gauss and Jordan
  const size_t n = a.size();
  Matrix inverse(n, std::vector<double>(n));
  for (size_t i = 0; i < n; ++i) inverse[i][i] = 1;
  for (size_t i = 0; i < n; ++i) {
    const double pivot = a[i][i];
    for (size_t c = 0; c < n; ++c) {
      a[i][c] /= pivot;
      inverse[i][c] /= pivot;
    }
    for (size_t r = 0; r < n; ++r) {
      const double factor = a[r][i];
      for (size_t c = 0; r != i && c < n; ++c) {
        a[r][c] -= factor * a[i][c];
        inverse[r][c] -= factor * inverse[i][c];
      }
    }
  }
  return inverse;
}

// U upper with U^T U = a.
Matrix UpperCholesky(const Matrix& a) {
  const size_t n = a.size();
  Matrix u(n, std::vector<double>(n));
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = i; j < n; ++j) {
      double sum = a[i][j];
      for (size_t k = 0; k < i; ++k) sum -= u[k][i] * u[k][j];
      u[i][j] = i == j ? std::sqrt(sum) : sum / u[i][i];
    }
  }
  return u;
}

// The rounded values of a row.
std::vector<double> Textbook(const float* row, const float* scales, size_t group,
                             const Matrix& upper) {
  const size_t n = upper.size();
  std::vector<double> w(row, row + n), rounded(n);
  for (size_t i = 0; i < n; ++i) {
    const double scale = double{scales[i / group]};
    rounded[i] = scale * std::min(std::max(std::nearbyint(w[i] / scale), -8.0), 7.0);
    const double error = (w[i] - rounded[i]) / upper[i][i];
    for (size_t j = i + 1; j < n; ++j) w[j] -= error * upper[i][j];
  }
  return rounded;
}

TEST(Gptq, IsTheTextbooks) {
  constexpr size_t kRows = 12, kColumns = 192, kGroup = 64;
  const std::vector<float> w = RandomWeights(kRows * kColumns, 1);
  const std::vector<float> products = CorrelatedProducts(kColumns, 2);
  Matrix damped(kColumns, std::vector<double>(kColumns));
  double mean = 0;
  for (size_t c = 0; c < kColumns; ++c) mean += double{products[c * kColumns + c]} / kColumns;
  for (size_t r = 0; r < kColumns; ++r) {
    for (size_t c = 0; c < kColumns; ++c) damped[r][c] = double{products[r * kColumns + c]};
    damped[r][r] += 0.01 * mean;
  }
  const Matrix upper = UpperCholesky(Inverse(damped));
  QuantizedMatrix matrix = Quantize(w.data(), kRows, kColumns, {4, kGroup, true});
  const std::vector<float> scales = matrix.scales;
  RoundByProducts(w.data(), products, matrix);
  EXPECT_EQ(matrix.scales, scales);
  std::vector<float> rounded(w.size());
  Dequantize(matrix, rounded.data());
  size_t different = 0;  // a value half way between codes may fall to either side
  for (size_t r = 0; r < kRows; ++r) {
    const size_t groups = kColumns / kGroup;
    const auto expected =
        Textbook(w.data() + r * kColumns, scales.data() + r * groups, kGroup, upper);
    for (size_t c = 0; c < kColumns; ++c) {
      different += std::abs(expected[c] - double{rounded[r * kColumns + c]}) > 1e-4;
    }
  }
  EXPECT_LE(different, kRows * kColumns / 100);
}

// With uncorrelated inputs, nothing can be compensated.
TEST(Gptq, RoundsToNearestWhereColumnsAreIndependent) {
  constexpr size_t kRows = 5, kColumns = 128;
  const std::vector<float> w = RandomWeights(kRows * kColumns, 3);
  std::vector<float> products(kColumns * kColumns);
  for (size_t c = 0; c < kColumns; ++c) products[c * kColumns + c] = c % 7 == 0 ? 0.0f : 1.0f;
  for (const QuantizeOptions& options :
       {QuantizeOptions{4, 32, true}, {4, 64, false}, {8, 0, true}}) {
    const QuantizedMatrix nearest = Quantize(w.data(), kRows, kColumns, options);
    QuantizedMatrix matrix = nearest;
    RoundByProducts(w.data(), products, matrix);
    EXPECT_EQ(matrix, nearest);
  }
}

TEST(Gptq, LosesLessOfOutputs) {
  constexpr size_t kRows = 40, kColumns = 320;  // no multiple of its blocks
  const std::vector<float> w = RandomWeights(kRows * kColumns, 4);
  std::vector<float> products = CorrelatedProducts(kColumns, 5);
  // Fewer inputs than columns, and columns without input: the matrix is singular.
  for (size_t c = 0; c < kColumns; ++c) {
    products[c * kColumns + c] -= 2.0f * static_cast<float>(kColumns - c);
    products[3 * kColumns + c] = products[c * kColumns + 3] = 0;
  }
  for (const QuantizeOptions& options :
       {QuantizeOptions{4, 64, true}, {4, 32, false}, {8, 64, true}}) {
    QuantizedMatrix matrix = Quantize(w.data(), kRows, kColumns, options);
    std::vector<float> nearest(w.size()), rounded(w.size());
    Dequantize(matrix, nearest.data());
    RoundByProducts(w.data(), products, matrix);
    Dequantize(matrix, rounded.data());
    const double before = OutputError(w.data(), nearest.data(), kRows, kColumns, products);
    const double after = OutputError(w.data(), rounded.data(), kRows, kColumns, products);
    EXPECT_LT(after, 0.8 * before);
    EXPECT_GT(after, 0);
  }
}

}  // namespace
}  // namespace uffizi
