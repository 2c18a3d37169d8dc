#include "quantize/folded_smoothing.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace uffizi {
namespace {

using Source = SmoothingSite::Source;

// Converts mean squares to moments of activations, without means, which they do not contain.
Smoothing::Measured Measured(const Importance& squares) {
  Smoothing::Measured measured;
  for (const auto& [name, columns] : squares) {
    ColumnMoments moments{std::vector<float>(columns.size()), columns};
    for (float& deviation : moments.deviation) deviation = std::sqrt(deviation);
    measured[name] = std::move(moments);
  }
  return measured;
}

bool AllQuantized(const SmoothingSite& site, const WeightReader& reader,
                  const QuantizeOptions& options) {
  return std::all_of(site.readers.begin(), site.readers.end(), [&](const std::string& name) {
    if (!IsLinearWeight(name)) return false;
    const auto columns = static_cast<size_t>(reader.MatrixShape(name).second);
    const QuantizeOptions fitting = FittingOptions(options, columns);
    return fitting.bits == options.bits && fitting.group_size == options.group_size;
  });
}

}  // namespace

FoldedSmoothing::FoldedSmoothing(const WeightReader& reader, const ModelConfig& config,
                                 const QuantizeOptions& options, const Importance& measured)
    : importance_(measured) {
  Smoothing smoothing(reader, config, {options.bits, options.group_size}, Measured(measured));
  for (const SmoothingSite& site : smoothing.sites()) {
    if (!AllQuantized(site, reader, options)) continue;
    const InputSmoothing& input = smoothing.Input(site.readers.front());
    // Inputs whose factors cannot be folded are not changed.
    std::vector<float> squares = input.importance;
    for (size_t c = 0; c < squares.size() && !site.folds; ++c) {
      squares[c] /= input.factor.data()[c] * input.factor.data()[c];
    }
    std::vector<float> constant(input.shift.data(), input.shift.data() + input.shift.size());
    for (size_t c = 0; c < constant.size() && site.folds; ++c)
      constant[c] *= input.factor.data()[c];
    const bool any = std::any_of(constant.begin(), constant.end(), [](float x) { return x != 0; });
    for (const std::string& name : site.readers) {
      importance_[name] = squares;
      if (any) constants_[name] = constant;
    }
    if (site.folds) FoldSite(site, input, reader);
  }
}

const std::vector<float>& FoldedSmoothing::Constant(const std::string& weight) const {
  static const std::vector<float> kNone;
  const auto found = constants_.find(weight);
  return found == constants_.end() ? kNone : found->second;
}

void FoldedSmoothing::FoldSite(const SmoothingSite& site, const InputSmoothing& input,
                               const WeightReader& reader) {
  for (const std::string& name : site.readers) columns_[name] = input.factor;
  std::vector<float> rows(site.first_row, 1.0f);
  rows.insert(rows.end(), input.factor.data(), input.factor.data() + input.factor.size());
  rows_[site.producer + ".weight"] = rows;
  if (reader.Has(site.producer + ".bias")) rows_[site.producer + ".bias"] = std::move(rows);
}

FloatTensor FoldedSmoothing::Fold(const std::string& name, FloatTensor values) const {
  if (!Changes(name)) return values;
  LargeVector<float> folded = std::move(values).Take();
  if (const auto found = columns_.find(name); found != columns_.end()) {
    const FloatTensor& factors = found->second;
    for (size_t i = 0; i < folded.size(); ++i) folded[i] /= factors.data()[i % factors.size()];
  }
  if (const auto found = rows_.find(name); found != rows_.end()) {
    const size_t columns = folded.size() / found->second.size();
    for (size_t i = 0; i < folded.size(); ++i) folded[i] *= found->second[i / columns];
  }
  return FloatTensor(std::move(folded));
}

}  // namespace uffizi
