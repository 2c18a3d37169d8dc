#include "quantize/layer_quantizer.h"

#include <algorithm>
#include <cmath>

#include "kernels/gptq.h"

namespace uffizi {
namespace {

// values: the dequantized codes
double RelativeError(const FloatTensor& w, const std::vector<float>& values,
                     const std::vector<float>& importance) {
  double error = 0, power = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double weight = importance.empty() ? 1.0 : importance[i % importance.size()];
    const double value = w.data()[i], difference = value - values[i];
    error += weight * difference * difference;
    power += weight * value * value;
  }
  return power > 0 ? std::sqrt(error / power) : 0.0;
}

}  // namespace

bool IsLinearWeight(const std::string& name) {
  static constexpr const char* kLayers[] = {".q_proj.weight",   ".k_proj.weight", ".v_proj.weight",
                                            ".out_proj.weight", ".qkv.weight",    ".proj.weight",
                                            ".fc1.weight",      ".fc2.weight"};
  return std::any_of(std::begin(kLayers), std::end(kLayers),
                     [&](const char* layer) { return name.ends_with(layer); });
}

bool CanQuantize(const std::string& name, const std::vector<int64_t>& shape,
                 const QuantizeOptions& options) {
  if (!IsLinearWeight(name) || shape.size() != 2) return false;
  const QuantizeOptions fitting = FittingOptions(options, static_cast<size_t>(shape[1]));
  return fitting.bits == options.bits && fitting.group_size == options.group_size;
}

bool LayerQuantizer::Takes(const std::string& name, const std::vector<int64_t>& shape) {
  if (!IsLinearWeight(name) || shape.size() != 2) return false;
  const bool fits = CanQuantize(name, shape, options_);
  if (!fits) writer_.NoteUnpacked(name);
  return fits;
}

LayerReport LayerQuantizer::Put(const std::string& name, const std::vector<int64_t>& shape,
                                const FloatTensor& values) {
  std::vector<float> lost;
  return Put(name, shape, values, {}, lost);
}

LayerReport LayerQuantizer::Put(const std::string& name, const std::vector<int64_t>& shape,
                                const FloatTensor& values, const std::vector<float>& constant,
                                std::vector<float>& lost, const std::vector<float>& products) {
  static const std::vector<float> kEqual;
  const auto found = importance_.find(name);
  const std::vector<float>& importance = found == importance_.end() ? kEqual : found->second;
  const auto rows = static_cast<size_t>(shape[0]), columns = static_cast<size_t>(shape[1]);
  QuantizedMatrix matrix = Quantize(values.data(), rows, columns, options_, importance);
  if (!products.empty()) RoundByProducts(values.data(), products, matrix);
  writer_.PutMatrix(name, matrix);
  std::vector<float> rounded(values.size());
  Dequantize(matrix, rounded.data());
  lost.assign(constant.empty() ? 0 : rows, 0.0f);
  for (size_t r = 0; r < lost.size(); ++r) {
    double sum = 0;
    for (size_t c = 0; c < columns; ++c) {
      const size_t at = r * columns + c;
      sum += (double{values.data()[at]} - double{rounded[at]}) * double{constant[c]};
    }
    lost[r] = static_cast<float>(sum);
  }
  const double error = products.empty()
                           ? RelativeError(values, rounded, importance)
                           : OutputError(values.data(), rounded.data(), rows, columns, products);
  return {name, shape, matrix.bits, error};
}

}  // namespace uffizi
