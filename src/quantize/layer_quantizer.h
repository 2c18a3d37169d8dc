#ifndef UFFIZI_QUANTIZE_LAYER_QUANTIZER_H_
#define UFFIZI_QUANTIZE_LAYER_QUANTIZER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/folder_writer.h"
#include "checkpoint/weight_matrix.h"
#include "kernels/quantize.h"

namespace uffizi {

// Mean squares of a layer's inputs, [columns], by the weight's transformers-native name.
using Importance = std::map<std::string, std::vector<float>>;

// How one matrix was quantized.
struct LayerReport {
  std::string name;  // transformers-native
  std::vector<int64_t> shape;
  int bits;      // in the written folder; 16 for a matrix that was kept
  double error;  // root mean square of the error over that of the weights; of a layer with
                 // importance, both weighted by it
};

// Whether a tensor of this name is the weight of a linear layer of the vision or text blocks.
bool IsLinearWeight(const std::string& name);

// Whether the weight of a linear layer can be quantized exactly according to the options.
bool CanQuantize(const std::string& name, const std::vector<int64_t>& shape,
                 const QuantizeOptions& options);

// Quantizes weights of linear layers into a folder.
class LayerQuantizer {
 public:
  // `importance` may lack layers, whose columns are then weighted equally. All arguments must
  // outlive the object.
  LayerQuantizer(FolderWriter& writer, const QuantizeOptions& options, const Importance& importance)
      : writer_(writer), options_(options), importance_(importance) {}

  // Whether a weight [rows, columns] can be quantized according to the options. If it belongs to a
  // linear layer and cannot, this is recorded in the folder.
  bool Takes(const std::string& name, const std::vector<int64_t>& shape);
  // Quantizes and writes it. values: [rows, columns] f32, finite
  LayerReport Put(const std::string& name, const std::vector<int64_t>& shape,
                  const FloatTensor& values);
  // Also computes how quantizing changes the layer's output for the input `constant`, [columns],
  // for which the layer's bias can compensate. lost: [rows]
  // products: second moments of the inputs, [columns, columns], for GPTQ; or empty
  LayerReport Put(const std::string& name, const std::vector<int64_t>& shape,
                  const FloatTensor& values, const std::vector<float>& constant,
                  std::vector<float>& lost, const std::vector<float>& products = {});

 private:
  FolderWriter& writer_;
  const QuantizeOptions& options_;
  const Importance& importance_;
};

}  // namespace uffizi

#endif  // UFFIZI_QUANTIZE_LAYER_QUANTIZER_H_
