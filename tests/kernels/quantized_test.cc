// The quantized kernels against their scalar twins, over odd sizes.

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

namespace uffizi {
namespace {

std::vector<float> RandomValues(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// Codes over their whole range, so that every extreme occurs.
QuantizedMatrix RandomMatrix(size_t rows, size_t columns, int bits, size_t group, bool symmetric) {
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
QuantizedMatrix FactorMatrix(size_t rows, size_t columns, size_t group) {
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

void ExpectNear(const std::vector<float>& actual, const std::vector<float>& expected,
                double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_TRUE(std::abs(actual[i] - expected[i]) <= tolerance)
        << "at " << i << ": " << actual[i] << " for " << expected[i];
  }
}

double LargestOf(const std::vector<float>& values) {
  double largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(double{value}));
  return largest;
}

struct Shape {
  size_t columns, group;
};

// Usual groups, whole rows, groups that fill no block, groups that start inside a byte.
constexpr Shape kShapes[] = {{128, 32}, {640, 64}, {256, 128}, {512, 512}, {147, 147},
                             {27, 27},  {24, 24},  {60, 12},   {30, 6},    {15, 5}};

TEST(Quantized, MatMulEqualsItsTwin) {
  for (const auto& [columns, group] : kShapes) {
    for (const int bits : {4, 8}) {
      if (bits == 4 && columns % 2 != 0) continue;
      for (const bool symmetric : {true, false}) {
        for (const size_t n : {1, 24, 64, 130}) {
          const QuantizedMatrix w = RandomMatrix(n, columns, bits, group, symmetric);
          const PackedMatrix packed(w);
          for (const size_t rows : {1, 2, 3, 4, 5, 6, 8, 16, 29}) {
            SCOPED_TRACE(::testing::Message()
                         << rows << " rows, " << n << " x " << columns << ", groups of " << group
                         << ", " << bits << " bits, symmetric " << symmetric);
            const auto x = RandomValues(rows * columns, 1), bias = RandomValues(n, 2),
                       residual = RandomValues(rows * n, 3);
            const Quantized quantized(x, rows, columns, group);
            const Epilogue epilogue{bias.data(),
                                    rows % 2 == 1 ? Activation::kGelu : Activation::kNone,
                                    residual.data()};
            std::vector<float> y(rows * n), expected(rows * n);
            MatMulQuantized(quantized.view, rows, packed, epilogue, y.data());
            reference::MatMulQuantized(quantized.view, rows, w, epilogue, expected.data());
            ASSERT_NO_FATAL_FAILURE(ExpectNear(y, expected, 1e-5 + 4e-6 * LargestOf(expected)));
          }
        }
      }
    }
  }
}

TEST(Quantized, FactorsEqualTheTwin) {
  for (const auto& [columns, group] : std::vector<Shape>{
           {64, 64}, {128, 64}, {256, 64}, {640, 64}, {1024, 128}, {512, 512}, {1536, 192}}) {
    for (const size_t n : {1, 24, 64, 130, 320}) {
      const QuantizedMatrix w = FactorMatrix(n, columns, group);
      const PackedMatrix packed(w);
      ASSERT_TRUE(packed.has_factors());
      std::vector<float> row(columns), expected_row(n * columns);
      Dequantize(w, expected_row.data());
      packed.Row(n - 1, row.data());
      for (size_t i = 0; i < columns; ++i) {
        ASSERT_EQ(row[i], expected_row[(n - 1) * columns + i]);
      }
      for (const size_t rows : {1, 2, 3, 4, 5, 6, 8, 13, 16, 29, 50, 77}) {
        SCOPED_TRACE(::testing::Message()
                     << rows << " rows, " << n << " x " << columns << ", groups of " << group);
        const auto x = RandomValues(rows * columns, 1), bias = RandomValues(n, 2),
                   residual = RandomValues(rows * n, 3);
        const Quantized quantized(x, rows, packed);
        const Epilogue epilogue{bias.data(), rows % 2 == 1 ? Activation::kGelu : Activation::kNone,
                                residual.data()};
        std::vector<float> y(rows * n), expected(rows * n);
        MatMulQuantized(quantized.view, rows, packed, epilogue, y.data());
        reference::MatMulQuantized(quantized.view, rows, w, epilogue, expected.data());
        ASSERT_NO_FATAL_FAILURE(ExpectNear(y, expected, 1e-5 + 4e-6 * LargestOf(expected)));
      }
    }
  }
}

// Scales that are no such integers, or codes that the kernels for them cannot take.
TEST(Quantized, OtherScalesStayAsTheyAre) {
  EXPECT_FALSE(PackedMatrix(RandomMatrix(64, 256, 8, 64, true)).has_factors());
  EXPECT_FALSE(PackedMatrix(RandomMatrix(64, 256, 4, 64, false)).has_factors());
  EXPECT_FALSE(PackedMatrix(RandomMatrix(64, 256, 4, 64, true)).has_factors());
  EXPECT_FALSE(PackedMatrix(FactorMatrix(64, 256, 32)).has_factors());
  QuantizedMatrix w = FactorMatrix(64, 256, 64);
  EXPECT_TRUE(PackedMatrix(w).has_factors());
  w.scales.back() = w.scales.back() * 1.001f + 1e-6f;
  EXPECT_FALSE(PackedMatrix(w).has_factors());
}

TEST(Quantized, FactorsDoNotOverflow) {
  for (const size_t group : {64, 4096}) {
    for (const uint8_t code : {0x00, 0xff}) {
      for (const float sign : {1.0f, -1.0f}) {
        for (const size_t rows : {1, 2, 13, 31, 64}) {
          QuantizedMatrix w = FactorMatrix(64, 4096, group);
          std::fill(w.codes.begin(), w.codes.end(), code);
          std::fill(w.scales.begin(), w.scales.end(), 15.0f / 1024);
          w.scales.back() = 1.0f / 1024;
          if (group == 4096) std::fill(w.scales.begin(), w.scales.end(), 1.0f);
          const PackedMatrix packed(w);
          const std::vector<float> x(rows * 4096, sign);
          const Quantized quantized(x, rows, packed);
          std::vector<float> y(rows * 64), expected(rows * 64);
          MatMulQuantized(quantized.view, rows, packed, {}, y.data());
          reference::MatMulQuantized(quantized.view, rows, w, {}, expected.data());
          ASSERT_NO_FATAL_FAILURE(ExpectNear(y, expected, 4e-6 * LargestOf(expected)));
        }
      }
    }
  }
}

TEST(Quantized, FactorRowsDoNotDependOnNeighboursOrThreads) {
  const size_t rows = 131, columns = 768, n = 200;
  const auto x = RandomValues(rows * columns, 1);
  const PackedMatrix w(FactorMatrix(n, columns, 64));
  std::vector<float> alone(rows * n), together(rows * n);
  for (const size_t some : {1, 2, 5, 8, 12, 20, 40}) {
    for (size_t r = 0; r < rows; r += some) {
      const size_t count = std::min(some, rows - r);
      const Quantized part({x.begin() + static_cast<ptrdiff_t>(r * columns),
                            x.begin() + static_cast<ptrdiff_t>((r + count) * columns)},
                           count, w);
      MatMulQuantized(part.view, count, w, {}, together.data() + r * n);
    }
    if (some == 1) alone = together;
    EXPECT_EQ(together, alone) << some << " rows at a time";
  }
  for (const int threads : {1, 2, 5}) {
    oneapi::tbb::task_arena arena(threads);
    arena.execute([&] {
      const Quantized all(x, rows, w);
      MatMulQuantized(all.view, rows, w, {}, together.data());
    });
    EXPECT_EQ(together, alone) << threads << " threads";
  }
}

// An output that is quantized at once for a matrix with factors.
TEST(Quantized, FactorOutput) {
  const size_t columns = 256;
  for (const size_t n : {128, 768}) {
    const PackedMatrix w(FactorMatrix(n, columns, 64)), next(FactorMatrix(64, n, 64));
    ASSERT_TRUE(CanQuantizeOutput(w, next.input_group()));
    for (const size_t rows : {1, 3, 13, 70}) {
      const auto x = RandomValues(rows * columns, 1), bias = RandomValues(n, 2);
      const Quantized input(x, rows, w);
      const Epilogue epilogue{bias.data(), Activation::kGelu, nullptr};
      std::vector<float> y(rows * n);
      MatMulQuantized(input.view, rows, w, epilogue, y.data());
      const Quantized afterwards(y, rows, next), fused({}, rows, next);
      MatMulQuantized(input.view, rows, w, epilogue, fused.view);
      for (size_t i = 0; i < rows * n; ++i) {
        ASSERT_EQ(fused.view.codes[i], afterwards.view.codes[i]);
      }
      for (size_t i = 0; i < rows * fused.view.groups(); ++i) {
        ASSERT_EQ(fused.view.scales[i], afterwards.view.scales[i]);
        ASSERT_EQ(fused.view.sums[i], afterwards.view.sums[i]);
      }
    }
  }
}

// Sums of the largest products there are: nothing may saturate. Rows for every kernel: few, enough
// for tiles, enough to spread a panel for them.
TEST(Quantized, ExtremesDoNotOverflow) {
  for (const int bits : {4, 8}) {
    for (const size_t group : {64, 128, 4096}) {
      for (const bool symmetric : {true, false}) {
        for (const uint8_t code : {0x00, 0xff}) {
          for (const float sign : {1.0f, -1.0f}) {
            for (const size_t rows : {1, 2, 13, 31}) {
              SCOPED_TRACE(::testing::Message() << bits << " bits, groups of " << group << ", code "
                                                << int{code} << ", " << rows << " rows");
              QuantizedMatrix w = RandomMatrix(64, 4096, bits, group, symmetric);
              std::fill(w.codes.begin(), w.codes.end(), code);
              for (uint8_t& zero : w.zeros) zero = code == 0 ? (bits == 4 ? 15 : 255) : 0;
              const std::vector<float> x(rows * 4096, sign);
              const Quantized quantized(x, rows, 4096, group);
              std::vector<float> y(rows * 64), expected(rows * 64);
              MatMulQuantized(quantized.view, rows, PackedMatrix(w), {}, y.data());
              reference::MatMulQuantized(quantized.view, rows, w, {}, expected.data());
              ASSERT_NO_FATAL_FAILURE(ExpectNear(y, expected, 4e-6 * LargestOf(expected)));
            }
          }
        }
      }
    }
  }
}

TEST(Quantized, RowsDoNotDependOnNeighboursOrThreads) {
  const size_t rows = 61, columns = 640, n = 200;
  const auto x = RandomValues(rows * columns, 1);
  for (const int bits : {4, 8}) {
    const PackedMatrix w(RandomMatrix(n, columns, bits, 64, true));
    std::vector<float> alone(rows * n), together(rows * n);
    // One at a time, and as many as there are kernels for.
    for (const size_t some : {1, 2, 5, 8, 12, 20}) {
      for (size_t r = 0; r < rows; r += some) {
        const size_t count = std::min(some, rows - r);
        const Quantized part({x.begin() + static_cast<ptrdiff_t>(r * columns),
                              x.begin() + static_cast<ptrdiff_t>((r + count) * columns)},
                             count, columns, 64);
        MatMulQuantized(part.view, count, w, {}, together.data() + r * n);
      }
      if (some == 1) alone = together;
      EXPECT_EQ(together, alone) << some << " rows at a time, " << bits << " bits";
    }
    for (const int threads : {1, 2, 5}) {
      oneapi::tbb::task_arena arena(threads);
      arena.execute([&] {
        const Quantized all(x, rows, columns, 64);
        MatMulQuantized(all.view, rows, w, {}, together.data());
      });
      EXPECT_EQ(together, alone) << threads << " threads, " << bits << " bits";
    }
  }
}

TEST(Quantized, RowsOfActivations) {
  for (const auto& [columns, group] : kShapes) {
    auto x = RandomValues(7 * columns, 5);
    for (size_t i = 0; i < columns; ++i) x[columns + i] = 0.0f;  // a row of nothing
    const Quantized actual(x, 7, columns, group), expected({}, 7, columns, group);
    reference::QuantizeRows(x.data(), 7, expected.view);
    const size_t groups = actual.view.groups(), codes = actual.view.padded_columns();
    for (size_t i = 0; i < 7 * groups; ++i) {
      EXPECT_EQ(actual.view.scales[i], expected.view.scales[i]);
      EXPECT_EQ(actual.view.sums[i], expected.view.sums[i]);
    }
    for (size_t i = 0; i < 7 * codes; ++i) {
      EXPECT_EQ(actual.view.codes[i], expected.view.codes[i]);
    }
  }
}

// The output that is quantized at once is the output quantized afterwards.
TEST(Quantized, QuantizedOutput) {
  const size_t rows = 13, columns = 64, n = 192;
  const PackedMatrix w(RandomMatrix(n, columns, 4, 32, true));
  const auto x = RandomValues(rows * columns, 1), bias = RandomValues(n, 2);
  const Quantized input(x, rows, columns, 32);
  const Epilogue epilogue{bias.data(), Activation::kGelu, nullptr};
  std::vector<float> y(rows * n);
  MatMulQuantized(input.view, rows, w, epilogue, y.data());
  for (const size_t group : {32, 64}) {
    const Quantized afterwards(y, rows, n, group), fused({}, rows, n, group);
    MatMulQuantized(input.view, rows, w, epilogue, fused.view);
    for (size_t i = 0; i < rows * n; ++i) {
      ASSERT_EQ(fused.view.codes[i], afterwards.view.codes[i]);
    }
    for (size_t i = 0; i < rows * n / group; ++i) {
      ASSERT_EQ(fused.view.scales[i], afterwards.view.scales[i]);
      ASSERT_EQ(fused.view.sums[i], afterwards.view.sums[i]);
    }
  }
}

// The same with factors, where a group of the output may be several panels, three of them too, and
// rows few or enough for panels to be unpacked.
TEST(Quantized, QuantizedOutputOfFactors) {
  const size_t columns = 256, n = 960;
  const PackedMatrix w(FactorMatrix(n, columns, 64));
  for (const size_t rows : {3, 70}) {
    const auto x = RandomValues(rows * columns, 1);
    const Quantized input(x, rows, w);
    std::vector<float> y(rows * n);
    MatMulQuantized(input.view, rows, w, {}, y.data());
    for (const size_t group : {64, 192}) {
      ASSERT_TRUE(CanQuantizeOutput(w, group));
      const Quantized afterwards(y, rows, n, group), fused({}, rows, n, group);
      MatMulQuantized(input.view, rows, w, {}, fused.view);
      for (size_t i = 0; i < rows * n; ++i) {
        ASSERT_EQ(fused.view.codes[i], afterwards.view.codes[i]) << "at " << i << " of " << group;
      }
    }
  }
}

TEST(Quantized, NormalizedRows) {
  const size_t rows = 5, columns = 192;
  const auto x = RandomValues(rows * columns, 1), weight = RandomValues(columns, 2),
             bias = RandomValues(columns, 3);
  std::vector<float> normed(rows * columns);
  LayerNorm(x.data(), rows, columns, weight.data(), bias.data(), 1e-5f, normed.data());
  const Quantized expected(normed, rows, columns, 64), fused({}, rows, columns, 64);
  LayerNormQuantizeRows(x.data(), rows, weight.data(), bias.data(), 1e-5f, fused.view);
  for (size_t i = 0; i < rows * columns; ++i) {
    ASSERT_EQ(fused.view.codes[i], expected.view.codes[i]);
  }
}

// Whoever writes codes shifts and scales columns first, if that is asked for.
TEST(Quantized, TransformedColumns) {
  const size_t rows = 5, columns = 192;
  const auto x = RandomValues(rows * columns, 1), shift = RandomValues(columns, 2),
             factor = RandomValues(columns, 3), ones = std::vector<float>(columns, 1.0f);
  const auto transformed = [&](std::vector<float> values) {
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = (values[i] - shift[i % columns]) * factor[i % columns];
    }
    return values;
  };
  const auto expect_same = [&](const std::vector<float>& values, const QuantizedRows& actual) {
    const Quantized expected(transformed(values), rows, columns, 64);
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(actual.codes[i], expected.view.codes[i]) << "at " << i;
    }
    for (size_t i = 0; i < rows * 3; ++i) ASSERT_EQ(actual.scales[i], expected.view.scales[i]);
  };
  Quantized out({}, rows, columns, 64);
  out.view.transform = {shift.data(), factor.data()};
  QuantizeRows(x.data(), rows, out.view);
  ASSERT_NO_FATAL_FAILURE(expect_same(x, out.view));

