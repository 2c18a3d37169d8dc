#include "kernels/gptq.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/parallel.h"
#include "kernels/kernels.h"

namespace uffizi {
namespace {

constexpr size_t kBlock = 128;          // columns
constexpr double kDamping = 0.01;       // times the mean square, added to the diagonal
constexpr double kMostDamping = 100.0;  // with which every matrix can be factorized

std::vector<size_t> OrderOf(const std::vector<float>& products, size_t columns) {
  std::vector<size_t> order(columns);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return products[a * columns + a] > products[b * columns + b];
  });
  return order;
}

// The part of a square matrix from row and column `first` on.
std::vector<float> Corner(const std::vector<float>& matrix, size_t size, size_t first) {
  const size_t rest = size - first;
  std::vector<float> corner(rest * rest);
  ParallelFor(rest, 16, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) {
      std::copy_n(matrix.data() + (first + r) * size + first, rest, corner.data() + r * rest);
    }
  });
  return corner;
}

// Factorizes the first `count` columns of what is left. left: [size, size]; panel: [size, count].
// False if it is not positive definite.
bool FactorPanel(const std::vector<float>& left, size_t size, size_t count,
                 std::vector<float>& panel) {
  const auto finish_row = [&](size_t r, size_t columns) {
    float* row = panel.data() + r * count;
    for (size_t c = 0; c < columns; ++c) {
      const float* other = panel.data() + c * count;
      float sum = left[r * size + c];
      for (size_t m = 0; m < c; ++m) sum -= row[m] * other[m];
      row[c] = sum / other[c];
    }
  };
  for (size_t r = 0; r < count; ++r) {
    finish_row(r, r);
    float* row = panel.data() + r * count;
    double sum = double{left[r * size + r]};
    for (size_t m = 0; m < r; ++m) sum -= double{row[m]} * double{row[m]};
    if (!(sum > 0)) return false;
    row[r] = static_cast<float>(std::sqrt(sum));
  }
  ParallelFor(size - count, 16, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) finish_row(count + r, count);
  });
  return true;
}

// The lower Cholesky factor L of a matrix L L^T. Empty if the matrix is not positive definite.
std::vector<float> Cholesky(std::vector<float> left, size_t size) {
  std::vector<float> factor(size * size);
  for (size_t first = 0; first < size; first += kBlock) {
    const size_t rest = size - first, count = std::min(kBlock, rest);
    std::vector<float> panel(rest * count);
    if (!FactorPanel(left, rest, count, panel)) return {};
    for (size_t r = 0; r < rest; ++r) {
      std::copy_n(panel.data() + r * count, std::min(count, r + 1),
                  factor.data() + (first + r) * size + first);
    }
    left = Corner(left, rest, count);
    const size_t below = rest - count;
    const float* lower = panel.data() + count * count;
    std::vector<float> negative(lower, lower + below * count);
    for (float& value : negative) value = -value;
    const Epilogue add{nullptr, Activation::kNone, left.data()};
    if (below > 0) MatMulF32(negative.data(), below, count, lower, below, add, left.data());
  }
  return factor;
}

// How rounding errors are compensated in later columns: [columns, columns], where [k, j], j < k, is
// the share of column j's error that column k compensates, measured at the outputs. With the factor
// R of the products H = R R^T, R upper, it is R[j, k] / R[k, k]. Columns are in `order`.
std::vector<float> Feedback(const std::vector<float>& products, const std::vector<size_t>& order) {
  const size_t size = order.size();
  double mean = 0;
  for (size_t c = 0; c < size; ++c) mean += double{products[c * size + c]};
  mean = std::max(mean / static_cast<double>(size), 1e-30);
  // In reverse order of columns, R is the usual lower factor.
  std::vector<float> factor;
  for (double damping = kDamping; factor.empty() && damping <= kMostDamping; damping *= 10) {
    std::vector<float> backwards(size * size);
    ParallelFor(size, 16, [&](size_t begin, size_t end) {
      for (size_t r = begin; r < end; ++r) {
        const float* row = products.data() + order[size - 1 - r] * size;
        for (size_t c = 0; c < size; ++c) {
          backwards[r * size + c] = static_cast<float>(double{row[order[size - 1 - c]]} / mean);
        }
        backwards[r * size + r] += static_cast<float>(damping);
      }
    });
    factor = Cholesky(std::move(backwards), size);
  }
  std::vector<float> feedback(size * size);
  if (factor.empty()) return feedback;  // no compensation
  ParallelFor(size, 16, [&](size_t begin, size_t end) {
    for (size_t k = begin; k < end; ++k) {
      const size_t at = size - 1 - k;
      for (size_t j = 0; j < k; ++j) {
        feedback[k * size + j] = factor[(size - 1 - j) * size + at] / factor[at * size + at];
      }
    }
  });
  return feedback;
}

