#ifndef UFFIZI_KERNELS_KERNELS_H_
#define UFFIZI_KERNELS_KERNELS_H_

// The only interface to SIMD code: free functions on plain views. Each picks the best instruction
// set at run time and distributes its work over the threads of the surrounding task arena
// (core/parallel.h). Results are bit-identical for any number of threads, and a row's result does
// not depend on the other rows computed with it.
//
// Tensors are row-major and contiguous unless a stride is given. Strides count elements.

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/packed_matrix.h"

namespace uffizi {

enum class Activation { kNone, kGelu };

// Operations fused into a matrix product, applied to each result.
struct Epilogue {
  const float* bias = nullptr;  // [n], added first
  Activation activation = Activation::kNone;
  const float* residual = nullptr;  // [rows, n], added last; may be the output itself
};

// y[r, j] = epilogue(sum_i x[r, i] * w[j, i]).
// x: [rows, k] f32, w: [n, k] f32, y: [rows, n] f32
void MatMulF32(const float* x, size_t rows, size_t k, const float* w, size_t n,
               const Epilogue& epilogue, float* y);

// y[r, j] += sum_i x[r, i] * w[i, j], for a k much smaller than n.
// x: [rows, k] f32, w: [k, n] f32, y: [rows, n] f32
void AddProductF32(const float* x, size_t rows, size_t k, const float* w, size_t n, float* y);

// A transform of activations before they are quantized: x[c] becomes (x[c] - shift[c]) * factor[c].
// The weights that multiply the codes must contain the inverse.
struct ColumnTransform {
  const float* shift = nullptr;   // [columns] f32; null, as is factor, for no transform
  const float* factor = nullptr;  // [columns] f32

  bool empty() const { return factor == nullptr; }
};

// Rows of activations in 8 bits. A row is divided into the weights' groups of columns, and each
// group has a scale: x[r, c], transformed, is about scales[r, c / group_size] * codes[r, c]. Codes
// are in -127..127.
struct QuantizedRows {
  size_t columns = 0, group_size = 1;
  int8_t* codes = nullptr;  // [rows, groups, padded group]
  float* scales = nullptr;  // [rows, groups]
  int32_t* sums = nullptr;  // [rows, groups], of codes
  // [rows, groups, pair_chunks()], where kernels sum in 16 bits (dot_maddubs-inl.h): -8 times the
  // sums of codes of a chunk's columns, of the first two of each four in the low half, of the last
  // two in the high half.
  int32_t* pair_starts = nullptr;
  ColumnTransform transform = {};  // that kernels which write codes apply
  // Codes are stored as unsigned bytes with an offset of 128: x86's dot products multiply unsigned
  // by signed bytes, and for a matrix with factors the weights are the signed operand.
  bool biased = false;

