#include <cstring>

#include "core/parallel.h"
#include "kernels/arguments.h"
#include "kernels/kernels.h"
#include "kernels/scratch.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "kernels/bf16_product-inl.h"
#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

// Queries that share the transposed keys of a head. A window of 144 queries is one chunk, and the
// scores for 600 keys fit a core's own cache.
constexpr size_t kQueryChunk = 144;
constexpr size_t kKeyTile = 64;

constexpr size_t kKeyPadding = 16;  // the largest number of lanes in a vector

// out[d, j] = k[j, d] for `count` keys, zeros for the rest. out: [head_dim, kKeyTile]
HWY_INLINE void TransposeKeys(const float* k, size_t stride, size_t count, size_t head_dim,
                              float* HWY_RESTRICT out) {
  if (count < kKeyTile) std::fill_n(out, head_dim * kKeyTile, 0.0f);
  for (size_t j = 0; j < count; ++j) {
    const float* key = k + j * stride;
    for (size_t d = 0; d < head_dim; ++d) out[d * kKeyTile + j] = key[d];
  }
}

// Attention of one head for queries [first, first + count).
void AttendChunk(const AttentionJob& job, const AttentionShape& shape, size_t head, size_t first,
                 size_t count) {
  const size_t dim = shape.head_dim, keys = job.keys;
  // Pads keys to whole vectors: each leftover column would take as long as a vector.
  const auto pad = [](size_t n) { return (n + kKeyPadding - 1) / kKeyPadding * kKeyPadding; };
  const size_t padded = pad(keys);
  auto* transposed = static_cast<float*>(
      ThreadScratch((dim * (kKeyTile + count + keys) + count * padded) * sizeof(float)));
  float* q = transposed + dim * kKeyTile;  // [count, dim]
  float* v = q + count * dim;              // [keys, dim]
  float* scores = v + keys * dim;          // [count, padded]
  GatherRows(job.q + first * shape.q_stride + head * dim, shape.q_stride, count, dim, q);
  ScaleRow(q, count * dim, shape.scale);
  GatherRows(job.v + head * dim, shape.kv_stride, keys, dim, v);
  for (size_t j = 0; j < keys; j += kKeyTile) {
    const size_t tile = std::min(kKeyTile, keys - j);
    TransposeKeys(job.k + j * shape.kv_stride + head * dim, shape.kv_stride, tile, dim, transposed);
    ComputeOuterProduct({q, dim, 1, transposed, kKeyTile, dim, scores + j, padded}, count,
                        pad(tile));
  }
  float sums[kQueryChunk];
  for (size_t i = 0; i < count; ++i) sums[i] = ExpOfRow(scores + i * padded, keys);
  float* out = job.out + first * shape.out_stride + head * dim;
  ComputeOuterProduct({scores, padded, 1, v, dim, keys, out, shape.out_stride}, count, dim);
  for (size_t i = 0; i < count; ++i) ScaleRow(out + i * shape.out_stride, dim, 1.0f / sums[i]);
}

#if UFFIZI_TILES
// A head's keys and values in bfloat16: keys [head_dim / 2, padded keys] and values [padded keys /
// 2, head_dim], with a pair of neighbours in each lane.
struct Bf16Head {
  size_t padded;
  uint32_t *k, *v;
};

HWY_INLINE void TakeKeys(const float* k, size_t stride, size_t keys, size_t dim,
                         const Bf16Head& head, uint16_t* HWY_RESTRICT key) {
  std::fill_n(head.k, dim / 2 * head.padded, 0u);
  for (size_t j = 0; j < keys; ++j) {
    RowToBf16(k + j * stride, dim, 1.0f, key);
    for (size_t i = 0; i < dim / 2; ++i) std::memcpy(head.k + i * head.padded + j, key + 2 * i, 4);
  }
}

HWY_INLINE void TakeValues(const float* v, size_t stride, size_t keys, size_t dim,
                           const Bf16Head& head) {
  alignas(64) static constexpr float kNothing[kBf16Depth] = {};
  for (size_t j = 0; j < head.padded; j += 2) {
    const float* row = v + j * stride;
    for (size_t i = 0; i < dim; i += kBf16Depth) {
      RowsToPairs(j < keys ? row + i : kNothing, j + 1 < keys ? row + stride + i : kNothing,
                  kBf16Depth, head.v + j / 2 * dim + i);
    }
  }
}

