#ifndef UFFIZI_CHECKPOINT_COLUMN_MOMENTS_H_
#define UFFIZI_CHECKPOINT_COLUMN_MOMENTS_H_

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/quantized_matrix.h"

namespace uffizi {

// Mean and standard deviation of each column of activations, over tokens and pictures.
struct ColumnMoments {
  std::vector<float> mean, deviation;  // [columns]

  size_t columns() const { return mean.size(); }
};

// Moments of a layer norm's output, assuming that its normalized values have a standard normal
// distribution: the bias is the mean, and the weight's magnitude is the deviation. weight, bias:
// [columns] f32
ColumnMoments MomentsOfNorm(std::span<const float> weight, std::span<const float> bias);

// Moments of a linear layer's output, assuming that its input's columns are independent.
// w: [rows, in.columns()] f32; bias: [rows] f32, or null
ColumnMoments MomentsOfLinear(const float* w, size_t rows, const float* bias,
                              const ColumnMoments& in);

// The same of the values that the codes stand for.
ColumnMoments MomentsOfLinear(const QuantizedMatrix& w, const float* bias, const ColumnMoments& in);

// Moments of GELU applied to normally distributed values.
ColumnMoments MomentsOfGelu(const ColumnMoments& in);

// Moments after averaging over each group of `mixed` neighbouring columns, which channel attention
// mixes.
ColumnMoments MomentsOfMixture(const ColumnMoments& in, size_t mixed);

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_COLUMN_MOMENTS_H_
