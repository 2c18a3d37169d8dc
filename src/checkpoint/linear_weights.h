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
};

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