// Queries that share a head's keys and values once these are converted to bfloat16.
constexpr size_t kQueriesInBf16 = 3 * kQueryChunk;

// AttendChunk() with products of bfloat16.
void AttendInBf16(const AttentionJob& job, const AttentionShape& shape, size_t head, size_t first,
                  size_t count) {
  const size_t dim = shape.head_dim, at = head * dim, end = first + count;
  const size_t padded = (job.keys + kBf16Depth - 1) / kBf16Depth * kBf16Depth;
  const size_t rows = std::min(count, kQueryChunk);
  // Scores [rows, padded]; the weights overwrite them.
  auto* scores =
      static_cast<float*>(ThreadScratch(4 * (rows + dim) * padded + 2 * (rows + 1) * dim));
  auto* k = reinterpret_cast<uint32_t*>(scores + rows * padded);
  const Bf16Head keys_values{padded, k, k + dim / 2 * padded};
  auto* q = reinterpret_cast<uint16_t*>(k + dim * padded);  // [rows, dim]
  TakeKeys(job.k + at, shape.kv_stride, job.keys, dim, keys_values, q + rows * dim);
  TakeValues(job.v + at, shape.kv_stride, job.keys, dim, keys_values);
  for (; first < end; first += rows) {
    count = std::min(rows, end - first);
    for (size_t i = 0; i < count; ++i) {
      RowToBf16(job.q + (first + i) * shape.q_stride + at, dim, shape.scale, q + i * dim);
    }
    MultiplyBf16({q, dim, keys_values.k, dim, padded, scores, padded}, count);
    float sums[kQueryChunk];
    for (size_t i = 0; i < count; ++i) {
      float* row = scores + i * padded;
      sums[i] = ExpOfRowToBf16(row, job.keys, padded, reinterpret_cast<uint16_t*>(row));
    }
    float* out = job.out + first * shape.out_stride + at;
    MultiplyBf16({reinterpret_cast<const uint16_t*>(scores), 2 * padded, keys_values.v, padded, dim,
                  out, shape.out_stride},
                 count);
    for (size_t i = 0; i < count; ++i) ScaleRow(out + i * shape.out_stride, dim, 1.0f / sums[i]);
  }
}
#endif  // UFFIZI_TILES

void AttendAll(std::span<const AttentionJob> jobs, const AttentionShape& shape) {
  auto* attend = AttendChunk;
  size_t chunk = kQueryChunk;
#if UFFIZI_TILES
  if (shape.bf16 && (UseTiles() || UseBf16Vectors()) && shape.head_dim % kBf16Depth == 0) {
    attend = AttendInBf16;
    chunk = kQueriesInBf16;
  }
#endif
  size_t longest = 0;
  for (const AttentionJob& job : jobs) longest = std::max(longest, job.queries);
  const size_t chunks = (longest + chunk - 1) / chunk;
  const size_t per_job = chunks * shape.heads;
  ParallelFor(jobs.size() * per_job, 1, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t i = begin; i < end; ++i) {
      const AttentionJob& job = jobs[i / per_job];
      const size_t first = i % chunks * chunk;
      if (first >= job.queries) continue;
      attend(job, shape, i % per_job / chunks, first, std::min(chunk, job.queries - first));
    }
  });
}

// The cached keys and values of one head, by position.
struct HeadPast {
  const float* cache;
  const int* slots;
  size_t slot_stride, dim;

  HWY_INLINE const float* At(size_t position) const {
    return cache + static_cast<size_t>(slots[position]) * slot_stride + position * dim;
  }
};

