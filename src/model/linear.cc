#include "model/linear.h"

#include <algorithm>
#include <utility>

#include "core/parallel.h"
#include "kernels/partition.h"

namespace uffizi {
namespace {

constexpr float kNormEpsilon = 1e-5f;  // torch.nn.LayerNorm's default, which Florence-2 uses
constexpr size_t kMlpBlockRows = 512;  // hidden activations of large: 512 x 4096 x 4 B = 8 MiB

// Rows per block: blocks of equal size, because a small last block would unpack all weights just
// for itself.
size_t BlockRows(size_t rows) {
  const size_t wanted = ChainRows(kMlpBlockRows, static_cast<size_t>(MaxThreads()));
  const size_t blocks = std::max<size_t>(1, (rows + wanted / 2) / wanted);
  return (rows + blocks - 1) / blocks;
}

}  // namespace

Linear Linear::Read(const WeightReader& reader, const std::string& prefix, int out, int in,
                    bool with_bias) {
  Linear linear(ReadLinear(reader, prefix, out, in, with_bias), prefix + ".weight");
  linear.inputs_ = reader.Inputs(prefix + ".weight");
  return linear;
}

Epilogue Linear::MakeEpilogue(Activation activation, const float* residual) const {
  const FloatTensor& bias = weights_.bias;
  return {bias.empty() ? nullptr : bias.data(), activation, residual};
}

QuantizedRows Linear::TakeInput(size_t rows, Arena& arena) const {
  auto* memory = arena.Take<uint8_t>(QuantizedRows::BytesFor(*packed(), rows));
  QuantizedRows input = QuantizedRows::InFor(*packed(), memory, rows);
  if (!weights_.factor.empty()) input.transform = {weights_.shift.data(), weights_.factor.data()};
  return input;
}

bool Linear::SharesInputWith(const Linear& other) const {
  return packed() != nullptr && other.packed() != nullptr &&
         TakeSameRows(*packed(), *other.packed()) &&
         weights_.factor.data() == other.weights_.factor.data();
}

void Linear::AddProducts(const float* x, size_t rows, float* y, Arena& arena) const {
  for (const LowRank& product : products_) {
    const Arena::Scope scope(arena);
    float* middle = arena.Take<float>(rows * product.rank);
    const Epilogue epilogue{product.c.empty() ? nullptr : product.c.data()};
    MatMulF32(x, rows, in(), product.a.data(), product.rank, epilogue, middle);
    AddProductF32(middle, rows, product.rank, product.b.data(), out(), y);
  }
}

void Linear::Forward(const float* x, size_t rows, float* y, Arena& arena, Activation activation,
                     const float* residual) const {
  if (products_.empty()) {
    ForwardWeights(x, rows, y, arena, activation, residual);
    return;
  }
  ForwardWeights(x, rows, y, arena, Activation::kNone, residual);
  AddProducts(x, rows, y, arena);
  if (activation == Activation::kGelu) Gelu(y, rows * out());
}

void Linear::ForwardWeights(const float* x, size_t rows, float* y, Arena& arena,
                            Activation activation, const float* residual) const {
  const Epilogue epilogue = MakeEpilogue(activation, residual);
  if (packed() == nullptr) {
    if (inputs_ != nullptr) inputs_->Add(x, rows, in());
    MatMulF32(x, rows, in(), weights_.weight.floats(), out(), epilogue, y);
    return;
  }
  const Arena::Scope scope(arena);
  const QuantizedRows quantized = TakeInput(rows, arena);
  QuantizeRows(x, rows, quantized);
  MatMulQuantized(quantized, rows, *packed(), epilogue, y);
}

void Linear::Forward(const QuantizedRows& x, size_t rows, float* y, const float* residual) const {
  MatMulQuantized(x, rows, *packed(), MakeEpilogue(Activation::kNone, residual), y);
}

void Linear::ForwardAll(const float* x, size_t rows, std::span<const Output> outputs,
                        Arena& arena) {
  const Arena::Scope scope(arena);
  const Linear& first = *outputs.front().layer;
  const bool alike = std::all_of(outputs.begin(), outputs.end(), [&](const Output& output) {
    return output.layer->SharesInputWith(first);
  });
  if (!alike) {
    for (const Output& output : outputs) output.layer->Forward(x, rows, output.y, arena);
    return;
  }
  const QuantizedRows quantized = first.TakeInput(rows, arena);
  QuantizeRows(x, rows, quantized);
  auto* products = arena.Take<QuantizedProduct>(outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Linear& layer = *outputs[i].layer;
    products[i] = {layer.packed(), layer.MakeEpilogue(Activation::kNone, nullptr), outputs[i].y};
  }
  MatMulQuantized(quantized, rows, {products, outputs.size()});
  for (const Output& output : outputs) output.layer->AddProducts(x, rows, output.y, arena);
}

Norm Norm::Read(const WeightReader& reader, const std::string& prefix, int dim) {
  return {reader.Floats(prefix + ".weight", {dim}), reader.Floats(prefix + ".bias", {dim})};
}

void Norm::Forward(const float* x, size_t rows, float* y) const {
  LayerNorm(x, rows, weight.size(), weight.data(), bias.data(), kNormEpsilon, y);
}

void Norm::Forward(const float* x, size_t rows, const QuantizedRows& y) const {
  LayerNormQuantizeRows(x, rows, weight.data(), bias.data(), kNormEpsilon, y);
}

Mlp Mlp::Read(const WeightReader& reader, const std::string& prefix, int dim, int hidden) {
  return {Linear::Read(reader, prefix + "fc1", hidden, dim),
          Linear::Read(reader, prefix + "fc2", dim, hidden)};
}

void Mlp::PreNormResidual(const Norm& norm, float* x, size_t rows, Arena& arena) const {
  const size_t block = BlockRows(rows);
  for (size_t begin = 0; begin < rows; begin += block) {
    AddTo(x + begin * fc1.in(), &norm, std::min(block, rows - begin), arena);
  }
}

void Mlp::PostNormResidual(const Norm& norm, float* x, size_t rows, Arena& arena) const {
  const size_t block = BlockRows(rows);
  for (size_t begin = 0; begin < rows; begin += block) {
    float* part = x + begin * fc1.in();
    const size_t count = std::min(block, rows - begin);
    AddTo(part, nullptr, count, arena);
    norm.Forward(part, count, part);
  }
}

void Mlp::AddTo(float* x, const Norm* pre_norm, size_t rows, Arena& arena) const {
  if (fc1.takes_codes() && fc2.takes_codes() &&
      CanQuantizeOutput(*fc1.packed(), fc2.packed()->input_group())) {
    AddQuantizedTo(x, pre_norm, rows, arena);
    return;
  }
  const Arena::Scope scope(arena);
  const float* in = x;
  if (pre_norm != nullptr) {
    float* normed = arena.Take<float>(rows * fc1.in());
    pre_norm->Forward(x, rows, normed);
    in = normed;
  }
  float* middle = arena.Take<float>(rows * fc1.out());
  fc1.Forward(in, rows, middle, arena, Activation::kGelu);
  fc2.Forward(middle, rows, x, arena, Activation::kNone, x);
}

// AddTo() with activations that are quantized where they are produced.
void Mlp::AddQuantizedTo(float* x, const Norm* pre_norm, size_t rows, Arena& arena) const {
  const Arena::Scope scope(arena);
  const QuantizedRows in = fc1.TakeInput(rows, arena), middle = fc2.TakeInput(rows, arena);
  if (pre_norm != nullptr) {
    pre_norm->Forward(x, rows, in);
  } else {
    QuantizeRows(x, rows, in);
  }
  MatMulQuantized(in, rows, *fc1.packed(), fc1.MakeEpilogue(Activation::kGelu, nullptr), middle);
  fc2.Forward(middle, rows, x, x);
}

}  // namespace uffizi
