#include "checkpoint/input_statistics.h"

#include <algorithm>

namespace uffizi {

void LayerInputs::Add(const float* x, size_t rows, size_t columns) {
  squares_.resize(columns);
  std::vector<float> sums(columns);  // few rows are added in float, many sums in double
  constexpr size_t kBlock = 64;
  for (size_t begin = 0; begin < rows; begin += kBlock) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (size_t r = begin; r < std::min(rows, begin + kBlock); ++r) {
      for (size_t c = 0; c < columns; ++c) sums[c] += x[r * columns + c] * x[r * columns + c];
    }
    for (size_t c = 0; c < columns; ++c) squares_[c] += static_cast<double>(sums[c]);
  }
  rows_ += rows;
}

std::vector<float> LayerInputs::Means() const {
  if (rows_ == 0) return {};
  std::vector<float> means(squares_.size());
  for (size_t c = 0; c < means.size(); ++c) {
    means[c] = static_cast<float>(squares_[c] / static_cast<double>(rows_));
  }
  return means;
}

}  // namespace uffizi
