#ifndef UFFIZI_CHECKPOINT_COLUMN_MOMENTS_H_
#define UFFIZI_CHECKPOINT_COLUMN_MOMENTS_H_

#include <cstddef>
#include <span>
#include <vector>

namespace uffizi {

// How each column of some activations is spread over tokens and pictures.
struct ColumnMoments {
  std::vector<float> mean, deviation;  // [columns]

  size_t columns() const { return mean.size(); }
};

// What a layer norm gives if its normalized values are spread like standard normal ones: the bias
// is the mean, the weight's magnitude the deviation. weight, bias: [columns] f32
ColumnMoments MomentsOfNorm(std::span<const float> weight, std::span<const float> bias);

// What a linear layer gives if its input's columns vary independently.
// w: [rows, in.columns()] f32; bias: [rows] f32, or null
ColumnMoments MomentsOfLinear(const float* w, size_t rows, const float* bias,
                              const ColumnMoments& in);

// What GELU gives of normally distributed values.
ColumnMoments MomentsOfGelu(const ColumnMoments& in);

// The same for all columns of each `mixed` neighbours, as channel attention mixes them.
ColumnMoments MomentsOfMixture(const ColumnMoments& in, size_t mixed);

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_COLUMN_MOMENTS_H_
