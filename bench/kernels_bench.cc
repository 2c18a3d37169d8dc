// Micro-benchmarks of the kernels, at the sizes they have in Florence-2-large. UFFIZI_TARGET forces
// an instruction set; UFFIZI_THREADS sets the threads (default: one, which shows a core's worth).

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <random>
#include <vector>

#include "core/parallel.h"
#include "kernels/kernels.h"

namespace uffizi {
namespace {

std::vector<float> RandomValues(size_t count) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(random);
  return values;
}

QuantizedMatrix RandomMatrix(size_t rows, size_t columns, int bits) {
  std::mt19937 random(2);
  QuantizedMatrix matrix;
  matrix.rows = rows;
  matrix.columns = columns;
  matrix.bits = bits;
  matrix.group_size = 64;
  matrix.codes.resize(rows * matrix.row_bytes());
  for (uint8_t& code : matrix.codes) code = static_cast<uint8_t>(random());
  matrix.scales.assign(rows * matrix.groups(), 0.01f);
  return matrix;
}

template <typename Body>
void Run(benchmark::State& state, const Body& body) {
  const char* threads = std::getenv("UFFIZI_THREADS");
  oneapi::tbb::task_arena arena(threads == nullptr ? 1 : std::atoi(threads));
  arena.execute([&] {
    for (auto _ : state) body();
  });
}

void SetWork(benchmark::State& state, double operations) {
  state.counters["op/s"] = benchmark::Counter(operations * static_cast<double>(state.iterations()),
                                              benchmark::Counter::kIsRate);
}

size_t Arg(const benchmark::State& state, size_t index) {
  return static_cast<size_t>(state.range(index));
}

// Arguments: rows, n, k, bits, whether scales are free (else small integers times one of the row).
void MatMulQuantized(benchmark::State& state) {
  const size_t rows = Arg(state, 0), n = Arg(state, 1), k = Arg(state, 2);
  QuantizedMatrix matrix = RandomMatrix(n, k, static_cast<int>(state.range(3)));
  if (state.range(4) != 0) matrix.scales.front() = 0.0101f;
  const PackedMatrix w(matrix);
  const auto x = RandomValues(rows * k);
  std::vector<float> y(rows * n);
  std::vector<uint8_t> memory(QuantizedRows::BytesFor(w, rows) + 64);
  void* aligned = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64);
  const QuantizedRows quantized = QuantizedRows::InFor(w, aligned, rows);
  Run(state, [&] {
    QuantizeRows(x.data(), rows, quantized);
    uffizi::MatMulQuantized(quantized, rows, w, {}, y.data());
  });
  SetWork(state, 2.0 * static_cast<double>(rows * n * k));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(w.bytes()));
}
BENCHMARK(MatMulQuantized)
    ->ArgNames({"rows", "n", "k", "bits", "free"})
    ->ArgsProduct({{1, 3, 8, 2304}, {4096}, {1024}, {4}, {0, 1}})
    ->ArgsProduct({{2304}, {1024}, {4096}, {4}, {0, 1}})
    ->ArgsProduct({{9216}, {1024}, {256}, {4}, {0, 1}})
    ->ArgsProduct({{600}, {1024}, {1024}, {4}, {0, 1}})
    ->Args({2304, 1024, 2304, 8, 1})
    ->ArgsProduct({{1, 3, 4, 6, 8}, {51289}, {1024}, {8}, {1}})
    ->ArgsProduct({{1, 3, 4, 6, 8}, {81920}, {1024}, {4}, {0, 1}})
    ->UseRealTime();

void MatMulF32(benchmark::State& state) {
  const size_t rows = Arg(state, 0), n = Arg(state, 1), k = Arg(state, 2);
  const auto x = RandomValues(rows * k), w = RandomValues(n * k);
  std::vector<float> y(rows * n);
  Run(state, [&] { uffizi::MatMulF32(x.data(), rows, k, w.data(), n, {}, y.data()); });
  SetWork(state, 2.0 * static_cast<double>(rows * n * k));
}
BENCHMARK(MatMulF32)->ArgNames({"rows", "n", "k"})->Args({2304, 1024, 1024})->UseRealTime();

