#include "model/linear.h"

#include <algorithm>
#include <utility>

namespace uffizi {
namespace {

constexpr float kNormEpsilon = 1e-5f;  // torch.nn.LayerNorm's default, which Florence-2 uses
constexpr size_t kMlpBlockRows = 512;  // hidden activations of large: 512 x 4096 x 4 B = 8 MiB

}  // namespace

Linear::Linear(FloatTensor weight, FloatTensor bias, int out, int in)
    : weight_(std::move(weight)), bias_(std::move(bias)), out_(out), in_(in) {}

Linear Linear::Read(const WeightReader& reader, const std::string& prefix, int out, int in,
                    bool with_bias) {
  FloatTensor bias;
  if (with_bias) bias = reader.Floats(prefix + ".bias", {out});
  return Linear(reader.Floats(prefix + ".weight", {out, in}), std::move(bias), out, in);
}

void Linear::Forward(const float* x, size_t rows, float* y, Arena& /*arena*/, Activation activation,
                     const float* residual) const {
  const Epilogue epilogue{bias_.empty() ? nullptr : bias_.data(), activation, residual};
  MatMulF32(x, rows, static_cast<size_t>(in_), weight_.data(), static_cast<size_t>(out_), epilogue,
            y);
}

Norm Norm::Read(const WeightReader& reader, const std::string& prefix, int dim) {
  return {reader.Floats(prefix + ".weight", {dim}), reader.Floats(prefix + ".bias", {dim})};
}

void Norm::Forward(const float* x, size_t rows, float* y) const {
  LayerNorm(x, rows, weight.size(), weight.data(), bias.data(), kNormEpsilon, y);
}

Mlp Mlp::Read(const WeightReader& reader, const std::string& prefix, int dim, int hidden) {
  return {Linear::Read(reader, prefix + "fc1", hidden, dim),
          Linear::Read(reader, prefix + "fc2", dim, hidden)};
}

void Mlp::PreNormResidual(const Norm& norm, float* x, size_t rows, Arena& arena) const {
  const Arena::Scope scope(arena);
  const auto dim = static_cast<size_t>(fc1.in()), hidden = static_cast<size_t>(fc1.out());
  const size_t block = std::min(rows, kMlpBlockRows);
  float* normed = arena.Take<float>(block * dim);
  float* middle = arena.Take<float>(block * hidden);
  for (size_t begin = 0; begin < rows; begin += block) {
    const size_t count = std::min(block, rows - begin);
    float* part = x + begin * dim;
    norm.Forward(part, count, normed);
    fc1.Forward(normed, count, middle, arena, Activation::kGelu);
    fc2.Forward(middle, count, part, arena, Activation::kNone, part);
  }
}

void Mlp::PostNormResidual(const Norm& norm, float* x, size_t rows, Arena& arena) const {
  const Arena::Scope scope(arena);
  const auto dim = static_cast<size_t>(fc1.in()), hidden = static_cast<size_t>(fc1.out());
  const size_t block = std::min(rows, kMlpBlockRows);
  float* middle = arena.Take<float>(block * hidden);
  for (size_t begin = 0; begin < rows; begin += block) {
    const size_t count = std::min(block, rows - begin);
    float* part = x + begin * dim;
    fc1.Forward(part, count, middle, arena, Activation::kGelu);
    fc2.Forward(middle, count, part, arena, Activation::kNone, part);
    norm.Forward(part, count, part);
  }
}

}  // namespace uffizi
