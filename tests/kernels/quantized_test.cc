// The quantized kernels compared with their scalar twins, over odd sizes.

#include "kernels/quantized_cases.h"

namespace uffizi {
namespace {

using namespace testing;

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

// Scales that are not such multiples, or codes that their kernels do not support.
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

// A test run that forces an instruction set names it here too, and it must be the one in use.
TEST(KernelTarget, IsTheOneThatWasForced) {
  const char* expected = std::getenv("UFFIZI_EXPECTED_TARGET");
  if (expected == nullptr) GTEST_SKIP() << "no instruction set was forced";
  EXPECT_STREQ(KernelTarget(), expected);
}

}  // namespace
}  // namespace uffizi
