// Rows that are quantized as input or output of a product, compared with scalar twins.

#include "kernels/quantized_cases.h"

namespace uffizi {
namespace {

using namespace testing;

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

// All kernels that write codes apply the requested shift and scale of columns first.
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

}  // namespace
}  // namespace uffizi
