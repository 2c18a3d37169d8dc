// Each kernel compared with its scalar twin, over odd sizes.

#include "kernels/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "kernels/reference.h"

namespace uffizi {
namespace {

std::vector<float> RandomValues(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(random);
  return values;
}

// NaN never passes.
void ExpectNear(const std::vector<float>& actual, const std::vector<float>& expected,
                double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_TRUE(std::abs(actual[i] - expected[i]) <= tolerance)
        << "at " << i << ": " << actual[i] << " for " << expected[i];
  }
}

TEST(Kernels, MatMul) {
  for (const size_t rows : {1, 2, 3, 5, 50, 97}) {
    for (const size_t k : {1, 7, 16, 63, 147, 300}) {
      for (const size_t n : {1, 3, 47, 49, 130}) {
        const auto x = RandomValues(rows * k, 1), w = RandomValues(n * k, 2),
                   bias = RandomValues(n, 3), residual = RandomValues(rows * n, 4);
        std::vector<float> y(rows * n), expected(rows * n);
        const Epilogue epilogue{bias.data(), rows % 2 == 1 ? Activation::kGelu : Activation::kNone,
                                residual.data()};
        MatMulF32(x.data(), rows, k, w.data(), n, epilogue, y.data());
        reference::MatMulF32(x.data(), rows, k, w.data(), n, epilogue, expected.data());
        ExpectNear(y, expected, 1e-6 * static_cast<double>(k) + 1e-5);
      }
    }
  }
}

TEST(Kernels, MatMulRowsDoNotDependOnTheirNeighbours) {
  const size_t rows = 53, k = 129, n = 77;
  const auto x = RandomValues(rows * k, 1), w = RandomValues(n * k, 2);
  std::vector<float> together(rows * n), alone(rows * n);
  MatMulF32(x.data(), rows, k, w.data(), n, {}, together.data());
  for (size_t r = 0; r < rows; ++r) {
    MatMulF32(x.data() + r * k, 1, k, w.data(), n, {}, alone.data() + r * n);
  }
  EXPECT_EQ(together, alone);
}

TEST(Kernels, ProductsWithFewTermsAreAdded) {
  for (const size_t rows : {1, 4, 7, 70}) {
    for (const size_t k : {1, 3, 16}) {
      for (const size_t n : {1, 15, 64, 77, 1030}) {
        const auto x = RandomValues(rows * k, 1), w = RandomValues(k * n, 2),
                   before = RandomValues(rows * n, 3);
        std::vector<float> y = before, expected = before, alone = before;
        AddProductF32(x.data(), rows, k, w.data(), n, y.data());
        reference::AddProductF32(x.data(), rows, k, w.data(), n, expected.data());
        ExpectNear(y, expected, 1e-5);
        for (size_t r = 0; r < rows; ++r) {
          AddProductF32(x.data() + r * k, 1, k, w.data(), n, alone.data() + r * n);
        }
        EXPECT_EQ(y, alone);  // rows do not depend on their neighbours
      }
    }
  }
}

TEST(Kernels, LayerNormAndGelu) {
  for (const size_t dim : {1, 8, 24, 63, 256, 1025}) {
    const auto x = RandomValues(5 * dim, 1), weight = RandomValues(dim, 2),
               bias = RandomValues(dim, 3);
    std::vector<float> y(5 * dim), expected(5 * dim);
    LayerNorm(x.data(), 5, dim, weight.data(), bias.data(), 1e-5f, y.data());
    reference::LayerNorm(x.data(), 5, dim, weight.data(), bias.data(), 1e-5f, expected.data());
    ExpectNear(y, expected, 2e-5);
    std::vector<float> a(5 * dim), b(5 * dim);
    for (size_t i = 0; i < a.size(); ++i) a[i] = b[i] = 6 * x[i];
    Gelu(a.data(), a.size());
    reference::Gelu(b.data(), b.size());
    ExpectNear(a, b, 2e-6);
  }
}

TEST(Kernels, LogSumExpAndGreatest) {
  for (const size_t count : {1, 2, 15, 16, 17, 100, 1023, 1025, 5000, 51289}) {
    SCOPED_TRACE(count);
    std::vector<float> x = RandomValues(count, static_cast<unsigned>(count));
    for (float& value : x) value = 20 * value - 3;
    const float expected = reference::LogSumExp(x.data(), count);
    EXPECT_NEAR(LogSumExp(x.data(), count), expected, 2e-6f * (1 + std::abs(expected)));
    EXPECT_EQ(Greatest(x.data(), count), *std::max_element(x.begin(), x.end()));
  }
}

TEST(Kernels, LogSumExpOfUnusualValues) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto log_sum = [](const std::vector<float>& x) { return LogSumExp(x.data(), x.size()); };
  EXPECT_NEAR(log_sum({1e6f, 1e6f}), 1e6f + std::log(2.0f), 0.1);
  EXPECT_NEAR(log_sum({-kInfinity, 3}), 3, 1e-6);
  EXPECT_FALSE(std::isfinite(log_sum(std::vector<float>(40, -kInfinity))));
  for (const size_t place : {0, 20, 40}) {
    std::vector<float> x(41, 1.0f);
    x[place] = std::nanf("511");
    EXPECT_FALSE(std::isfinite(log_sum(x))) << place;
    EXPECT_EQ(Greatest(x.data(), x.size()), 1.0f);
    x[place] = kInfinity;
    EXPECT_FALSE(std::isfinite(log_sum(x))) << place;
  }
}