// Rounds one matrix to codes, column by column in some order.
class Rounder {
 public:
  Rounder(const float* w, const std::vector<size_t>& order, QuantizedMatrix& matrix)
      : w_(w), order_(order), matrix_(matrix), codes_(matrix.rows * matrix.columns) {}

  void Round(const std::vector<float>& feedback) {
    const size_t rows = matrix_.rows, columns = matrix_.columns;
    // Target values of the columns that are not rounded yet: [rows, columns - first]
    std::vector<float> wanted(rows * columns);
    for (size_t i = 0; i < wanted.size(); ++i) {
      wanted[i] = w_[i / columns * columns + order_[i % columns]];
    }
    for (size_t first = 0; first < columns; first += kBlock) {
      const size_t rest = columns - first, count = std::min(kBlock, rest), after = rest - count;
      std::vector<float> errors(rows * count), next(rows * after), weights(after * count);
      ParallelFor(rows, 4, [&](size_t begin, size_t end) {
        for (size_t r = begin; r < end; ++r) {
          RoundBlock(r, first, count, feedback, wanted.data() + r * rest,
                     errors.data() + r * count);
          std::copy_n(wanted.data() + r * rest + count, after, next.data() + r * after);
        }
      });
      for (size_t k = 0; k < after; ++k) {
        std::copy_n(feedback.data() + (first + count + k) * columns + first, count,
                    weights.data() + k * count);
      }
      const Epilogue add{nullptr, Activation::kNone, next.data()};
      if (after > 0) {
        MatMulF32(errors.data(), rows, count, weights.data(), after, add, next.data());
      }
      wanted = std::move(next);
    }
    Pack();
  }

 private:
  // errors: [count], of each column the negative of its target minus its rounded value
  void RoundBlock(size_t row, size_t first, size_t count, const std::vector<float>& feedback,
                  const float* wanted, float* errors) {
    const size_t columns = matrix_.columns;
    const int levels = 1 << matrix_.bits;
    for (size_t k = 0; k < count; ++k) {
      const float* weights = feedback.data() + (first + k) * columns + first;
      float value = wanted[k];
      for (size_t j = 0; j < k; ++j) value += errors[j] * weights[j];
      const size_t column = order_[first + k];
      const size_t group = row * matrix_.groups() + column / matrix_.group_size;
      const float scale = matrix_.scales[group];
      const int zero = matrix_.zeros.empty() ? matrix_.symmetric_zero() : matrix_.zeros[group];
      const float steps = scale == 0 ? 0.0f : std::nearbyint(value / scale);
      const float low = static_cast<float>(-zero), high = static_cast<float>(levels - 1 - zero);
      const float step = std::clamp(steps, low, high);
      codes_[row * columns + column] = static_cast<uint8_t>(static_cast<int>(step) + zero);
      errors[k] = w_[row * columns + column] - step * scale;
    }
  }

  void Pack() {
    if (matrix_.bits == 8) {
      std::copy(codes_.begin(), codes_.end(), matrix_.codes.begin());
      return;
    }
    for (size_t i = 0; i < matrix_.codes.size(); ++i) {
      matrix_.codes[i] = static_cast<uint8_t>(codes_[2 * i] | codes_[2 * i + 1] << 4);
    }
  }

  const float* w_;
  const std::vector<size_t>& order_;
  QuantizedMatrix& matrix_;
  std::vector<uint8_t> codes_;  // one a byte
};

double Power(const float* w, size_t rows, size_t columns, std::span<const float> products) {
  std::vector<float> image(rows * columns);
  MatMulF32(w, rows, columns, products.data(), columns, {}, image.data());
  double power = 0;
  for (size_t i = 0; i < image.size(); ++i) power += double{image[i]} * double{w[i]};
  return power;
}

}  // namespace

void RoundByProducts(const float* w, std::vector<float> products, QuantizedMatrix& matrix) {
  const std::vector<size_t> order = OrderOf(products, matrix.columns);
  const std::vector<float> feedback = Feedback(products, order);
  products = {};
  Rounder(w, order, matrix).Round(feedback);
}

double OutputError(const float* w, const float* rounded, size_t rows, size_t columns,
                   std::span<const float> products) {
  std::vector<float> errors(rows * columns);
  for (size_t i = 0; i < errors.size(); ++i) errors[i] = w[i] - rounded[i];
  const double power = Power(w, rows, columns, products);
  const double lost = Power(errors.data(), rows, columns, products);
  return power > 0 ? std::sqrt(std::max(0.0, lost) / power) : 0.0;
}

}  // namespace uffizi