  static constexpr size_t kPairColumns = 64;  // of a chunk
  size_t pair_chunks() const { return (group_size + kPairColumns - 1) / kPairColumns; }
  size_t groups() const { return columns / group_size; }
  size_t padded_columns() const { return groups() * PackedMatrix::PaddedGroup(group_size); }
  // Size of the memory for `rows` rows, and a view of it. `memory` is aligned to 64 bytes.
  static size_t Bytes(size_t rows, size_t columns, size_t group_size);
  static QuantizedRows In(void* memory, size_t rows, size_t columns, size_t group_size);
  // As `w` takes them.
  static size_t BytesFor(const PackedMatrix& w, size_t rows) {
    return Bytes(rows, w.columns(), w.input_group());
  }
  static QuantizedRows InFor(const PackedMatrix& w, void* memory, size_t rows);
};

// Whether two matrices can multiply the same quantized rows.
inline bool TakeSameRows(const PackedMatrix& a, const PackedMatrix& b) {
  return a.columns() == b.columns() && a.input_group() == b.input_group() &&
         a.has_factors() == b.has_factors();
}

// Rounds each group to the nearest codes, with its largest magnitude scaled to 127. x: [rows,
// columns] f32
void QuantizeRows(const float* x, size_t rows, const QuantizedRows& out);

// Quantizes layer-normalized rows in the same way. x: [rows, columns] f32; weight, bias: [columns]
// f32
void LayerNormQuantizeRows(const float* x, size_t rows, const float* weight, const float* bias,
                           float epsilon, const QuantizedRows& out);

// y[r, j] = epilogue(sum_c x[r, c] * w[j, c]), in integers within a group of x. x has the layout of
// QuantizedRows::InFor(). y: [rows, w.rows()] f32
void MatMulQuantized(const QuantizedRows& x, size_t rows, const PackedMatrix& w,
                     const Epilogue& epilogue, float* y);

// Several products of one x, whose matrices all TakeSameRows().
struct QuantizedProduct {
  const PackedMatrix* w;
  Epilogue epilogue;
  float* y;  // [rows, w->rows()] f32
};
void MatMulQuantized(const QuantizedRows& x, size_t rows,
                     std::span<const QuantizedProduct> products);

// A product whose result is quantized for the next product. No residual is allowed. y has w.rows()
// columns, in groups for which CanQuantizeOutput() holds.
void MatMulQuantized(const QuantizedRows& x, size_t rows, const PackedMatrix& w,
                     const Epilogue& epilogue, const QuantizedRows& y);

// Whether the product can quantize w's output itself, in groups of this many columns.
inline bool CanQuantizeOutput(const PackedMatrix& w, size_t group_size) {
  if (group_size % PackedMatrix::kColumnPadding != 0) return false;
  return PackedMatrix::kPanelRows % group_size == 0 ||
         (w.has_factors() && group_size % PackedMatrix::kPanelRows == 0 &&
          group_size <= PackedMatrix::kFactorColumns);
}

// y = (x - mean(x)) / sqrt(var(x) + epsilon) * weight + bias, for each row. y may be x.
// x, y: [rows, dim] f32; weight, bias: [dim] f32
void LayerNorm(const float* x, size_t rows, size_t dim, const float* weight, const float* bias,
               float epsilon, float* y);

// x * 0.5 * (1 + erf(x / sqrt(2))), in place. x: [count] f32
void Gelu(float* x, size_t count);

// The greatest value, NaN ignored; -inf if there is none.
float Greatest(const float* x, size_t count);

// log(sum(exp(x))). Not finite if a value is NaN or +inf, or if all are -inf.
float LogSumExp(const float* x, size_t count);

// y = x + bias + 3x3 depthwise convolution of x, zero-padded by one. y must not be x.
// x, y: [height, width, channels] f32; weight: [3, 3, channels] f32; bias: [channels] f32
void DepthwiseConv3x3Residual(const float* x, size_t height, size_t width, size_t channels,
                              const float* weight, const float* bias, float* y);

// Scaled dot-product attention of a few queries on a few keys, all heads:
// out[i, h, :] = softmax_j(scale * q[i, h, :] . k[j, h, :]) v[j, h, :].
struct AttentionJob {
  const float* q;  // [queries, heads, head_dim] f32, queries q_stride apart
  const float* k;  // [keys, heads, head_dim] f32
  const float* v;  // [keys, heads, head_dim] f32
  float* out;      // [queries, heads, head_dim] f32
  size_t queries, keys;
};
struct AttentionShape {
  size_t heads, head_dim;
  size_t q_stride, kv_stride, out_stride;  // elements from one token to the next
  float scale;
  bool bf16 = false;  // allows products of bfloat16, summed in f32, where they are faster
};
// Independent jobs of one shape: the windows of a picture, or the sequences of a batch.
void Attention(std::span<const AttentionJob> jobs, const AttentionShape& shape);

// One query row of causal self-attention over a cache of keys and values. The past may be in the
// slots of other rows (beams share their history): position p is read from slot slots[p].
struct CachedAttentionJob {
  const float* q;    // [heads, head_dim] f32
  float* out;        // [heads, head_dim] f32
  const int* slots;  // [positions]
  size_t positions;  // keys to attend to, the newest included
};
// k_cache, v_cache: [slots, heads, max_positions, head_dim] f32
void CachedAttention(std::span<const CachedAttentionJob> jobs, size_t heads, size_t head_dim,
                     float scale, const float* k_cache, const float* v_cache, size_t max_positions);

// Keys and values of a sequence's encoder states, as cross-attention reads them: keys transposed in
// tiles, [heads, padded_tokens() / kKeyTile, head_dim, kKeyTile], values [heads, tokens, head_dim].
// f32, or i8 with a scale for each token and head. Before keys are quantized to i8, the mean of
// each dimension over the tokens is subtracted. It adds the same value to all scores of a query,
// which does not change the softmax, and would waste the range of the 8 bits.
struct CrossKeysValues {
  static constexpr size_t kKeyTile = 64;
  void* keys = nullptr;
  void* values = nullptr;
  float* key_scales = nullptr;    // [heads, tokens], null for f32
  float* value_scales = nullptr;  // [heads, tokens], null for f32
  size_t tokens = 0;

  bool is_i8() const { return key_scales != nullptr; }
  size_t padded_tokens() const { return (tokens + kKeyTile - 1) / kKeyTile * kKeyTile; }
};
// k, v: [tokens, heads, head_dim] f32
void PackCrossKeysValues(const float* k, const float* v, size_t heads, size_t head_dim,
                         const CrossKeysValues& cross);

// Scaled dot-product attention of a few queries, all heads, on one sequence.
struct CrossAttentionJob {
  const float* q;  // [queries, heads, head_dim] f32
  float* out;      // [queries, heads, head_dim] f32
  size_t queries;
  CrossKeysValues cross;
};
void CrossAttention(std::span<const CrossAttentionJob> jobs, size_t heads, size_t head_dim,
                    float scale);

// DaViT's channel attention, for tokens that are processed a block at a time. For each group
//   A[c, d] = softmax_d(tokens^-0.5 * sum_t q[t, c] k[t, d]), out[t, c] = sum_d A[c, d] v[t, d].
// First the sums: products[g, c, d] += sum_t q[t, g, c] k[t, g, d].
// qkv: [tokens, 3, groups, group_dim] f32; products: [groups, group_dim, group_dim] f32
void AddChannelProducts(const float* qkv, size_t tokens, size_t groups, size_t group_dim,
                        float* products);
// Then their softmax, transposed: weights[g, d, c] is A[c, d] of group g. tokens: the total number
void ChannelWeights(const float* products, size_t tokens, size_t groups, size_t group_dim,
                    float* weights);
// v, out: [tokens, groups, group_dim] f32
void MixChannels(const float* v, size_t tokens, size_t groups, size_t group_dim,
                 const float* weights, float* out);

// The instruction set in use: "AVX2", "AVX3_DL", ... UFFIZI_TARGET=avx2 in the environment forces
// one.
const char* KernelTarget();

}  // namespace uffizi

#endif  // UFFIZI_KERNELS_KERNELS_H_