TEST(Kernels, DepthwiseConvolution) {
  for (const size_t width : {1, 2, 5, 9}) {
    for (const size_t height : {1, 2, 7}) {
      for (const size_t channels : {1, 8, 17, 64}) {
        const size_t size = width * height * channels;
        const auto x = RandomValues(size, 1), weight = RandomValues(9 * channels, 2),
                   bias = RandomValues(channels, 3);
        std::vector<float> y(size), expected(size);
        DepthwiseConv3x3Residual(x.data(), height, width, channels, weight.data(), bias.data(),
                                 y.data());
        reference::DepthwiseConv3x3Residual(x.data(), height, width, channels, weight.data(),
                                            bias.data(), expected.data());
        ExpectNear(y, expected, 1e-5);
      }
    }
  }
}

TEST(Kernels, Attention) {
  for (const size_t queries : {1, 3, 44, 144, 150}) {
    for (const size_t keys : {1, 25, 63, 64, 65, 152, 583}) {
      for (const size_t dim : {12, 16, 18, 32, 64}) {
        const size_t heads = 3, width = heads * dim;
        const auto q = RandomValues(queries * width, 1), k = RandomValues(keys * width, 2),
                   v = RandomValues(keys * width, 3);
        std::vector<float> out(queries * width), expected(queries * width);
        const AttentionShape shape{heads, dim, width, width, width, 0.5f};
        AttentionJob job{q.data(), k.data(), v.data(), out.data(), queries, keys};
        Attention({&job, 1}, shape);
        job.out = expected.data();
        reference::Attention({&job, 1}, shape);
        SCOPED_TRACE(::testing::Message() << queries << " " << keys << " " << dim);
        ExpectNear(out, expected, 2e-5);
      }
    }
  }
}

// Rounding operands to bfloat16 moves each by at most 2^-9 of itself.
TEST(Kernels, AttentionInBfloat16) {
  for (const size_t queries : {1, 15, 16, 44, 144, 150}) {
    for (const size_t keys : {1, 2, 25, 63, 64, 65, 144, 583}) {
      for (const size_t dim : {12, 32, 64, 96}) {
        const size_t heads = 3, width = heads * dim;
        const auto q = RandomValues(queries * width, 1), k = RandomValues(keys * width, 2),
                   v = RandomValues(keys * width, 3);
        std::vector<float> out(queries * width), expected(queries * width), alone(width);
        AttentionShape shape{heads, dim, width, width, width, 0.2f, true};
        AttentionJob job{q.data(), k.data(), v.data(), out.data(), queries, keys};
        Attention({&job, 1}, shape);
        job.out = expected.data();
        reference::Attention({&job, 1}, shape);
        SCOPED_TRACE(::testing::Message() << queries << " " << keys << " " << dim);
        ExpectNear(out, expected, 3e-2);
        // A query's answer does not depend on those beside it.
        const size_t last = (queries - 1) * width;
        job = {q.data() + last, k.data(), v.data(), alone.data(), 1, keys};
        Attention({&job, 1}, shape);
        EXPECT_EQ(alone, std::vector<float>(out.begin() + static_cast<ptrdiff_t>(last), out.end()));
      }
    }
  }
}

TEST(Kernels, CachedAttention) {
  const size_t heads = 3, slots = 4, most = 20;
  for (const size_t dim : {12, 16, 64}) {
    const size_t width = heads * dim;
    const auto q = RandomValues(width, 1), k = RandomValues(slots * most * width, 2),
               v = RandomValues(slots * most * width, 3);
    for (size_t positions = 1; positions <= most; ++positions) {
      std::vector<int> history(positions);
      for (size_t p = 0; p < positions; ++p) history[p] = static_cast<int>((p * 7 + 1) % slots);
      std::vector<float> out(width), expected(width);
      CachedAttentionJob job{q.data(), out.data(), history.data(), positions};
      CachedAttention({&job, 1}, heads, dim, 0.3f, k.data(), v.data(), most);
      job.out = expected.data();
      reference::CachedAttention({&job, 1}, heads, dim, 0.3f, k.data(), v.data(), most);
      ExpectNear(out, expected, 1e-5);
    }
  }
}

// What cross-attention reads: f32 as it was packed, or i8 by its scales, [tokens, heads, dim].
struct CrossMemory {
  CrossMemory(const std::vector<float>& k, const std::vector<float>& v, size_t tokens, size_t heads,
              size_t dim, bool i8)
      : scales(2 * heads * tokens) {
    cross.tokens = tokens;
    keys.resize(cross.padded_tokens() * heads * dim);
    values.resize(tokens * heads * dim);
    cross.keys = keys.data();
    cross.values = values.data();
    if (i8) {
      cross.key_scales = scales.data();
      cross.value_scales = scales.data() + heads * tokens;
    }
    PackCrossKeysValues(k.data(), v.data(), heads, dim, cross);
  }

