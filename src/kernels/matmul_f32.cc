#include "core/parallel.h"
#include "kernels/arguments.h"
#include "kernels/kernels.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul_f32.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

// Rows and columns of a task: small enough for a core's own cache at k = 4096, and divisible by 3
// and 4.
constexpr size_t kTileRows = 48;
constexpr size_t kTileColumns = 48;

// Dot products of kRows rows of x with kColumns rows of w. Each is summed lane by lane along k and
// then across the lanes, for every block size, so a result never depends on its neighbours.
template <size_t kRows, size_t kColumns>
HWY_INLINE void DotBlock(const float* HWY_RESTRICT x, const float* HWY_RESTRICT w, size_t k,
                         float* HWY_RESTRICT out) {
  const FloatTag d;
  using V = hn::Vec<FloatTag>;
  const size_t lanes = hn::Lanes(d);
  V sum[kRows][kColumns];
  UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
    UFFIZI_UNROLL for (size_t c = 0; c < kColumns; ++c) sum[r][c] = hn::Zero(d);
  }
  size_t i = 0;
  for (; i + lanes <= k; i += lanes) {
    V line[kColumns];
    UFFIZI_UNROLL for (size_t c = 0; c < kColumns; ++c) line[c] = hn::LoadU(d, w + c * k + i);
    UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
      const V factor = hn::LoadU(d, x + r * k + i);
      UFFIZI_UNROLL for (size_t c = 0; c < kColumns; ++c) {
        sum[r][c] = hn::MulAdd(factor, line[c], sum[r][c]);
      }
    }
  }
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t c = 0; c < kColumns; ++c) {
      float total = Sum(d, sum[r][c]);
      for (size_t t = i; t < k; ++t) total += x[r * k + t] * w[c * k + t];
      out[r * kTileColumns + c] = total;
    }
  }
}

// kRows rows of y, `columns` of them from `column` on.
template <size_t kRows>
HWY_INLINE void RowStrip(const MatMulArgs& args, size_t row, size_t column, size_t columns) {
  constexpr size_t kColumns = HWY_MAX_BYTES == 32 ? 3 : 4;  // AVX2 has 16 registers, no more
  float sums[kRows * kTileColumns];
  const float* x = args.x + row * args.k;
  const float* w = args.w + column * args.k;
  size_t c = 0;
  for (; c + kColumns <= columns; c += kColumns) {
    DotBlock<kRows, kColumns>(x, w + c * args.k, args.k, sums + c);
  }
  for (; c < columns; ++c) DotBlock<kRows, 1>(x, w + c * args.k, args.k, sums + c);
  for (size_t r = 0; r < kRows; ++r) {
    const size_t at = (row + r) * args.n + column;
    const float* residual = args.epilogue.residual;
    ApplyEpilogue(args.epilogue, sums + r * kTileColumns, column, columns,
                  residual == nullptr ? nullptr : residual + at, args.y + at);
  }
}

void MatMulTile(const MatMulArgs& args, size_t row, size_t column) {
  const size_t end = std::min(args.rows, row + kTileRows);
  const size_t columns = std::min(args.n - column, kTileColumns);
  for (; row + 4 <= end; row += 4) RowStrip<4>(args, row, column, columns);
  for (; row + 2 <= end; row += 2) RowStrip<2>(args, row, column, columns);
  for (; row < end; ++row) RowStrip<1>(args, row, column, columns);
}

void MatMulAll(const MatMulArgs& args) {
  const size_t down = (args.rows + kTileRows - 1) / kTileRows;
  const size_t across = (args.n + kTileColumns - 1) / kTileColumns;
  ParallelFor(down * across, 1, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t i = begin; i < end; ++i) {
      MatMulTile(args, i / across * kTileRows, i % across * kTileColumns);
    }
  });
}

// kRows rows of y, `columns` of them from `column` on.
template <size_t kRows>
HWY_INLINE void AddTerms(const MatMulArgs& args, size_t row, size_t column, size_t columns) {
  const float* HWY_RESTRICT x = args.x + row * args.k;
  float* HWY_RESTRICT y = args.y + row * args.n + column;
  ForEachVector(columns, [&](auto d, size_t j) HWY_ATTR {
    hn::Vec<decltype(d)> sum[kRows];
    UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) sum[r] = hn::LoadU(d, y + r * args.n + j);
    for (size_t i = 0; i < args.k; ++i) {
      const auto term = hn::LoadU(d, args.w + i * args.n + column + j);
      UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) {
        sum[r] = hn::MulAdd(hn::Set(d, x[r * args.k + i]), term, sum[r]);
      }
    }
    UFFIZI_UNROLL for (size_t r = 0; r < kRows; ++r) hn::StoreU(sum[r], d, y + r * args.n + j);
  });
}

void AddProductAll(const MatMulArgs& args) {
  constexpr size_t kRows = 64, kColumns = 512;  // of a task
  const size_t down = (args.rows + kRows - 1) / kRows;
  const size_t across = (args.n + kColumns - 1) / kColumns;
  ParallelFor(down * across, 1, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t task = begin; task < end; ++task) {
      size_t row = task / across * kRows;
      const size_t last = std::min(args.rows, row + kRows), column = task % across * kColumns;
      const size_t columns = std::min(args.n - column, kColumns);
      for (; row + 4 <= last; row += 4) AddTerms<4>(args, row, column, columns);
      for (; row < last; ++row) AddTerms<1>(args, row, column, columns);
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uffizi {
namespace {
HWY_EXPORT(MatMulAll);
HWY_EXPORT(AddProductAll);
}  // namespace

void MatMulF32(const float* x, size_t rows, size_t k, const float* w, size_t n,
               const Epilogue& epilogue, float* y) {
  ChooseKernelTarget();
  HWY_DYNAMIC_DISPATCH(MatMulAll)({x, rows, k, w, n, epilogue, y});
}

void AddProductF32(const float* x, size_t rows, size_t k, const float* w, size_t n, float* y) {
  ChooseKernelTarget();
  HWY_DYNAMIC_DISPATCH(AddProductAll)({x, rows, k, w, n, {}, y});
}

}  // namespace uffizi
#endif  // HWY_ONCE
