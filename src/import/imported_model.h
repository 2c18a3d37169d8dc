#ifndef UFFIZI_IMPORT_IMPORTED_MODEL_H_
#define UFFIZI_IMPORT_IMPORTED_MODEL_H_

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "checkpoint/config.h"
#include "kernels/quantized_matrix.h"

namespace uffizi {

// A weight on its way from an artifact to a model folder.
struct ImportedTensor {
  std::vector<int64_t> shape;
  std::variant<std::vector<float>, QuantizedMatrix> value;
};

// Weights under their transformers-native names, and the sizes that they were found to have.
struct ImportedModel {
  std::map<std::string, ImportedTensor> tensors;
  VisionConfig vision;
  TextConfig text;
  int image_width = 0, image_height = 0;  // pixels; 0 if the graph takes any
};

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_IMPORTED_MODEL_H_
