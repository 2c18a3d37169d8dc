#include "core/parallel.h"
#include "kernels/arguments.h"
#include "kernels/kernels.h"
#include "kernels/scratch.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

// Queries that share one turn of a head's keys: a window of 144 is one piece, and the scores of 600
// keys fit the core's own cache.
constexpr size_t kQueryChunk = 144;
constexpr size_t kKeyTile = 64;

constexpr size_t kKeyPadding = 16;  // the most lanes of a vector

// out[d, j] = k[j, d] for `count` keys, zeros for the rest. out: [head_dim, kKeyTile]
HWY_INLINE void TransposeKeys(const float* k, size_t stride, size_t count, size_t head_dim,
                              float* HWY_RESTRICT out) {
  if (count < kKeyTile) std::fill_n(out, head_dim * kKeyTile, 0.0f);
  for (size_t j = 0; j < count; ++j) {
    const float* key = k + j * stride;
    for (size_t d = 0; d < head_dim; ++d) out[d * kKeyTile + j] = key[d];
  }
}

HWY_INLINE void ScaleRow(float* x, size_t count, float factor) {
  ForEachVector(count, [&](auto d, size_t i) HWY_ATTR {
    hn::StoreU(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, factor)), d, x + i);
  });
}

// out[i] = x[i] of `count` rows of `dim` side by side. Rows of all heads lie a power of two apart,
// which the caches cannot hold many of.
HWY_INLINE void GatherRows(const float* x, size_t stride, size_t count, size_t dim,
                           float* HWY_RESTRICT out) {
  for (size_t i = 0; i < count; ++i) std::copy_n(x + i * stride, dim, out + i * dim);
}

// One head of `count` queries from `first` on.
void AttendChunk(const AttentionJob& job, const AttentionShape& shape, size_t head, size_t first,
                 size_t count) {
  const size_t dim = shape.head_dim, keys = job.keys;
  // Whole vectors of keys: columns left over would cost as much each.
  const auto pad = [](size_t n) { return (n + kKeyPadding - 1) / kKeyPadding * kKeyPadding; };
  const size_t padded = pad(keys);
  auto* turned = static_cast<float*>(
      ThreadScratch((dim * (kKeyTile + count + keys) + count * padded) * sizeof(float)));
  float* q = turned + dim * kKeyTile;  // [count, dim]
  float* v = q + count * dim;          // [keys, dim]
  float* scores = v + keys * dim;      // [count, padded]
  GatherRows(job.q + first * shape.q_stride + head * dim, shape.q_stride, count, dim, q);
  GatherRows(job.v + head * dim, shape.kv_stride, keys, dim, v);
  for (size_t j = 0; j < keys; j += kKeyTile) {
    const size_t tile = std::min(kKeyTile, keys - j);
    TransposeKeys(job.k + j * shape.kv_stride + head * dim, shape.kv_stride, tile, dim, turned);
    ComputeOuterProduct({q, dim, 1, turned, kKeyTile, dim, scores + j, padded, shape.scale}, count,
                        pad(tile));
  }
  for (size_t i = 0; i < count; ++i) {
    const float sum = ExpOfRow(scores + i * padded, keys);
    ScaleRow(scores + i * padded, keys, 1.0f / sum);
  }
  float* out = job.out + first * shape.out_stride + head * dim;
  ComputeOuterProduct({scores, padded, 1, v, dim, keys, out, shape.out_stride, 1.0f}, count, dim);
}

void AttendAll(std::span<const AttentionJob> jobs, const AttentionShape& shape) {
  size_t most = 0;
  for (const AttentionJob& job : jobs) most = std::max(most, job.queries);
  const size_t chunks = (most + kQueryChunk - 1) / kQueryChunk;
  const size_t per_job = chunks * shape.heads;
  ParallelFor(jobs.size() * per_job, 1, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t i = begin; i < end; ++i) {
      const AttentionJob& job = jobs[i / per_job];
      const size_t first = i % chunks * kQueryChunk;
      if (first >= job.queries) continue;
      AttendChunk(job, shape, i % per_job / chunks, first,
                  std::min(kQueryChunk, job.queries - first));
    }
  });
}

HWY_INLINE float Dot(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, size_t count) {
  const FloatTag d;
  const size_t lanes = hn::Lanes(d);
  auto sums = hn::Zero(d);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    sums = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), sums);
  }
  float sum = Sum(d, sums);
  for (; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

void AttendCachedHead(const CachedAttentionJob& job, const CacheView& cache, size_t head) {
  const size_t dim = cache.head_dim;
  auto* scores = static_cast<float*>(ThreadScratch(job.positions * sizeof(float)));
  const auto offset = [&](size_t p) {
    const size_t slot = static_cast<size_t>(job.slots[p]);
    return ((slot * cache.heads + head) * cache.max_positions + p) * dim;
  };
  for (size_t p = 0; p < job.positions; ++p) {
    scores[p] = cache.scale * Dot(job.q + head * dim, cache.k + offset(p), dim);
  }
  const float sum = ExpOfRow(scores, job.positions);
  float* HWY_RESTRICT out = job.out + head * dim;
  std::fill_n(out, dim, 0.0f);
  for (size_t p = 0; p < job.positions; ++p) {
    const float weight = scores[p] / sum;
    const float* HWY_RESTRICT v = cache.v + offset(p);
    ForEachVector(dim, [&](auto d, size_t i) HWY_ATTR {
      const auto sums = hn::LoadU(d, out + i);
      hn::StoreU(hn::MulAdd(hn::Set(d, weight), hn::LoadU(d, v + i), sums), d, out + i);
    });
  }
}

void AttendCached(std::span<const CachedAttentionJob> jobs, const CacheView& cache) {
  ParallelFor(jobs.size() * cache.heads, 4, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t i = begin; i < end; ++i) {
      AttendCachedHead(jobs[i / cache.heads], cache, i % cache.heads);
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uffizi {
namespace {
HWY_EXPORT(AttendAll);
HWY_EXPORT(AttendCached);
}  // namespace

void Attention(std::span<const AttentionJob> jobs, const AttentionShape& shape) {
  ChooseKernelTarget();
  HWY_DYNAMIC_DISPATCH(AttendAll)(jobs, shape);
}

void CachedAttention(std::span<const CachedAttentionJob> jobs, size_t heads, size_t head_dim,
                     float scale, const float* k_cache, const float* v_cache,
                     size_t max_positions) {
  ChooseKernelTarget();
  HWY_DYNAMIC_DISPATCH(AttendCached)
  (jobs, {heads, head_dim, scale, k_cache, v_cache, max_positions});
}

}  // namespace uffizi
#endif  // HWY_ONCE
