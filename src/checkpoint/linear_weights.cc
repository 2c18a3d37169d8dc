#include "checkpoint/linear_weights.h"

#include <algorithm>
#include <utility>

#include "core/parallel.h"

namespace uffizi {
namespace {

constexpr size_t kGrain = size_t{1} << 16;  // smallest number of weights for a task

bool Shifts(const InputSmoothing& input) {
  const float* shift = input.shift.data();
  return std::any_of(shift, shift + input.shift.size(), [](float value) { return value != 0.0f; });
}

// An input that always has these values.
ColumnMoments Constant(const FloatTensor& values) {
  return {{values.data(), values.data() + values.size()}, std::vector<float>(values.size())};
}

// The bias of a layer whose input is shifted: bias + w shift makes up for it. w: what
// MomentsOfLinear() takes before the bias
template <typename... Weights>
FloatTensor Compensated(const InputSmoothing& input, FloatTensor bias, const Weights&... w) {
  if (!Shifts(input)) return bias;
  const float* values = bias.empty() ? nullptr : bias.data();
  return FloatTensor(MomentsOfLinear(w..., values, Constant(input.shift)).mean);
}

// The bias of a layer with `rows` outputs after their smoothing.
FloatTensor SmoothBias(FloatTensor bias, size_t rows, const OutputSmoothing& output) {
  if (output.shift.empty()) return bias;
  LargeVector<float> sums = bias.empty() ? LargeVector<float>(rows, 0.0f) : std::move(bias).Take();
  for (size_t r = 0; r < rows; ++r) sums[r] = (sums[r] - output.shift[r]) * output.factor[r];
  return FloatTensor(std::move(sums));
}

LinearWeights Finish(WeightMatrix weight, FloatTensor bias, const InputSmoothing& input,
                     const OutputSmoothing& output) {
  LinearWeights layer{std::move(weight), std::move(bias), {}, {}};
  (input.done_by_producer ? layer.producer_shift : layer.shift) = input.shift;
  (input.done_by_producer ? layer.producer_factor : layer.factor) = input.factor;
  if (!output.factor.empty()) layer.output_factor = FloatTensor(output.factor);
  return layer;
}

}  // namespace

LinearWeights SmoothLinear(const WeightReader& reader, FloatTensor values, int rows, int columns,
                           FloatTensor bias, WeightBits bits, const InputSmoothing& input,
                           const OutputSmoothing& output) {
  const auto height = static_cast<size_t>(rows), width = static_cast<size_t>(columns);
  if (input.empty() && output.factor.empty()) {
    return {reader.Matrix(std::move(values), rows, columns, bits), std::move(bias), {}, {}};
  }
  FloatTensor smooth_bias =
      SmoothBias(Compensated(input, std::move(bias), values.data(), height), height, output);
  LargeVector<float> smooth = std::move(values).Take();
  std::vector<float> inverse(width, 1.0f);
  for (size_t c = 0; c < width && !input.empty(); ++c) inverse[c] = 1.0f / input.factor.data()[c];
  ParallelFor(height, std::max<size_t>(1, kGrain / width), [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) {
      float* row = smooth.data() + r * width;
      const float factor = output.factor.empty() ? 1.0f : output.factor[r];
      for (size_t c = 0; c < width; ++c) row[c] *= inverse[c] * factor;
    }
  });
  return Finish(
      reader.Matrix(FloatTensor(std::move(smooth)), rows, columns, bits, input.importance),
      std::move(smooth_bias), input, output);
}

LinearWeights SmoothLinear(const WeightReader& reader, QuantizedMatrix matrix, FloatTensor bias,
                           const InputSmoothing& input, const OutputSmoothing& output) {
  FloatTensor smooth_bias =
      SmoothBias(Compensated(input, std::move(bias), matrix), matrix.rows, output);
  if (!output.factor.empty()) {
    const size_t groups = matrix.groups();
    for (size_t i = 0; i < matrix.scales.size(); ++i) matrix.scales[i] *= output.factor[i / groups];
  }
  return Finish(reader.Matrix(matrix), std::move(smooth_bias), input, output);
}

LowRank SmoothProduct(const LinearWeights& layer, const LoraChange& change) {
  const size_t rank = change.rank, in = change.a.size() / rank, out = change.b.size() / rank;
  LowRank product{rank, {}, {}, {}};
  std::vector<float> a = change.a, b(change.b.size());
  if (!layer.producer_factor.empty()) {
    const ColumnMoments constant = Constant(layer.producer_shift);
    product.c = FloatTensor(MomentsOfLinear(a.data(), rank, nullptr, constant).mean);
    for (size_t i = 0; i < a.size(); ++i) a[i] /= layer.producer_factor.data()[i % in];
  }
  for (size_t o = 0; o < out; ++o) {
    const float factor = layer.output_factor.empty() ? 1.0f : layer.output_factor.data()[o];
    for (size_t r = 0; r < rank; ++r) {
      b[r * out + o] = change.scale * factor * change.b[o * rank + r];
    }
  }
  product.a = FloatTensor(std::move(a));
  product.b = FloatTensor(std::move(b));
  return product;
}

LinearWeights ReadLinear(const WeightReader& reader, const std::string& prefix, int out, int in,
                         bool with_bias) {
  const std::string name = prefix + ".weight";
  FloatTensor bias;
  if (with_bias) bias = reader.Floats(prefix + ".bias", {out});
  Smoothing* smoothing = reader.smoothing();
  if (smoothing == nullptr) {
    return {reader.Matrix(name, out, in, WeightBits::kNarrow), std::move(bias), {}, {}};
  }
  const InputSmoothing& input = smoothing->Input(name);
  auto stored = reader.Quantized(name, out, in);
  FloatTensor values;
  if (stored) {
    smoothing->Learn(name, *stored, bias);
  } else {
    values = reader.Floats(name, {out, in});
    smoothing->Learn(name, values, bias);
  }
  const OutputSmoothing output = smoothing->Output(name, static_cast<size_t>(out));
  if (stored) return SmoothLinear(reader, std::move(*stored), std::move(bias), input, output);
  return SmoothLinear(reader, std::move(values), out, in, std::move(bias), WeightBits::kNarrow,
                      input, output);
}

}  // namespace uffizi
