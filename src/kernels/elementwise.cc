#include <cmath>

#include "core/parallel.h"
#include "kernels/arguments.h"
#include "kernels/kernels.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

// sum((x - shift)^power) for power 1 or 2.
template <int kPower>
HWY_INLINE float SumOfPowers(const float* HWY_RESTRICT x, size_t count, float shift) {
  const FloatTag d;
  const size_t lanes = hn::Lanes(d);
  const auto term = [&](auto v) HWY_ATTR {
    const auto centred = hn::Sub(v, hn::Set(d, shift));
    return kPower == 1 ? centred : hn::Mul(centred, centred);
  };
  auto sum0 = hn::Zero(d), sum1 = hn::Zero(d);
  size_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    sum0 = hn::Add(sum0, term(hn::LoadU(d, x + i)));
    sum1 = hn::Add(sum1, term(hn::LoadU(d, x + i + lanes)));
  }
  float sum = Sum(d, hn::Add(sum0, sum1));
  for (; i < count; ++i) sum += kPower == 1 ? x[i] - shift : (x[i] - shift) * (x[i] - shift);
  return sum;
}

void NormalizeRow(const float* x, size_t dim, const float* weight, const float* bias, float epsilon,
                  float* y) {
  const float count = static_cast<float>(dim);
  const float mean = SumOfPowers<1>(x, dim, 0.0f) / count;
  const float inverse = 1.0f / std::sqrt(SumOfPowers<2>(x, dim, mean) / count + epsilon);
  ForEachVector(dim, [&](auto d, size_t i) HWY_ATTR {
    const auto centred = hn::Sub(hn::LoadU(d, x + i), hn::Set(d, mean));
    const auto scaled = hn::Mul(centred, hn::Set(d, inverse));
    hn::StoreU(hn::MulAdd(scaled, hn::LoadU(d, weight + i), hn::LoadU(d, bias + i)), d, y + i);
  });
}

void GeluSpan(float* x, size_t count) {
  ForEachVector(count, [&](auto d, size_t i)
                           HWY_ATTR { hn::StoreU(GeluOf(d, hn::LoadU(d, x + i)), d, x + i); });
}

// Computes kPixels neighbouring pixels of a row. Taps outside the picture are skipped.
template <size_t kPixels>
HWY_INLINE void ConvolvePixels(const ConvArgs& args, size_t row, size_t column) {
  const size_t channels = args.channels, line = args.width * channels;
  const size_t first_row = row == 0 ? 1 : 0, last_row = row + 1 == args.height ? 1 : 2;
  const float* HWY_RESTRICT x = args.x + (row * args.width + column) * channels;
  float* HWY_RESTRICT y = args.y + (row * args.width + column) * channels;
  ForEachVector(channels, [&](auto d, size_t c) HWY_ATTR {
    hn::Vec<decltype(d)> sum[kPixels];
    UFFIZI_UNROLL for (size_t p = 0; p < kPixels; ++p) {
      sum[p] = hn::Add(hn::LoadU(d, x + p * channels + c), hn::LoadU(d, args.bias + c));
    }
    for (size_t ky = first_row; ky <= last_row; ++ky) {
      for (size_t kx = 0; kx < 3; ++kx) {
        const auto tap = hn::LoadU(d, args.weight + (ky * 3 + kx) * channels + c);
        UFFIZI_UNROLL for (size_t p = 0; p < kPixels; ++p) {
          const size_t at = column + p + kx;  // of the source pixel, counted from one
          if (at == 0 || at > args.width) continue;
          const float* source = args.x + (row + ky - 1) * line + (at - 1) * channels;
          sum[p] = hn::MulAdd(tap, hn::LoadU(d, source + c), sum[p]);
        }
      }
    }
    UFFIZI_UNROLL for (size_t p = 0; p < kPixels; ++p) hn::StoreU(sum[p], d, y + p * channels + c);
  });
}

void ConvolveRow(const ConvArgs& args, size_t row) {
  size_t column = 0;
  for (; column + 4 <= args.width; column += 4) ConvolvePixels<4>(args, row, column);
  for (; column < args.width; ++column) ConvolvePixels<1>(args, row, column);
}

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uffizi {
namespace {
HWY_EXPORT(NormalizeRow);
HWY_EXPORT(GeluSpan);
HWY_EXPORT(ConvolveRow);

constexpr size_t kGrainFloats = 16384;  // smallest piece of work for a task

}  // namespace

void LayerNorm(const float* x, size_t rows, size_t dim, const float* weight, const float* bias,
               float epsilon, float* y) {
  ChooseKernelTarget();
  const auto normalize = HWY_DYNAMIC_DISPATCH(NormalizeRow);
  ParallelFor(rows, kGrainFloats / (dim + 1) + 1, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) {
      normalize(x + r * dim, dim, weight, bias, epsilon, y + r * dim);
    }
  });
}

void Gelu(float* x, size_t count) {
  ChooseKernelTarget();
  const auto gelu = HWY_DYNAMIC_DISPATCH(GeluSpan);
  ParallelFor(count, kGrainFloats, [&](size_t begin, size_t end) { gelu(x + begin, end - begin); });
}

void DepthwiseConv3x3Residual(const float* x, size_t height, size_t width, size_t channels,
                              const float* weight, const float* bias, float* y) {
  ChooseKernelTarget();
  const auto convolve = HWY_DYNAMIC_DISPATCH(ConvolveRow);
  const ConvArgs args{x, height, width, channels, weight, bias, y};
  ParallelFor(height, 1, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) convolve(args, row);
  });
}

}  // namespace uffizi
#endif  // HWY_ONCE
