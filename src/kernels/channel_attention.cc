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
constexpr size_t kTokenChunk = 512;

// The products of `tokens` tokens of one group. q: of the first of them; part: [dim, dim]
void ChannelProducts(const ChannelArgs& args, const float* q, size_t tokens, float* part) {
  const size_t dim = args.dim, size = tokens * dim;
  auto* own = static_cast<float*>(ThreadScratch(2 * size * sizeof(float)));
  GatherRows(q, args.stride(), tokens, dim, own);
  GatherRows(q + args.groups * dim, args.stride(), tokens, dim, own + size);
  ComputeOuterProduct({own, 1, dim, own + size, dim, tokens, part, dim}, dim, dim);
}

// The attention matrix of one group, turned: weights[d, c] = A[c, d]. parts: [chunks, dim, dim]
void ChannelWeights(const ChannelArgs& args, float* parts, size_t chunks, float* weights) {
  const size_t dim = args.dim, area = dim * dim;
  for (size_t chunk = 1; chunk < chunks; ++chunk) {
    ForEachVector(area, [&](auto d, size_t i) HWY_ATTR {
      hn::StoreU(hn::Add(hn::LoadU(d, parts + i), hn::LoadU(d, parts + chunk * area + i)), d,
                 parts + i);
    });
  }
  ScaleRow(parts, area, 1.0f / std::sqrt(static_cast<float>(args.tokens)));
  for (size_t c = 0; c < dim; ++c) {
    float* row = parts + c * dim;
    const float sum = ExpOfRow(row, dim);
    for (size_t d = 0; d < dim; ++d) weights[d * dim + c] = row[d] / sum;
  }
}

void ChannelAttend(const ChannelArgs& args) {
  const size_t dim = args.dim, area = dim * dim, width = args.groups * dim;
  const size_t chunks = (args.tokens + kTokenChunk - 1) / kTokenChunk;
  std::vector<float> parts(args.groups * chunks * area), weights(args.groups * area);
  ParallelFor(args.groups * chunks, 1, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t i = begin; i < end; ++i) {
      // Groups of one token are neighbours in memory.
      const size_t group = i % args.groups, chunk = i / args.groups, first = chunk * kTokenChunk;
      ChannelProducts(args, args.qkv + first * args.stride() + group * dim,
                      std::min(kTokenChunk, args.tokens - first),
                      parts.data() + (group * chunks + chunk) * area);
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
                           args.out + begin * width + group * dim, width},
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
