#ifndef UFFIZI_KERNELS_REFERENCE_H_
#define UFFIZI_KERNELS_REFERENCE_H_

// A scalar reference implementation of every kernel in kernels.h, with the same arguments: the
// plain formula, summed in double, on one thread.

#include "kernels/kernels.h"

namespace uffizi::reference {

void MatMulF32(const float* x, size_t rows, size_t k, const float* w, size_t n,
               const Epilogue& epilogue, float* y);

void AddProductF32(const float* x, size_t rows, size_t k, const float* w, size_t n, float* y);

// Takes the matrix before it is packed.
void MatMulQuantized(const QuantizedRows& x, size_t rows, const QuantizedMatrix& w,
                     const Epilogue& epilogue, float* y);

void QuantizeRows(const float* x, size_t rows, const QuantizedRows& out);

void LayerNorm(const float* x, size_t rows, size_t dim, const float* weight, const float* bias,
               float epsilon, float* y);

void Gelu(float* x, size_t count);

float LogSumExp(const float* x, size_t count);

void DepthwiseConv3x3Residual(const float* x, size_t height, size_t width, size_t channels,
                              const float* weight, const float* bias, float* y);

void Attention(std::span<const AttentionJob> jobs, const AttentionShape& shape);

void CachedAttention(std::span<const CachedAttentionJob> jobs, size_t heads, size_t head_dim,
                     float scale, const float* k_cache, const float* v_cache, size_t max_positions);

void ChannelAttention(const float* qkv, size_t tokens, size_t groups, size_t group_dim, float* out);

}  // namespace uffizi::reference

#endif  // UFFIZI_KERNELS_REFERENCE_H_
