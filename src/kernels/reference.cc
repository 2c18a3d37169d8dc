#include "kernels/reference.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace uffizi::reference {
namespace {

double GeluOf(double x) { return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0))); }

void Softmax(std::vector<double>& x) {
  const double largest = *std::max_element(x.begin(), x.end());
  double sum = 0.0;
  for (double& v : x) sum += v = std::exp(v - largest);
  for (double& v : x) v /= sum;
}

}  // namespace

void MatMulF32(const float* x, size_t rows, size_t k, const float* w, size_t n,
               const Epilogue& epilogue, float* y) {
  for (size_t r = 0; r < rows; ++r) {
    for (size_t j = 0; j < n; ++j) {
      double sum = 0.0;
      for (size_t i = 0; i < k; ++i) sum += double{x[r * k + i]} * w[j * k + i];
      if (epilogue.bias != nullptr) sum += epilogue.bias[j];
      if (epilogue.activation == Activation::kGelu) sum = GeluOf(sum);
      if (epilogue.residual != nullptr) sum += epilogue.residual[r * n + j];
      y[r * n + j] = static_cast<float>(sum);
    }
  }
}

void AddProductF32(const float* x, size_t rows, size_t k, const float* w, size_t n, float* y) {
  for (size_t r = 0; r < rows; ++r) {
    for (size_t j = 0; j < n; ++j) {
      double sum = y[r * n + j];
      for (size_t i = 0; i < k; ++i) sum += double{x[r * k + i]} * w[i * n + j];
      y[r * n + j] = static_cast<float>(sum);
    }
  }
}

void MatMulQuantized(const QuantizedRows& x, size_t rows, const QuantizedMatrix& w,
                     const Epilogue& epilogue, float* y) {
  const size_t padded = PackedMatrix::PaddedGroup(x.group_size);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t j = 0; j < w.rows; ++j) {
      double sum = epilogue.bias != nullptr ? epilogue.bias[j] : 0.0;
      for (size_t c = 0; c < w.columns; ++c) {
        const size_t group = c / w.group_size, inside = c % x.group_size;
        const uint8_t byte = w.codes[j * w.row_bytes() + c * static_cast<size_t>(w.bits) / 8];
        const int code = w.bits == 8 ? byte : c % 2 == 0 ? byte & 15 : byte >> 4;
        const int zero = w.zeros.empty() ? w.symmetric_zero() : w.zeros[j * w.groups() + group];
        const size_t at = r * x.groups() + c / x.group_size;
        const int a = x.codes[at * padded + inside];
        sum += double{w.scales[j * w.groups() + group]} * (code - zero) * x.scales[at] *
               (x.biased ? (a & 255) - 128 : a);
      }
      if (epilogue.activation == Activation::kGelu) sum = GeluOf(sum);
      if (epilogue.residual != nullptr) sum += epilogue.residual[r * w.rows + j];
      y[r * w.rows + j] = static_cast<float>(sum);
    }
  }
}

void QuantizeRows(const float* x, size_t rows, const QuantizedRows& out) {
  const size_t padded = PackedMatrix::PaddedGroup(out.group_size);
  for (size_t at = 0; at < rows * out.groups(); ++at, x += out.group_size) {
    float largest = 0.0f;
    for (size_t i = 0; i < out.group_size; ++i) largest = std::max(largest, std::abs(x[i]));
    out.scales[at] = largest / 127.0f;
    out.sums[at] = 0;
    for (size_t i = 0; i < padded; ++i) {
      const bool real = i < out.group_size && largest > 0.0f;
      const int code = real ? static_cast<int>(std::nearbyint(x[i] * (127.0f / largest))) : 0;
      out.codes[at * padded + i] = static_cast<int8_t>(out.biased ? code + 128 : code);
      out.sums[at] += code;
    }
  }
}

void LayerNorm(const float* x, size_t rows, size_t dim, const float* weight, const float* bias,
               float epsilon, float* y) {
  for (size_t r = 0; r < rows; ++r, x += dim, y += dim) {
    double mean = 0.0, variance = 0.0;
    for (size_t i = 0; i < dim; ++i) mean += x[i];
    mean /= static_cast<double>(dim);
    for (size_t i = 0; i < dim; ++i) variance += (x[i] - mean) * (x[i] - mean);
    const double inverse = 1.0 / std::sqrt(variance / static_cast<double>(dim) + epsilon);
    for (size_t i = 0; i < dim; ++i) {
      y[i] = static_cast<float>((x[i] - mean) * inverse * weight[i] + bias[i]);
    }
  }
}

