#include <cmath>

#include "core/parallel.h"
#include "kernels/arguments.h"
#include "kernels/kernels.h"
#include "kernels/scratch.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/channel_attention.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

// Tokens whose queries and keys of one group are gathered side by side in the L2 cache.
constexpr size_t kTokenChunk = 512;

void AddProducts(const float* qkv, const ChannelShape& shape, float* products) {
  const size_t dim = shape.dim, area = dim * dim, stride = 3 * shape.width();
  const size_t chunk = std::min(kTokenChunk, shape.tokens);
  ParallelFor(shape.groups, 1, [&](size_t begin, size_t end) HWY_ATTR {
    auto* q = static_cast<float*>(ThreadScratch((2 * chunk * dim + area) * sizeof(float)));
    float* k = q + chunk * dim;
    float* part = k + chunk * dim;
    for (size_t group = begin; group < end; ++group) {
      float* sums = products + group * area;
      for (size_t first = 0; first < shape.tokens; first += chunk) {
        const size_t count = std::min(chunk, shape.tokens - first);
        const float* rows = qkv + first * stride + group * dim;
        GatherRows(rows, stride, count, dim, q);
        GatherRows(rows + shape.width(), stride, count, dim, k);
        ComputeOuterProduct({q, 1, dim, k, dim, count, part, dim}, dim, dim);
        ForEachVector(area, [&](auto d, size_t i) HWY_ATTR {
          hn::StoreU(hn::Add(hn::LoadU(d, sums + i), hn::LoadU(d, part + i)), d, sums + i);
        });
      }
    }
  });
}

void WeighChannels(const float* products, const ChannelShape& shape, float* weights) {
  const size_t dim = shape.dim, area = dim * dim;
  const float scale = 1.0f / std::sqrt(static_cast<float>(shape.tokens));
  ParallelFor(shape.groups, 1, [&](size_t begin, size_t end) HWY_ATTR {
    auto* row = static_cast<float*>(ThreadScratch(dim * sizeof(float)));
    for (size_t at = begin * dim; at < end * dim; ++at) {
      std::copy_n(products + at * dim, dim, row);
      ScaleRow(row, dim, scale);
      const float sum = ExpOfRow(row, dim);
      float* column = weights + at / dim * area + at % dim;
      for (size_t d = 0; d < dim; ++d) column[d * dim] = row[d] / sum;
    }
  });
}

void Mix(const float* v, const ChannelShape& shape, const float* weights, float* out) {
  const size_t dim = shape.dim, width = shape.width();
  ParallelFor(shape.tokens, 64, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t group = 0; group < shape.groups; ++group) {
      const size_t at = begin * width + group * dim;
      ComputeOuterProduct(
          {v + at, width, 1, weights + group * dim * dim, dim, dim, out + at, width}, end - begin,
          dim);
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uffizi {
namespace {
HWY_EXPORT(AddProducts);
HWY_EXPORT(WeighChannels);
HWY_EXPORT(Mix);
}  // namespace

void AddChannelProducts(const float* qkv, size_t tokens, size_t groups, size_t group_dim,
                        float* products) {
  ChooseKernelTarget();
  HWY_DYNAMIC_DISPATCH(AddProducts)(qkv, {tokens, groups, group_dim}, products);
}

void ChannelWeights(const float* products, size_t tokens, size_t groups, size_t group_dim,
                    float* weights) {
  ChooseKernelTarget();
  HWY_DYNAMIC_DISPATCH(WeighChannels)(products, {tokens, groups, group_dim}, weights);
}

void MixChannels(const float* v, size_t tokens, size_t groups, size_t group_dim,
                 const float* weights, float* out) {
  ChooseKernelTarget();
  HWY_DYNAMIC_DISPATCH(Mix)(v, {tokens, groups, group_dim}, weights, out);
}

}  // namespace uffizi
#endif  // HWY_ONCE
