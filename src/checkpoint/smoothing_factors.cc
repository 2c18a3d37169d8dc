#include "checkpoint/smoothing_factors.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "kernels/quantize.h"

namespace uffizi {
namespace {

constexpr size_t kSampledRows = 64;
constexpr double kActivationLevels = 127.0;
// The expected maximum of many values with standard deviation 1.
constexpr float kPeak = 3.5f;
// Sizes below this fraction of the largest count as zero.
constexpr float kLeastSize = 1e-7f;
// Rounding random weights to 4 bits in groups of 64 leaves an error of about 1 % of their squares.
constexpr double kRoundedError = 1e-3;

// Divides each row by its size. Row and column sizes are estimated together, so that a large row
// does not dominate the columns' sizes, nor a large column the rows'. Rows are rounded
// independently, and a row's size does not tell how much it matters for the answers.
void NormalizeRows(std::vector<float>& rows, size_t columns) {
  constexpr int kTurns = 3;
  std::vector<double> squares(columns);
  for (int turn = 0; turn < kTurns; ++turn) {
    std::fill(squares.begin(), squares.end(), 0.0);
    for (size_t begin = 0; begin < rows.size(); begin += columns) {
      for (size_t c = 0; c < columns; ++c) {
        squares[c] += double{rows[begin + c]} * double{rows[begin + c]};
      }
    }
    for (double& square : squares) square = square > 1e-60 ? 1.0 / square : 0.0;
    for (size_t begin = 0; begin < rows.size(); begin += columns) {
      double size = 0;
      for (size_t c = 0; c < columns; ++c) {
        size += double{rows[begin + c]} * double{rows[begin + c]} * squares[c];
      }
      const auto inverse = static_cast<float>(size > 0.0 ? 1.0 / std::sqrt(size) : 0.0);
      for (size_t c = 0; c < columns; ++c) rows[begin + c] *= inverse;
    }
  }
}

// Raises sizes that are negligible compared with the largest to kLeastSize of it.
void RaiseLeast(std::vector<float>& sizes) {
  const float largest = *std::max_element(sizes.begin(), sizes.end());
  for (float& size : sizes) size = std::max(size, largest > 0.0f ? largest * kLeastSize : 1.0f);
}

// Root mean squares of the columns, or of each `mixed` of them.
std::vector<float> ColumnSizes(const std::vector<float>& rows, size_t columns, size_t mixed) {
  std::vector<double> squares(columns);
  for (size_t i = 0; i < rows.size(); ++i) {
    squares[i % columns / mixed * mixed] += double{rows[i]} * double{rows[i]};
  }
  std::vector<float> sizes(columns);
  for (size_t c = 0; c < columns; ++c) {
    sizes[c] = static_cast<float>(std::sqrt(squares[c / mixed * mixed]));
  }
  RaiseLeast(sizes);
  return sizes;
}

std::vector<float> PowerFactors(const std::vector<float>& log_activations,
                                const std::vector<float>& log_weights, float p, float q) {
  std::vector<float> factors(log_weights.size());
  double mean = 0;
  for (size_t c = 0; c < factors.size(); ++c) {
    factors[c] = p * log_activations[c] - q * log_weights[c];
    mean += double{factors[c]};
  }
  mean /= static_cast<double>(factors.size());
  for (float& factor : factors) factor = std::exp(factor - static_cast<float>(mean));
  return factors;
}

struct GroupSums {
  float largest = 0, square = 0;
};

// Sums over weights[c] * factors[c], in lanes, which the compiler can vectorize.
GroupSums SumGroup(const float* weights, const float* factors, size_t count) {
  constexpr size_t kLanes = 16;
  float largest[kLanes] = {}, squares[kLanes] = {};
  const auto add = [&](size_t c, size_t lane) {
    const float weight = std::abs(weights[c] * factors[c]);
    largest[lane] = largest[lane] > weight ? largest[lane] : weight;
    squares[lane] += weight * weight;
  };
  size_t c = 0;
  for (; c + kLanes <= count; c += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) add(c + lane, lane);
  }
  for (; c < count; ++c) add(c, 0);
  GroupSums sums;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    sums.largest = std::max(sums.largest, largest[lane]);
    sums.square += squares[lane];
  }
  return sums;
}

