#include "import/imported_model.h"

#include <cmath>
#include <utility>

namespace uffizi {

IrWeight ImportedTensor::Weight() const {
  IrWeight weight = graph->constants.Fold(node, transposed);
  size_t count = 1;
  for (const int64_t extent : shape) count *= static_cast<size_t>(extent);
  if (weight.elements() != count) graph->graph.Fail(node, "has an unexpected size");
  return weight;
}

FloatTensor ImportedTensor::Floats() const {
  if (!values.empty()) return FloatTensor(values.data(), values.size());
  if (node < 0) {
    size_t count = 1;
    for (const int64_t extent : shape) count *= static_cast<size_t>(extent);
    return FloatTensor(std::vector<float>(count, fill));
  }
  std::vector<float> floats = Weight().Floats();
  for (float& value : floats) {
    if (factor != 1) value = static_cast<float>(value * factor);
    if (!std::isfinite(value)) graph->graph.Fail(node, "holds NaN or infinity");
  }
  return FloatTensor(std::move(floats));
}

std::optional<QuantizedMatrix> ImportedTensor::Quantized() const {
  if (node < 0) return std::nullopt;
  std::optional<QuantizedMatrix> matrix = Weight().Quantized();
  if (!matrix) return std::nullopt;
  for (float& scale : matrix->scales) {
    if (factor != 1) scale = static_cast<float>(scale * factor);
    if (!std::isfinite(scale)) graph->graph.Fail(node, "has a scale that is not a number");
  }
  return matrix;
}

}  // namespace uffizi
