#ifndef UFFIZI_MODEL_LINEAR_H_
#define UFFIZI_MODEL_LINEAR_H_

#include <string>

#include "core/arena.h"
#include "kernels/kernels.h"
#include "model/weight_reader.h"

namespace uffizi {

// y = x W^T + b.
class Linear {
 public:
  Linear() = default;
  // weight: [out, in] f32; bias: [out] f32, or empty
  Linear(FloatTensor weight, FloatTensor bias, int out, int in);

  // Reads PREFIX.weight and, if `with_bias`, PREFIX.bias.
  static Linear Read(const WeightReader& reader, const std::string& prefix, int out, int in,
                     bool with_bias = true);

  int in() const { return in_; }
  int out() const { return out_; }

  // x: [rows, in], y: [rows, out], residual (added to y, may be y): [rows, out], all f32
  void Forward(const float* x, size_t rows, float* y, Arena& arena,
               Activation activation = Activation::kNone, const float* residual = nullptr) const;

 private:
  FloatTensor weight_, bias_;
  int out_ = 0, in_ = 0;
};

// Layer normalization with learned scale and shift.
struct Norm {
  FloatTensor weight, bias;

  // Reads PREFIX.weight and PREFIX.bias.
  static Norm Read(const WeightReader& reader, const std::string& prefix, int dim);

  // x, y: [rows, dim] f32; y may be x
  void Forward(const float* x, size_t rows, float* y) const;
};

// Two linear layers with a GELU between them.
struct Mlp {
  Linear fc1, fc2;

  // Reads PREFIX.fc1 and PREFIX.fc2.
  static Mlp Read(const WeightReader& reader, const std::string& prefix, int dim, int hidden);

  // x += fc2(gelu(fc1(norm(x)))), in blocks of rows, so that the hidden activations stay in cache.
  // x: [rows, dim] f32
  void PreNormResidual(const Norm& norm, float* x, size_t rows, Arena& arena) const;

  // x = norm(x + fc2(gelu(fc1(x)))), likewise.
  void PostNormResidual(const Norm& norm, float* x, size_t rows, Arena& arena) const;
};

}  // namespace uffizi

#endif  // UFFIZI_MODEL_LINEAR_H_