// scores[j] = scale * (q . k[j]) for kCount positions, as independent sums that hide the latency of
// an addition.
template <size_t kCount>
HWY_INLINE void ScoreTogether(const float* HWY_RESTRICT q, const HeadPast& k, size_t position,
                              float scale, float* HWY_RESTRICT scores) {
  const FloatTag d;
  const size_t lanes = hn::Lanes(d);
  const float* keys[kCount];
  hn::Vec<FloatTag> sums[kCount];
  UFFIZI_UNROLL for (size_t j = 0; j < kCount; ++j) {
    keys[j] = k.At(position + j);
    sums[j] = hn::Zero(d);
  }
  size_t i = 0;
  for (; i + lanes <= k.dim; i += lanes) {
    const auto part = hn::LoadU(d, q + i);
    UFFIZI_UNROLL for (size_t j = 0; j < kCount; ++j) {
      sums[j] = hn::MulAdd(part, hn::LoadU(d, keys[j] + i), sums[j]);
    }
  }
  UFFIZI_UNROLL for (size_t j = 0; j < kCount; ++j) scores[j] = Sum(d, sums[j]);
  for (; i < k.dim; ++i) {
    UFFIZI_UNROLL for (size_t j = 0; j < kCount; ++j) scores[j] += q[i] * keys[j][i];
  }
  UFFIZI_UNROLL for (size_t j = 0; j < kCount; ++j) scores[j] *= scale;
}

void ScorePast(const float* HWY_RESTRICT q, const HeadPast& k, size_t positions, float scale,
               float* HWY_RESTRICT scores) {
  size_t p = 0;
  for (; p + 4 <= positions; p += 4) ScoreTogether<4>(q, k, p, scale, scores + p);
  for (; p < positions; ++p) ScoreTogether<1>(q, k, p, scale, scores + p);
}

// out[i] = factor * sum over p of weights[p] * v[p][i]
void MixPast(const float* HWY_RESTRICT weights, const HeadPast& v, size_t positions, float factor,
             float* HWY_RESTRICT out) {
  constexpr size_t kVectors = 4;  // of the sum, held in registers over all positions
  const FloatTag d;
  const size_t lanes = hn::Lanes(d);
  size_t begin = 0;
  for (; begin + kVectors * lanes <= v.dim; begin += kVectors * lanes) {
    hn::Vec<FloatTag> sums[kVectors];
    UFFIZI_UNROLL for (auto& sum : sums) sum = hn::Zero(d);
    for (size_t p = 0; p < positions; ++p) {
      const float* HWY_RESTRICT row = v.At(p) + begin;
      const auto weight = hn::Set(d, weights[p]);
      UFFIZI_UNROLL for (size_t i = 0; i < kVectors; ++i) {
        sums[i] = hn::MulAdd(weight, hn::LoadU(d, row + i * lanes), sums[i]);
      }
    }
    UFFIZI_UNROLL for (size_t i = 0; i < kVectors; ++i) {
      hn::StoreU(hn::Mul(sums[i], hn::Set(d, factor)), d, out + begin + i * lanes);
    }
  }
  ForEachVector(v.dim - begin, [&](auto tag, size_t i) HWY_ATTR {
    auto sum = hn::Zero(tag);
    for (size_t p = 0; p < positions; ++p) {
      sum = hn::MulAdd(hn::Set(tag, weights[p]), hn::LoadU(tag, v.At(p) + begin + i), sum);
    }
    hn::StoreU(hn::Mul(sum, hn::Set(tag, factor)), tag, out + begin + i);
  });
}

void AttendCachedHead(const CachedAttentionJob& job, const CacheView& cache, size_t head) {
  const size_t dim = cache.head_dim;
  const size_t past = cache.max_positions * dim;
  auto* scores = static_cast<float*>(ThreadScratch(job.positions * sizeof(float)));
  const HeadPast keys{cache.k + head * past, job.slots, cache.heads * past, dim};
  const HeadPast values{cache.v + head * past, job.slots, cache.heads * past, dim};
  ScorePast(job.q + head * dim, keys, job.positions, cache.scale, scores);
  const float sum = ExpOfRow(scores, job.positions);
  MixPast(scores, values, job.positions, 1.0f / sum, job.out + head * dim);
}

void AttendCached(std::span<const CachedAttentionJob> jobs, const CacheView& cache) {
  // One head of all rows after the other: beams share most of their past, which is then in the
  // cache for all but the first.
  ParallelFor(jobs.size() * cache.heads, 4, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t i = begin; i < end; ++i) {
      AttendCachedHead(jobs[i % jobs.size()], cache, i / jobs.size());
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
