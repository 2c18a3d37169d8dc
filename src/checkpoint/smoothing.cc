#include "checkpoint/smoothing.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "checkpoint/weight_reader.h"

namespace uffizi {
namespace {

using Source = SmoothingSite::Source;

// Assumed standard deviation of a picture's values, in the range from 0 to 1.
constexpr float kPixelDeviation = 0.25f;

// A column is shifted only if its mean exceeds its deviation by this factor. Means are rough
// estimates, and a wrong shift makes activations larger.
constexpr float kLeastShift = 2.0f;

const float* DataOrNull(const FloatTensor& bias) { return bias.empty() ? nullptr : bias.data(); }

ColumnMoments MomentsOfPixels(const PreprocessConfig& config) {
  ColumnMoments moments;
  for (size_t c = 0; c < config.std.size(); ++c) {
    moments.mean.push_back((0.5f - config.mean[c]) / config.std[c]);
    moments.deviation.push_back(std::abs(kPixelDeviation / config.std[c]));
  }
  return moments;
}

// Nothing if `all` has no such part.
ColumnMoments Part(const ColumnMoments& all, size_t first, size_t count) {
  if (first + count > all.columns()) return {};
  const auto part = [&](const std::vector<float>& values) {
    const auto begin = values.begin() + static_cast<ptrdiff_t>(first);
    return std::vector<float>(begin, begin + static_cast<ptrdiff_t>(count));
  };
  return {part(all.mean), part(all.deviation)};
}

// Factors that make deviations about equal. They are powers of 2, so they do not change the ratios
// between stored scales.
std::vector<float> Levelling(const std::vector<float>& deviations) {
  const float least = 1e-6f * *std::max_element(deviations.begin(), deviations.end());
  if (!(least > 0.0f)) return std::vector<float>(deviations.size(), 1.0f);
  double mean = 0;
  for (const float deviation : deviations) mean += std::log(double{std::max(deviation, least)});
  const auto level = static_cast<float>(std::exp(mean / static_cast<double>(deviations.size())));
  std::vector<float> factors;
  for (const float deviation : deviations) {
    factors.push_back(std::exp2(std::round(std::log2(level / std::max(deviation, least)))));
  }
  return factors;
}

}  // namespace

Smoothing::Smoothing(const WeightReader& reader, const ModelConfig& config, const Widths& widths,
                     Measured measured)
    : reader_(reader),
      config_(config),
      widths_(widths),
      measured_(std::move(measured)),
      sites_(FindSmoothingSites(config)) {
  for (const SmoothingSite& site : sites_.inputs) {
    for (const std::string& weight : site.readers) by_reader_[weight] = &site;
    if (site.source == Source::kValues || site.source == Source::kHidden) {
      producers_.insert(site.producer);
    }
  }
  for (const KeySite& site : sites_.keys) producers_.insert(site.keys);
}

void Smoothing::Misfit(const std::string& weight) const {
  reader_.Fail(weight, "does not fit the layers before and behind it");
}

const SmoothingSite* Smoothing::SiteOf(const std::string& weight) const {
  const auto found = by_reader_.find(weight);
  return found == by_reader_.end() ? nullptr : found->second;
}

const InputSmoothing& Smoothing::Input(const std::string& weight) {
  static const InputSmoothing kNothing;
  const SmoothingSite* site = SiteOf(weight);
  if (site == nullptr) return kNothing;
  const auto [entry, is_new] = inputs_.try_emplace(site);
  if (is_new) {
    const Activations activations = Describe(*site);
    CheckReaders(*site, activations.shift.size());
    entry->second = Make(*site, activations, ReadersFactors(*site, activations));
  }
  return entry->second;
}

InputSmoothing Smoothing::InputOf(const std::string& weight, const float* values, size_t rows,
                                  size_t columns, const Widths& widths) {
  const SmoothingSite* site = SiteOf(weight);
  if (site == nullptr) return {};
  const Activations activations = Describe(*site);
  if (activations.shift.size() != columns) Misfit(weight);
  std::vector<float> sample;
  for (const size_t row : SampledRows(rows)) {
    sample.insert(sample.end(), values + row * columns, values + (row + 1) * columns);
  }
  return Make(*site, activations,
              ChooseSmoothingFactors(activations.sizes, std::move(sample), widths, site->mixed));
}

// The shift, and the size of activations after it.
Smoothing::Activations Smoothing::Describe(const SmoothingSite& site) {
  const ColumnMoments moments = InputMoments(site);
  Activations activations{moments.mean, moments.deviation};
  for (size_t c = 0; c < moments.columns(); ++c) {
    if (std::abs(moments.mean[c]) > kLeastShift * moments.deviation[c]) continue;
    activations.shift[c] = 0.0f;
    activations.sizes[c] = std::hypot(moments.mean[c], moments.deviation[c]);
  }
  return activations;
}

InputSmoothing Smoothing::Make(const SmoothingSite& site, const Activations& activations,
                               std::vector<float> factors) {
  InputSmoothing input;
  for (size_t c = 0; c < factors.size(); ++c) {
    factors[c] = 1.0f / factors[c];
    const float size = activations.sizes[c] * factors[c];
    input.importance.push_back(size * size);
  }
  input.shift = FloatTensor(activations.shift);
  input.factor = FloatTensor(std::move(factors));
  input.done_by_producer = site.source == Source::kValues;
  return input;
}

void Smoothing::CheckReaders(const SmoothingSite& site, size_t columns) const {
  for (const std::string& reader : site.readers) {
    const std::string& weight = reader_.Holder(reader);
    if (static_cast<size_t>(reader_.MatrixShape(weight).second) != columns) Misfit(weight);
  }
}

// One set of factors for all readers. Weights that are stored quantized are not changed.
std::vector<float> Smoothing::ReadersFactors(const SmoothingSite& site,
                                             const Activations& activations) const {
  const size_t columns = activations.sizes.size();
  size_t all = 0;
  for (const std::string& reader : site.readers) {
    const std::string& weight = reader_.Holder(reader);
    if (reader_.StaysQuantized(weight)) return std::vector<float>(columns, 1.0f);
    all += static_cast<size_t>(reader_.MatrixShape(weight).first);
  }
  const std::vector<size_t> sampled = SampledRows(all);
  std::vector<float> sample;
  size_t first = 0;
  auto next = sampled.begin();
  for (const std::string& reader : site.readers) {
    const std::string& weight = reader_.Holder(reader);
    const auto rows = static_cast<size_t>(reader_.MatrixShape(weight).first);
    std::vector<size_t> of_reader;
    for (; next != sampled.end() && *next < first + rows; ++next)
      of_reader.push_back(*next - first);
    const std::vector<float> values = reader_.Rows(weight, columns, of_reader);
    sample.insert(sample.end(), values.begin(), values.end());
    first += rows;
  }
  return ChooseSmoothingFactors(activations.sizes, std::move(sample), widths_, site.mixed);
}

ColumnMoments Smoothing::InputMoments(const SmoothingSite& site) {
  for (const std::string& weight : site.readers) {
    const auto found = measured_.find(weight);
    if (found != measured_.end()) return MomentsOfMixture(found->second, site.mixed);
  }
  switch (site.source) {
    case Source::kPixels:
      return MomentsOfPixels(config_.preprocess);
    case Source::kNorm: {
      const FloatTensor weight = reader_.Vector(site.producer + ".weight");
      const FloatTensor bias = reader_.Vector(site.producer + ".bias");
      return MomentsOfNorm({weight.data(), weight.size()}, {bias.data(), bias.size()});
    }
    case Source::kHidden:
      return MomentsOfGelu(OutputMoments(site.producer));
    case Source::kValues:
      break;
  }
  const ColumnMoments& all = OutputMoments(site.producer);
  const size_t count = site.first_row == 0 ? all.columns() : site.first_row / 2;
  return MomentsOfMixture(Part(all, site.first_row, count), site.mixed);
}

const ColumnMoments& Smoothing::OutputMoments(const std::string& layer) {
  if (const auto found = outputs_.find(layer); found != outputs_.end()) return found->second;
  const std::string weight = layer + ".weight";
  const auto [rows, columns] = reader_.MatrixShape(weight);
  FloatTensor bias;
  if (reader_.Has(layer + ".bias")) bias = reader_.Floats(layer + ".bias", {rows});
  if (const auto stored =
          reader_.Quantized(weight, static_cast<int>(rows), static_cast<int>(columns))) {
    Learn(weight, *stored, bias);
  } else {
    Learn(weight, reader_.Floats(weight, {rows, columns}), bias);
  }
  return outputs_.at(layer);
}

bool Smoothing::MustLearn(const std::string& weight) const {
  const std::string layer = ModuleOf(weight);
  return producers_.contains(layer) && !outputs_.contains(layer);
}

void Smoothing::Learn(const std::string& weight, const FloatTensor& values,
                      const FloatTensor& bias) {
  if (!MustLearn(weight)) return;
  const ColumnMoments in = InputMoments(*SiteOf(weight));
  if (values.size() % in.columns() != 0) Misfit(weight);
  const size_t rows = values.size() / in.columns();
  outputs_[ModuleOf(weight)] = MomentsOfLinear(values.data(), rows, DataOrNull(bias), in);
}

void Smoothing::Learn(const std::string& weight, const QuantizedMatrix& matrix,
                      const FloatTensor& bias) {
  if (!MustLearn(weight)) return;
  const ColumnMoments in = InputMoments(*SiteOf(weight));
  if (matrix.columns != in.columns()) Misfit(weight);
  outputs_[ModuleOf(weight)] = MomentsOfLinear(matrix, DataOrNull(bias), in);
}

OutputSmoothing Smoothing::Output(const std::string& weight, size_t rows) {
  OutputSmoothing output;
  const auto prepare = [&] {
    output.shift.resize(rows, 0.0f);
    output.factor.resize(rows, 1.0f);
  };
  const std::string layer = ModuleOf(weight);
  for (const SmoothingSite& site : sites_.inputs) {
    if (site.source != Source::kValues || site.producer != layer) continue;
    const InputSmoothing& input = Input(site.readers.front());
    if (site.first_row + input.shift.size() != rows) Misfit(weight);
    prepare();
    for (size_t i = 0; i < input.shift.size(); ++i) {
      output.shift[site.first_row + i] = input.shift.data()[i];
      output.factor[site.first_row + i] = input.factor.data()[i];
    }
  }
  for (const KeySite& site : sites_.keys) {
    if (site.keys != layer && (site.queries != layer || !site.cached)) continue;
    const ColumnMoments& all = OutputMoments(site.keys);
    const size_t count = site.first_row == 0 ? all.columns() : site.first_row;
    const ColumnMoments keys = Part(all, site.first_row, count);
    if (keys.columns() != count || site.first_row + count > rows) Misfit(weight);
    const std::vector<float> factors =
        site.cached ? Levelling(keys.deviation) : std::vector<float>(count, 1.0f);
    prepare();
    for (size_t i = 0; i < count; ++i) {
      if (site.keys == layer) {
        output.shift[site.first_row + i] = keys.mean[i];
        output.factor[site.first_row + i] = factors[i];
      } else {
        output.factor[i] = 1.0f / factors[i];
      }
    }
  }
  return output;
}

}  // namespace uffizi
