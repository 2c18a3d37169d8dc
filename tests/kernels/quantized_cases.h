#ifndef UFFIZI_TESTS_KERNELS_QUANTIZED_CASES_H_
#define UFFIZI_TESTS_KERNELS_QUANTIZED_CASES_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "kernels/kernels.h"
#include "kernels/quantize.h"
#include "kernels/reference.h"

namespace uffizi::testing {

inline std::vector<float> RandomValues(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// Codes over their whole range, so that every extreme occurs.
inline QuantizedMatrix RandomMatrix(size_t rows, size_t columns, int bits, size_t group,
                                    bool symmetric) {
  std::mt19937 random(static_cast<uint32_t>(rows * 31 + columns));
  QuantizedMatrix matrix;
  matrix.rows = rows;
  matrix.columns = columns;
  matrix.bits = bits;
  matrix.group_size = group;
  matrix.codes.resize(rows * matrix.row_bytes());
  for (uint8_t& code : matrix.codes) code = static_cast<uint8_t>(random());
  matrix.scales.resize(rows * matrix.groups());
  for (float& scale : matrix.scales) scale = static_cast<float>(random() % 100 + 1) * 1e-3f;
  if (!symmetric) {
    matrix.zeros.resize(matrix.scales.size());
    const unsigned codes = 1u << bits;
    for (uint8_t& zero : matrix.zeros) zero = static_cast<uint8_t>(random() % codes);
  }
  return matrix;
}

// Scales that are small integers times one scale of the row.
inline QuantizedMatrix FactorMatrix(size_t rows, size_t columns, size_t group) {
  std::mt19937 random(7);
  QuantizedMatrix matrix = RandomMatrix(rows, columns, 4, group, true);
  for (size_t r = 0; r < rows; ++r) {
    const float scale = static_cast<float>(random() % 100 + 1) / 4096.0f;
    for (size_t g = 0; g < matrix.groups(); ++g) {
      matrix.scales[r * matrix.groups() + g] = scale * static_cast<float>(random() % 16);
    }
  }
  return matrix;
}

class Quantized {
 public:
  // Rows as `w` takes them.
  Quantized(const std::vector<float>& x, size_t rows, const PackedMatrix& w)
      : memory_(QuantizedRows::BytesFor(w, rows) + 64),
        view(QuantizedRows::InFor(w, Aligned(), rows)) {
    if (!x.empty()) QuantizeRows(x.data(), rows, view);
  }
  Quantized(const std::vector<float>& x, size_t rows, size_t columns, size_t group)
      : memory_(QuantizedRows::Bytes(rows, columns, group) + 64),
        view(QuantizedRows::In(Aligned(), rows, columns, group)) {
    if (!x.empty()) QuantizeRows(x.data(), rows, view);
  }

 private:
  void* Aligned() {
    return memory_.data() + (64 - reinterpret_cast<uintptr_t>(memory_.data()) % 64) % 64;
  }
  std::vector<uint8_t> memory_;

 public:
  QuantizedRows view;
};

inline void ExpectNear(const std::vector<float>& actual, const std::vector<float>& expected,
                       double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_TRUE(std::abs(actual[i] - expected[i]) <= tolerance)
        << "at " << i << ": " << actual[i] << " for " << expected[i];
  }
}

inline double LargestOf(const std::vector<float>& values) {
  double largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(double{value}));
  return largest;
}

struct Shape {
  size_t columns, group;
};

// Usual groups, whole rows, groups that fill no block, groups that start inside a byte.
inline constexpr Shape kShapes[] = {{128, 32}, {640, 64}, {256, 128}, {512, 512}, {147, 147},
                                    {27, 27},  {24, 24},  {60, 12},   {30, 6},    {15, 5}};

}  // namespace uffizi::testing

#endif  // UFFIZI_TESTS_KERNELS_QUANTIZED_CASES_H_
