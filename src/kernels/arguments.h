#ifndef UFFIZI_KERNELS_ARGUMENTS_H_
#define UFFIZI_KERNELS_ARGUMENTS_H_

// The arguments of kernels that take many. They have one type for every instruction set, so that
// they can be passed through the dispatch. Shapes are those of kernels.h.

#include <cstddef>

#include "kernels/kernels.h"

namespace uffizi {

struct MatMulArgs {
  const float* x;
  size_t rows, k;
  const float* w;
  size_t n;
  Epilogue epilogue;
  float* y;
};

struct QuantizedMatMulArgs {
  QuantizedRows x;
  size_t rows;
  std::span<const QuantizedProduct> products;
  QuantizedRows out;  // of the one product whose y is null
};

struct ConvArgs {
  const float* x;
  size_t height, width, channels;
  const float *weight, *bias;
  float* y;
};

struct ChannelShape {
  size_t tokens, groups, dim;
  size_t width() const { return groups * dim; }
};

struct CrossShape {
  size_t heads, head_dim;
  float scale;
};

struct CacheView {
  size_t heads, head_dim;
  float scale;
  const float *k, *v;
  size_t max_positions;
};

}  // namespace uffizi

#endif  // UFFIZI_KERNELS_ARGUMENTS_H_