  std::vector<float> normed(x.size());
  LayerNorm(x.data(), rows, columns, ones.data(), shift.data(), 1e-5f, normed.data());
  LayerNormQuantizeRows(x.data(), rows, ones.data(), shift.data(), 1e-5f, out.view);
  ASSERT_NO_FATAL_FAILURE(expect_same(normed, out.view));

  const PackedMatrix w(RandomMatrix(columns, columns, 4, 64, true));
  const Quantized input(x, rows, columns, 64);
  std::vector<float> y(x.size());
  MatMulQuantized(input.view, rows, w, {nullptr, Activation::kGelu, nullptr}, y.data());
  MatMulQuantized(input.view, rows, w, {nullptr, Activation::kGelu, nullptr}, out.view);
  ASSERT_NO_FATAL_FAILURE(expect_same(y, out.view));
}

TEST(Quantized, RowsOfTheMatrix) {
  for (const int bits : {4, 8}) {
    for (const bool symmetric : {true, false}) {
      const QuantizedMatrix w = RandomMatrix(70, 96, bits, 32, symmetric);
      const PackedMatrix packed(w);
      std::vector<float> row(96);
      for (size_t r = 0; r < w.rows; ++r) {
        packed.Row(r, row.data());
        for (size_t c = 0; c < w.columns; ++c) {
          const uint8_t byte = w.codes[r * w.row_bytes() + c * static_cast<size_t>(bits) / 8];
          const int code = bits == 8 ? byte : c % 2 == 0 ? byte & 15 : byte >> 4;
          const int zero = symmetric ? w.symmetric_zero() : w.zeros[r * 3 + c / 32];
          ASSERT_EQ(row[c], static_cast<float>(code - zero) * w.scales[r * 3 + c / 32]);
        }
      }
    }
  }
}

// A test run that forces an instruction set names it here too, and it must be the one in use.
TEST(KernelTarget, IsTheOneThatWasForced) {
  const char* expected = std::getenv("UFFIZI_EXPECTED_TARGET");
  if (expected == nullptr) GTEST_SKIP() << "no instruction set was forced";
  EXPECT_STREQ(KernelTarget(), expected);
}

}  // namespace
}  // namespace uffizi