  // The i8 keys and values, in the order of k and v.
  void Dequantize(size_t heads, size_t dim, std::vector<float>& k, std::vector<float>& v) const {
    constexpr size_t kTile = CrossKeysValues::kKeyTile;
    const auto* key_codes = static_cast<const int8_t*>(cross.keys);
    const auto* value_codes = static_cast<const int8_t*>(cross.values);
    k.resize(values.size());
    v.resize(values.size());
    for (size_t t = 0; t < cross.tokens; ++t) {
      for (size_t h = 0; h < heads; ++h) {
        for (size_t i = 0; i < dim; ++i) {
          const size_t at = (t * heads + h) * dim + i, scale = h * cross.tokens + t;
          const size_t tile = h * cross.padded_tokens() + t / kTile * kTile;
          k[at] = key_codes[tile * dim + i * kTile + t % kTile] * cross.key_scales[scale];
          v[at] = value_codes[(h * cross.tokens + t) * dim + i] * cross.value_scales[scale];
        }
      }
    }
  }

  CrossKeysValues cross;
  std::vector<float> keys, values, scales;
};

TEST(Kernels, CrossAttention) {
  for (const size_t tokens : {1, 25, 64, 65, 583}) {
    for (const size_t dim : {12, 18, 64}) {
      const size_t heads = 3, width = heads * dim, queries = 8;
      const auto q = RandomValues(queries * width, 1);
      auto k = RandomValues(tokens * width, 2), v = RandomValues(tokens * width, 3);
      std::vector<float> out(queries * width), expected(queries * width), alone(width);
      for (const bool i8 : {false, true}) {
        const CrossMemory memory(k, v, tokens, heads, dim, i8);
        if (i8) memory.Dequantize(heads, dim, k, v);
        const AttentionJob job{q.data(), k.data(), v.data(), expected.data(), queries, tokens};
        reference::Attention({&job, 1}, {heads, dim, width, width, width, 0.5f});
        const CrossAttentionJob all{q.data(), out.data(), queries, memory.cross};
        CrossAttention({&all, 1}, heads, dim, 0.5f);
        ExpectNear(out, expected, 1e-5);
        for (size_t r = 0; r < queries; ++r) {
          const CrossAttentionJob one{q.data() + r * width, alone.data(), 1, memory.cross};
          CrossAttention({&one, 1}, heads, dim, 0.5f);
          ASSERT_TRUE(std::equal(alone.begin(), alone.end(), out.data() + r * width));
        }
      }
    }
  }
}

// A large mean of the keys, such as from a bias, does not cost precision.
TEST(Kernels, CrossKeysInEightBitsAreNear) {
  const size_t tokens = 130, heads = 2, dim = 64, width = heads * dim;
  auto k = RandomValues(tokens * width, 1);
  const auto v = RandomValues(tokens * width, 2), q = RandomValues(3 * width, 3);
  for (size_t i = 0; i < k.size(); ++i) k[i] += static_cast<float>(i % width) - 60.0f;
  std::vector<float> out(q.size()), expected(q.size());
  const AttentionJob job{q.data(), k.data(), v.data(), expected.data(), 3, tokens};
  reference::Attention({&job, 1}, {heads, dim, width, width, width, 0.5f});
  const CrossMemory memory(k, v, tokens, heads, dim, true);
  const CrossAttentionJob all{q.data(), out.data(), 3, memory.cross};
  CrossAttention({&all, 1}, heads, dim, 0.5f);
  ExpectNear(out, expected, 1e-2);
}

TEST(Kernels, ChannelAttention) {
  const size_t groups = 3;
  for (const size_t tokens : {1, 9, 150, 1200}) {
    for (const size_t dim : {8, 13, 32}) {
      const size_t width = groups * dim, block = 700;
      const auto qkv = RandomValues(tokens * 3 * width, 1);
      std::vector<float> products(width * dim), weights(width * dim), v(tokens * width),
          out(tokens * width), expected(tokens * width);
      for (size_t first = 0; first < tokens; first += block) {
        AddChannelProducts(qkv.data() + first * 3 * width, std::min(block, tokens - first), groups,
                           dim, products.data());
      }
      ChannelWeights(products.data(), tokens, groups, dim, weights.data());
      for (size_t t = 0; t < tokens; ++t) {
        std::copy_n(qkv.data() + (3 * t + 2) * width, width, v.data() + t * width);
      }
      MixChannels(v.data(), tokens, groups, dim, weights.data(), out.data());
      reference::ChannelAttention(qkv.data(), tokens, groups, dim, expected.data());
      ExpectNear(out, expected, 1e-4);
    }
  }
}

}  // namespace
}  // namespace uffizi