// Whether rounding the rows changes them much less than other weights: they were already rounded
// to 4 bits, in training or because they come from a quantized model.
bool AreRounded(const std::vector<float>& rows, size_t columns, const Widths& widths) {
  if (widths.bits != 4) return false;
  const QuantizeOptions options =
      FittingOptions({widths.bits, widths.group_size, /*symmetric=*/true}, columns);
  if (options.bits != 4) return false;
  std::vector<float> rounded(rows.size());
  Dequantize(Quantize(rows.data(), rows.size() / columns, columns, options), rounded.data());
  double errors = 0, squares = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const double error = double{rows[i]} - double{rounded[i]};
    errors += error * error;
    squares += double{rows[i]} * double{rows[i]};
  }
  return errors < kRoundedError * squares;
}

// An estimate of the squared error of the products of these rows: an activation is rounded to
// levels up to the largest of its row, a weight, unless `exact`, to levels up to the largest of its
// group.
double EstimateError(const std::vector<float>& rows, const std::vector<float>& activations,
                     const std::vector<float>& factors, const Widths& widths, bool exact) {
  const size_t columns = factors.size();
  const double levels = widths.bits == 4 ? 7.5 : 127.0;
  const size_t group = columns % widths.group_size == 0 ? widths.group_size : columns;
  std::vector<double> powers(columns / group);  // of the activations of a group
  float peak = 0;
  for (size_t c = 0; c < columns; ++c) {
    const float size = activations[c] / factors[c];
    peak = std::max(peak, size);
    powers[c / group] += double{size} * double{size};
  }
  double of_weights = 0, squares = 0;
  for (size_t row = 0; row < rows.size(); row += columns) {
    for (size_t g = 0; g < powers.size(); ++g) {
      const GroupSums sums =
          SumGroup(rows.data() + row + g * group, factors.data() + g * group, group);
      const double step = double{sums.largest} / levels;
      of_weights += step * step * powers[g];
      squares += double{sums.square};
    }
  }
  const double step = double{kPeak * peak} / kActivationLevels;
  return (exact ? 0.0 : of_weights) + squares * step * step;
}

}  // namespace

std::vector<size_t> SampledRows(size_t rows) {
  const size_t count = std::min(rows, kSampledRows);
  std::vector<size_t> sampled(count);
  for (size_t i = 0; i < count; ++i) sampled[i] = i * rows / count;
  return sampled;
}

std::vector<float> ChooseSmoothingFactors(std::vector<float> activations, std::vector<float> rows,
                                          const Widths& widths, size_t mixed) {
  const size_t columns = activations.size();
  const bool rounded = AreRounded(rows, columns, widths);
  NormalizeRows(rows, columns);
  // Treats the activations as a matrix with one row.
  activations = ColumnSizes(activations, columns, mixed);
  std::vector<float> log_activations = activations;
  std::vector<float> log_weights = ColumnSizes(rows, columns, mixed);
  for (float& size : log_activations) size = std::log(size);
  for (float& size : log_weights) size = std::log(size);
  constexpr float kOfActivations[] = {0.0f, 0.25f, 0.5f};
  constexpr float kOfWeights[] = {0.0f, 0.25f, 0.5f, 0.75f, 1.0f};
  constexpr size_t kTried = std::size(kOfActivations) * std::size(kOfWeights);
  std::vector<std::vector<float>> tried(kTried);
  std::vector<double> errors(kTried);
  ParallelFor(kTried, 1, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const float p = kOfActivations[i / std::size(kOfWeights)];
      const float q = kOfWeights[i % std::size(kOfWeights)];
      tried[i] = PowerFactors(log_activations, log_weights, p, q);
      const bool exact = rounded && p == 0.0f && q == 0.0f;
      errors[i] = EstimateError(rows, activations, tried[i], widths, exact);
    }
  });
  return tried[static_cast<size_t>(std::min_element(errors.begin(), errors.end()) -
                                   errors.begin())];
}

}  // namespace uffizi
