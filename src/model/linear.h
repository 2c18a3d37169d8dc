#ifndef UFFIZI_MODEL_LINEAR_H_
#define UFFIZI_MODEL_LINEAR_H_

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/linear_weights.h"
#include "checkpoint/weight_reader.h"
#include "core/arena.h"
#include "kernels/kernels.h"

namespace uffizi {

// y = x W^T + b, in float32 or in integers with packed weights. Copies share the weights.
class Linear {
 public:
  Linear() = default;
  // `name` is that of the weight: with none, adapters cannot be added.
  explicit Linear(LinearWeights weights, std::string name = "")
      : name_(std::move(name)), weights_(std::move(weights)) {}

  // Reads PREFIX.weight and, if `with_bias`, PREFIX.bias.
  static Linear Read(const WeightReader& reader, const std::string& prefix, int out, int in,
                     bool with_bias = true);

  size_t in() const { return weights_.weight.columns(); }
  size_t out() const { return weights_.weight.rows(); }
  const std::string& name() const { return name_; }
  // Null if the weights are float32.
  const PackedMatrix* packed() const { return weights_.weight.packed(); }
  // Whether activations that are already quantized are enough.
  bool takes_codes() const { return packed() != nullptr && products_.empty(); }

  // Adds an adapter's product, which is computed in float32, to what the weights give.
  void Add(LowRank product) { products_.push_back(std::move(product)); }
  const LinearWeights& weights() const { return weights_; }

  // x: [rows, in], y: [rows, out], residual (added to y, may be y): [rows, out], all f32. There is
  // an activation or a residual, not both.
  void Forward(const float* x, size_t rows, float* y, Arena& arena,
               Activation activation = Activation::kNone, const float* residual = nullptr) const;

  // Forward() for activations that are already quantized, if it takes_codes().
  void Forward(const QuantizedRows& x, size_t rows, float* y,
               const float* residual = nullptr) const;

  // Applies several layers to one input, which is quantized once for all of them. y of each: [rows,
  // out] f32
  struct Output {
    const Linear* layer;
    float* y;
  };
  static void ForwardAll(const float* x, size_t rows, std::span<const Output> outputs,
                         Arena& arena);

  // Allocates quantized activations for this layer, with the transform to apply to them.
  QuantizedRows TakeInput(size_t rows, Arena& arena) const;

  Epilogue MakeEpilogue(Activation activation, const float* residual) const;

 private:
  // Whether the same quantized activations serve both.
  bool SharesInputWith(const Linear& other) const;
  void ForwardWeights(const float* x, size_t rows, float* y, Arena& arena, Activation activation,
                      const float* residual) const;
  // y += the products of x
  void AddProducts(const float* x, size_t rows, float* y, Arena& arena) const;

  std::string name_;
  LinearWeights weights_;
  std::vector<LowRank> products_;
  LayerInputs* inputs_ = nullptr;  // for calibration, in float32 only
};

// Layer normalization with learned scale and shift.
struct Norm {
  FloatTensor weight, bias;

  // Reads PREFIX.weight and PREFIX.bias.
  static Norm Read(const WeightReader& reader, const std::string& prefix, int dim);

  // x, y: [rows, dim] f32; y may be x
  void Forward(const float* x, size_t rows, float* y) const;
  void Forward(const float* x, size_t rows, const QuantizedRows& y) const;
};

// Two linear layers with a GELU between them.
struct Mlp {
  Linear fc1, fc2;

  // Reads PREFIX.fc1 and PREFIX.fc2.
  static Mlp Read(const WeightReader& reader, const std::string& prefix, int dim, int hidden);

  // x += fc2(gelu(fc1(norm(x)))), in blocks of rows, so that the hidden activations stay in cache.
  // x: [rows, dim] f32
  void PreNormResidual(const Norm& norm, float* x, size_t rows, Arena& arena) const;

  // x = norm(x + fc2(gelu(fc1(x)))), also in blocks of rows.
  void PostNormResidual(const Norm& norm, float* x, size_t rows, Arena& arena) const;

 private:
  // x += fc2(gelu(fc1(pre_norm(x)))); without pre_norm if it is null.
  void AddTo(float* x, const Norm* pre_norm, size_t rows, Arena& arena) const;
  void AddQuantizedTo(float* x, const Norm* pre_norm, size_t rows, Arena& arena) const;
};

}  // namespace uffizi

#endif  // UFFIZI_MODEL_LINEAR_H_