// Arguments: queries, keys, head_dim, whether in bfloat16; 16 heads.
void Attention(benchmark::State& state) {
  const size_t queries = Arg(state, 0), keys = Arg(state, 1), dim = Arg(state, 2), heads = 16;
  const size_t width = heads * dim;
  const bool bf16 = state.range(3) != 0;
  const auto q = RandomValues(queries * width), k = RandomValues(keys * width),
             v = RandomValues(keys * width);
  std::vector<float> out(queries * width);
  const AttentionJob job{q.data(), k.data(), v.data(), out.data(), queries, keys};
  Run(state, [&] { uffizi::Attention({&job, 1}, {heads, dim, width, width, width, 0.1f, bf16}); });
  SetWork(state, 4.0 * static_cast<double>(queries * keys * width));
}
BENCHMARK(Attention)
    ->ArgNames({"queries", "keys", "head_dim", "bf16"})
    ->Args({144, 144, 32, 0})
    ->Args({144, 144, 32, 1})
    ->Args({590, 590, 64, 0})
    ->Args({590, 590, 64, 1})
    ->UseRealTime();

// Arguments: queries, whether keys and values are i8.
void CrossAttention(benchmark::State& state) {
  const size_t queries = Arg(state, 0), heads = 16, dim = 64, width = heads * dim, tokens = 590;
  const auto q = RandomValues(queries * width), k = RandomValues(tokens * width);
  CrossKeysValues cross;
  cross.tokens = tokens;
  std::vector<float> keys(cross.padded_tokens() * width), values(tokens * width),
      scales(2 * heads * tokens), out(queries * width);
  cross.keys = keys.data();
  cross.values = values.data();
  if (state.range(1) != 0) {
    cross.key_scales = scales.data();
    cross.value_scales = scales.data() + heads * tokens;
  }
  PackCrossKeysValues(k.data(), k.data(), heads, dim, cross);
  const CrossAttentionJob job{q.data(), out.data(), queries, cross};
  Run(state, [&] { uffizi::CrossAttention({&job, 1}, heads, dim, 0.1f); });
  SetWork(state, 4.0 * static_cast<double>(queries * tokens * width));
}
BENCHMARK(CrossAttention)
    ->ArgNames({"queries", "i8"})
    ->ArgsProduct({{1, 3}, {0, 1}})
    ->UseRealTime();

// Arguments: tokens, channels; 32 channels a group. Both kernels that touch all tokens.
void ChannelAttention(benchmark::State& state) {
  const size_t tokens = Arg(state, 0), channels = Arg(state, 1), groups = channels / 32;
  const auto qkv = RandomValues(tokens * channels * 3), v = RandomValues(tokens * channels);
  std::vector<float> sums(channels * 32), out(tokens * channels);
  Run(state, [&] {
    AddChannelProducts(qkv.data(), tokens, groups, 32, sums.data());
    MixChannels(v.data(), tokens, groups, 32, sums.data(), out.data());
  });
  SetWork(state, 4.0 * static_cast<double>(tokens * channels * 32));
}
BENCHMARK(ChannelAttention)
    ->ArgNames({"tokens", "channels"})
    ->Args({1024, 256})
    ->Args({1024, 1024})
    ->UseRealTime();

void LayerNormQuantize(benchmark::State& state) {
  const size_t rows = Arg(state, 0), dim = Arg(state, 1);
  const auto x = RandomValues(rows * dim), weight = RandomValues(dim);
  std::vector<uint8_t> memory(QuantizedRows::Bytes(rows, dim, 64) + 64);
  void* aligned = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64);
  const QuantizedRows out = QuantizedRows::In(aligned, rows, dim, 64);
  Run(state,
      [&] { LayerNormQuantizeRows(x.data(), rows, weight.data(), weight.data(), 1e-5f, out); });
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(rows * dim * 5));
}
BENCHMARK(LayerNormQuantize)->ArgNames({"rows", "dim"})->Args({2304, 1024})->UseRealTime();

void DepthwiseConvolution(benchmark::State& state) {
  const size_t side = Arg(state, 0), channels = Arg(state, 1);
  const auto x = RandomValues(side * side * channels), weight = RandomValues(9 * channels);
  std::vector<float> y(x.size());
  Run(state, [&] {
    DepthwiseConv3x3Residual(x.data(), side, side, channels, weight.data(), weight.data(),
                             y.data());
  });
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(x.size() * 8));
}
BENCHMARK(DepthwiseConvolution)
    ->ArgNames({"side", "channels"})
    ->Args({192, 256})
    ->Args({48, 1024})
    ->UseRealTime();

void Pack(benchmark::State& state) {
  const QuantizedMatrix matrix = RandomMatrix(4096, 1024, static_cast<int>(state.range(0)));
  Run(state, [&] { benchmark::DoNotOptimize(PackedMatrix(matrix).bytes()); });
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(matrix.codes.size()));
}
BENCHMARK(Pack)->ArgName("bits")->Arg(4)->Arg(8)->UseRealTime();

}  // namespace
}  // namespace uffizi

int main(int argc, char** argv) {
  benchmark::AddCustomContext("kernels", uffizi::KernelTarget());
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
