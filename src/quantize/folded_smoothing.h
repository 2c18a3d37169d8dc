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

// Smoothing whose factors go into stored weights: a producer's rows are multiplied and its readers'
// columns divided by them, so that whoever opens the folder computes the same function.
class FoldedSmoothing {
 public:
  // None: what is measured counts as it is.
  explicit FoldedSmoothing(Importance measured) : importance_(std::move(measured)) {}
  // Finds factors for all places where they fold and whose readers are all quantized as the options
  // say. `measured` may lack layers. The reader is needed only for the call.
  FoldedSmoothing(const WeightReader& reader, const ModelConfig& config,
                  const QuantizeOptions& options, const Importance& measured);

  // Whether it changes the tensor of this transformers-native name.
  bool Changes(const std::string& name) const {
    return rows_.contains(name) || columns_.contains(name);
  }

  // values: [rows] or [rows, columns] f32
  FloatTensor Fold(const std::string& name, FloatTensor values) const;

  // What folding does to what enters a layer: [columns], or nothing where it does nothing.
  const FloatTensor* InputFactors(const std::string& weight) const {
    const auto found = columns_.find(weight);
    return found == columns_.end() ? nullptr : &found->second;
  }

  // The part of what enters a layer, after folding, that is always the same, [columns]; empty if
  // there is none to speak of.
  const std::vector<float>& Constant(const std::string& weight) const;

  // Of what enters layers after folding, measured or estimated.
  const Importance& importance() const { return importance_; }

 private:
  void FoldSite(const SmoothingSite& site, const InputSmoothing& input, const WeightReader& reader);

  std::map<std::string, std::vector<float>> rows_;  // what rows are multiplied by
  std::map<std::string, FloatTensor> columns_;      // what columns are divided by
  std::map<std::string, std::vector<float>> constants_;
  Importance importance_;
};

}  // namespace uffizi

#endif  // UFFIZI_QUANTIZE_FOLDED_SMOOTHING_H_
