#ifndef UFFIZI_QUANTIZE_FOLDED_SMOOTHING_H_
#define UFFIZI_QUANTIZE_FOLDED_SMOOTHING_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/smoothing.h"
#include "checkpoint/weight_reader.h"
#include "kernels/quantize.h"
#include "quantize/layer_quantizer.h"

namespace uffizi {

// Smoothing whose factors are folded into stored weights: the rows of the producing layer are
// multiplied by them and the columns of its readers divided, so that the folder computes the same
// function in any program.
class FoldedSmoothing {
 public:
  // No smoothing: measured inputs are used unchanged.
  explicit FoldedSmoothing(Importance measured) : importance_(std::move(measured)) {}
  // Finds factors for all sites where they can be folded and whose readers are all quantized
  // according to the options. `measured` may lack layers. The reader is needed only during the
  // call.
  FoldedSmoothing(const WeightReader& reader, const ModelConfig& config,
                  const QuantizeOptions& options, const Importance& measured);

  // Whether it changes the tensor of this transformers-native name.
  bool Changes(const std::string& name) const {
    return rows_.contains(name) || columns_.contains(name);
  }

  // values: [rows] or [rows, columns] f32
  FloatTensor Fold(const std::string& name, FloatTensor values) const;

  // The factors by which folding multiplies a layer's input: [columns], or null for none.
  const FloatTensor* InputFactors(const std::string& weight) const {
    const auto found = columns_.find(weight);
    return found == columns_.end() ? nullptr : &found->second;
  }

  // The constant part of a layer's input after folding, [columns]; empty if it is negligible.
  const std::vector<float>& Constant(const std::string& weight) const;

  // Mean squares of the layers' inputs after folding, measured or estimated.
  const Importance& importance() const { return importance_; }

 private:
  void FoldSite(const SmoothingSite& site, const InputSmoothing& input, const WeightReader& reader);

  std::map<std::string, std::vector<float>> rows_;  // factors of rows
  std::map<std::string, FloatTensor> columns_;      // divisors of columns
  std::map<std::string, std::vector<float>> constants_;
  Importance importance_;
};

}  // namespace uffizi

#endif  // UFFIZI_QUANTIZE_FOLDED_SMOOTHING_H_
