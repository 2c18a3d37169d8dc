#include <cmath>
#include <vector>

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

// Tokens whose products one piece of work sums. Fixed, so that the order of the sum is fixed too.
constexpr size_t kTokenChunk = 1152;

// The attention matrix of one group, turned: weights[d, c] = A[c, d]. parts: [chunks, dim, dim]
void ChannelWeights(const ChannelArgs& args, float* parts, size_t chunks, float* weights) {
  const size_t dim = args.dim, area = dim * dim;
  for (size_t chunk = 1; chunk < chunks; ++chunk) {
    ForEachVector(area, [&](auto d, size_t i) HWY_ATTR {
      hn::StoreU(hn::Add(hn::LoadU(d, parts + i), hn::LoadU(d, parts + chunk * area + i)), d,
                 parts + i);
    });
  }
  for (size_t c = 0; c < dim; ++c) {
    float* row = parts + c * dim;
    const float sum = ExpOfRow(row, dim);
    for (size_t d = 0; d < dim; ++d) weights[d * dim + c] = row[d] / sum;
  }
}

void ChannelAttend(const ChannelArgs& args) {
  const size_t dim = args.dim, area = dim * dim, width = args.groups * dim;
  const size_t chunks = (args.tokens + kTokenChunk - 1) / kTokenChunk;
  const float scale = 1.0f / std::sqrt(static_cast<float>(args.tokens));
  std::vector<float> parts(args.groups * chunks * area), weights(args.groups * area);
  ParallelFor(args.groups * chunks, 1, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t i = begin; i < end; ++i) {
      const size_t group = i / chunks, first = i % chunks * kTokenChunk;
      const float* q = args.qkv + first * args.stride() + group * dim;
      ComputeOuterProduct(
          {q, 1, args.stride(), q + width, args.stride(),
           std::min(kTokenChunk, args.tokens - first), parts.data() + i * area, dim, scale},
          dim, dim);
    }
  });
  ParallelFor(args.groups, 1, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t group = begin; group < end; ++group) {
      ChannelWeights(args, parts.data() + group * chunks * area, chunks,
                     weights.data() + group * area);
    }
  });
  ParallelFor(args.tokens, 64, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t group = 0; group < args.groups; ++group) {
      const float* v = args.qkv + begin * args.stride() + 2 * width + group * dim;
      ComputeOuterProduct({v, args.stride(), 1, weights.data() + group * area, dim, dim,
                           args.out + begin * width + group * dim, width, 1.0f},
                          end - begin, dim);
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uffizi {
namespace {
HWY_EXPORT(ChannelAttend);
}  // namespace

void ChannelAttention(const float* qkv, size_t tokens, size_t groups, size_t group_dim,
                      float* out) {
  ChooseKernelTarget();
  HWY_DYNAMIC_DISPATCH(ChannelAttend)({qkv, tokens, groups, group_dim, out});
}

}  // namespace uffizi
#endif  // HWY_ONCE
