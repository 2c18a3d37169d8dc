#include "checkpoint/column_moments.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/parallel.h"
#include "kernels/quantize.h"

namespace uffizi {
namespace {

constexpr size_t kGrain = size_t{1} << 16;  // smallest number of weights for a task

size_t RowGrain(size_t columns) { return std::max<size_t>(1, kGrain / columns); }

// Sets the moments of output r of a linear layer. w: [in.columns()] f32, the weights of this output
void SetRow(const float* w, size_t r, const float* bias, const ColumnMoments& in,
            ColumnMoments& out) {
  // Summed in lanes, which the compiler can vectorize, and in the same order on every machine.
  constexpr size_t kLanes = 16;
  float means[kLanes] = {}, squares[kLanes] = {};
  const auto add = [&](size_t c, size_t lane) {
    const float varying = w[c] * in.deviation[c];
    means[lane] += w[c] * in.mean[c];
    squares[lane] += varying * varying;
  };
  const size_t columns = in.columns();
  size_t c = 0;
  for (; c + kLanes <= columns; c += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) add(c + lane, lane);
  }
  for (; c < columns; ++c) add(c, 0);
  double mean = bias == nullptr ? 0.0 : double{bias[r]}, square = 0.0;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    mean += double{means[lane]};
    square += double{squares[lane]};
  }
  out.mean[r] = static_cast<float>(mean);
  out.deviation[r] = static_cast<float>(std::sqrt(square));
}

double Gelu(double x) { return 0.5 * x * (1.0 + std::erf(x / std::numbers::sqrt2)); }

}  // namespace

ColumnMoments MomentsOfNorm(std::span<const float> weight, std::span<const float> bias) {
  ColumnMoments moments{{bias.begin(), bias.end()}, {weight.begin(), weight.end()}};
  for (float& deviation : moments.deviation) deviation = std::abs(deviation);
  return moments;
}

ColumnMoments MomentsOfLinear(const float* w, size_t rows, const float* bias,
                              const ColumnMoments& in) {
  ColumnMoments out{std::vector<float>(rows), std::vector<float>(rows)};
  ParallelFor(rows, RowGrain(in.columns()), [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) SetRow(w + r * in.columns(), r, bias, in, out);
  });
  return out;
}

ColumnMoments MomentsOfLinear(const QuantizedMatrix& w, const float* bias,
                              const ColumnMoments& in) {
  ColumnMoments out{std::vector<float>(w.rows), std::vector<float>(w.rows)};
  ParallelFor(w.rows, RowGrain(w.columns), [&](size_t begin, size_t end) {
    std::vector<float> row(w.columns);
    for (size_t r = begin; r < end; ++r) {
      DequantizeRow(w, r, row.data());
      SetRow(row.data(), r, bias, in, out);
    }
  });
  return out;
}

ColumnMoments MomentsOfGelu(const ColumnMoments& in) {
  // Steps of the trapezoidal rule, which is accurate enough for a smooth integrand that vanishes at
  // both ends.
  constexpr int kSteps = 24;
  constexpr double kReach = 4.5;  // deviations to either side
  double weights[kSteps + 1], sum = 0;
  for (int i = 0; i <= kSteps; ++i) {
    const double z = kReach * (2.0 * i / kSteps - 1.0);
    sum += weights[i] = std::exp(-0.5 * z * z);
  }
  ColumnMoments out = in;
  ParallelFor(in.columns(), 256, [&](size_t begin, size_t end) {
    for (size_t c = begin; c < end; ++c) {
      double mean = 0, square = 0;
      for (int i = 0; i <= kSteps; ++i) {
        const double z = kReach * (2.0 * i / kSteps - 1.0);
        const double y = Gelu(double{in.mean[c]} + z * double{in.deviation[c]});
        mean += weights[i] * y;
        square += weights[i] * y * y;
      }
      mean /= sum;
      out.mean[c] = static_cast<float>(mean);
      out.deviation[c] = static_cast<float>(std::sqrt(std::max(0.0, square / sum - mean * mean)));
    }
  });
  return out;
}

ColumnMoments MomentsOfMixture(const ColumnMoments& in, size_t mixed) {
  ColumnMoments out = in;
  for (size_t begin = 0; begin < in.columns(); begin += mixed) {
    const size_t end = std::min(in.columns(), begin + mixed);
    double mean = 0, square = 0;
    for (size_t c = begin; c < end; ++c) {
      mean += double{in.mean[c]};
      square += double{in.mean[c]} * double{in.mean[c]} +
                double{in.deviation[c]} * double{in.deviation[c]};
    }
    const auto count = static_cast<double>(end - begin);
    mean /= count;
    const double deviation = std::sqrt(std::max(0.0, square / count - mean * mean));
    std::fill(out.mean.begin() + static_cast<ptrdiff_t>(begin),
              out.mean.begin() + static_cast<ptrdiff_t>(end), static_cast<float>(mean));
    std::fill(out.deviation.begin() + static_cast<ptrdiff_t>(begin),
              out.deviation.begin() + static_cast<ptrdiff_t>(end), static_cast<float>(deviation));
  }
  return out;
}

}  // namespace uffizi
