#ifndef UFFIZI_CHECKPOINT_LINEAR_WEIGHTS_H_
#define UFFIZI_CHECKPOINT_LINEAR_WEIGHTS_H_

#include <string>

#include "checkpoint/smoothing.h"
#include "checkpoint/weight_reader.h"

namespace uffizi {

// A linear layer as it is computed.
struct LinearWeights {
  WeightMatrix weight;        // [out, in]
  FloatTensor bias;           // [out] f32, or empty
  FloatTensor shift, factor;  // [in] f32, what is done to activations first; or empty
};

// PREFIX.weight and, if `with_bias`, PREFIX.bias; smoothed if the reader smooths. Throws as
// WeightReader::Floats() does.
LinearWeights ReadLinear(const WeightReader& reader, const std::string& prefix, int out, int in,
                         bool with_bias);

// The same of values that are read already, [rows, columns] f32, with what was found for them.
LinearWeights SmoothLinear(const WeightReader& reader, FloatTensor values, int rows, int columns,
                           FloatTensor bias, WeightBits bits, const InputSmoothing& input,
                           const OutputSmoothing& output = {});

// The same of a matrix that stays quantized as it is: `input` has factors of 1.
LinearWeights SmoothLinear(const WeightReader& reader, QuantizedMatrix matrix, FloatTensor bias,
                           const InputSmoothing& input, const OutputSmoothing& output = {});

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_LINEAR_WEIGHTS_H_
