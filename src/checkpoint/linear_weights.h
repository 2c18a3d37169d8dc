#ifndef UFFIZI_CHECKPOINT_LINEAR_WEIGHTS_H_
#define UFFIZI_CHECKPOINT_LINEAR_WEIGHTS_H_

#include <string>

#include "checkpoint/smoothing.h"
#include "checkpoint/weight_reader.h"

namespace uffizi {

// The weights of a linear layer, in the form in which it is computed.
struct LinearWeights {
  WeightMatrix weight;        // [out, in]
  FloatTensor bias;           // [out] f32, or empty
  FloatTensor shift, factor;  // [in] f32, applied to activations first; or empty
  // What smoothing folded into the weights: the transform of activations by the layer that produces
  // them, [in] f32, and the factor of this layer's output, [out] f32; or empty.
  FloatTensor producer_shift = {}, producer_factor = {}, output_factor = {};
};

// A change of a linear layer that is computed beside its weights: y += (x a^T + c) b.
struct LowRank {
  size_t rank;
  FloatTensor a;  // [rank, in] f32
  FloatTensor b;  // [rank, out] f32
  FloatTensor c;  // [rank] f32, or empty

  size_t bytes() const { return (a.size() + b.size() + c.size()) * sizeof(float); }
};

// An adapter's product for this layer, smoothed in the same way as its weights.
LowRank SmoothProduct(const LinearWeights& layer, const LoraChange& change);

// Reads PREFIX.weight and, if `with_bias`, PREFIX.bias, and smooths them if the reader does. Throws
// like WeightReader::Floats().
LinearWeights ReadLinear(const WeightReader& reader, const std::string& prefix, int out, int in,
                         bool with_bias);

// Smooths values that have already been read, [rows, columns] f32.
LinearWeights SmoothLinear(const WeightReader& reader, FloatTensor values, int rows, int columns,
                           FloatTensor bias, WeightBits bits, const InputSmoothing& input,
                           const OutputSmoothing& output = {});

// Smooths the bias of a matrix that stays quantized: `input` has factors of 1.
LinearWeights SmoothLinear(const WeightReader& reader, QuantizedMatrix matrix, FloatTensor bias,
                           const InputSmoothing& input, const OutputSmoothing& output = {});

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_LINEAR_WEIGHTS_H_