void Gelu(float* x, size_t count) {
  for (size_t i = 0; i < count; ++i) x[i] = static_cast<float>(GeluOf(x[i]));
}

float LogSumExp(const float* x, size_t count) {
  const double greatest = *std::max_element(x, x + count);
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += std::exp(x[i] - greatest);
  return static_cast<float>(greatest + std::log(sum));
}

void DepthwiseConv3x3Residual(const float* x, size_t height, size_t width, size_t channels,
                              const float* weight, const float* bias, float* y) {
  for (size_t i = 0; i < height * width * channels; ++i) {
    const size_t c = i % channels, column = i / channels % width, row = i / channels / width;
    double sum = double{x[i]} + bias[c];
    for (size_t ky = 0; ky < 3; ++ky) {
      for (size_t kx = 0; kx < 3; ++kx) {
        const size_t from_row = row + ky, from_column = column + kx;  // both counted from one
        if (from_row == 0 || from_row > height || from_column == 0 || from_column > width) continue;
        const size_t at = ((from_row - 1) * width + from_column - 1) * channels + c;
        sum += double{x[at]} * weight[(ky * 3 + kx) * channels + c];
      }
    }
    y[i] = static_cast<float>(sum);
  }
}

void Attention(std::span<const AttentionJob> jobs, const AttentionShape& shape) {
  for (const AttentionJob& job : jobs) {
    for (size_t i = 0; i < job.queries * shape.heads; ++i) {
      const size_t head = i % shape.heads * shape.head_dim, query = i / shape.heads;
      const float* q = job.q + query * shape.q_stride + head;
      std::vector<double> scores(job.keys, 0.0);
      for (size_t j = 0; j < job.keys; ++j) {
        const float* k = job.k + j * shape.kv_stride + head;
        for (size_t d = 0; d < shape.head_dim; ++d) scores[j] += double{q[d]} * k[d];
        scores[j] *= shape.scale;
      }
      Softmax(scores);
      for (size_t d = 0; d < shape.head_dim; ++d) {
        double sum = 0.0;
        for (size_t j = 0; j < job.keys; ++j)
          sum += scores[j] * job.v[j * shape.kv_stride + head + d];
        job.out[query * shape.out_stride + head + d] = static_cast<float>(sum);
      }
    }
  }
}

void CachedAttention(std::span<const CachedAttentionJob> jobs, size_t heads, size_t head_dim,
                     float scale, const float* k_cache, const float* v_cache,
                     size_t max_positions) {
  const size_t width = heads * head_dim;
  for (const CachedAttentionJob& job : jobs) {
    // Gathers the row's past; the rest is plain attention with one query.
    std::vector<float> k(job.positions * width), v(job.positions * width);
    for (size_t p = 0; p < job.positions; ++p) {
      const size_t slot = static_cast<size_t>(job.slots[p]);
      for (size_t head = 0; head < heads; ++head) {
        const size_t from = ((slot * heads + head) * max_positions + p) * head_dim;
        const size_t to = p * width + head * head_dim;
        std::copy_n(k_cache + from, head_dim, k.data() + to);
        std::copy_n(v_cache + from, head_dim, v.data() + to);
      }
    }
    const AttentionJob plain{job.q, k.data(), v.data(), job.out, 1, job.positions};
    Attention({&plain, 1}, {heads, head_dim, width, width, width, scale});
  }
}

void ChannelAttention(const float* qkv, size_t tokens, size_t groups, size_t group_dim,
                      float* out) {
  const size_t width = groups * group_dim;
  for (size_t i = 0; i < width; ++i) {
    const size_t group = i / group_dim * group_dim;  // its first channel
    std::vector<double> weights(group_dim, 0.0);
    for (size_t d = 0; d < group_dim; ++d) {
      for (size_t t = 0; t < tokens; ++t) {
        weights[d] += double{qkv[t * 3 * width + i]} * qkv[(t * 3 + 1) * width + group + d];
      }
      weights[d] /= std::sqrt(static_cast<double>(tokens));
    }
    Softmax(weights);
    for (size_t t = 0; t < tokens; ++t) {
      double sum = 0.0;
      for (size_t d = 0; d < group_dim; ++d) {
        sum += weights[d] * qkv[(t * 3 + 2) * width + group + d];
      }
      out[t * width + i] = static_cast<float>(sum);
    }
  }
}

}  // namespace uffizi::reference
