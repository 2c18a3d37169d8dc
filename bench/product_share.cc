// How much of what the instructions allow 4-bit products use: product and limit in turn, in the CPU
// time of one thread, so that neither neighbours nor the clock's changes from minute to minute
// count.
//
//   product_share              a line of JSON for each product of Florence-2-large's sizes
//   product_share --limit T    one line: what T threads are allowed together at this minute, by the
//   clock

#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "core/parallel.h"
#include "kernels/kernels.h"
#include "limit.h"

namespace uffizi {
namespace {

double CpuSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Product {
  size_t rows, n, k;
  bool factors;  // scales are small integers times one of the row
};

PackedMatrix RandomMatrix(const Product& product) {
  std::mt19937 random(2);
  QuantizedMatrix matrix;
  matrix.rows = product.n;
  matrix.columns = product.k;
  matrix.group_size = 64;
  matrix.codes.resize(matrix.rows * matrix.row_bytes());
  for (uint8_t& code : matrix.codes) code = static_cast<uint8_t>(random());
  matrix.scales.resize(matrix.rows * matrix.groups());
  for (float& scale : matrix.scales) {
    scale = 0.0078125f * static_cast<float>(1 + random() % 15) * (product.factors ? 1.0f : 0.973f);
  }
  if (!product.factors) matrix.scales.front() = 0.0123f;
  return PackedMatrix(matrix);
}

double Median(std::vector<double>& values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

void MeasureShare(const Product& product, int rounds) {
  const PackedMatrix w = RandomMatrix(product);
  std::vector<float> x(product.rows * product.k), y(product.rows * product.n);
  std::mt19937 random(1);
  for (float& value : x) value = std::uniform_real_distribution<float>(-1, 1)(random);
  std::vector<uint8_t> memory(QuantizedRows::BytesFor(w, product.rows) + 64);
  void* aligned = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64);
  const QuantizedRows quantized = QuantizedRows::InFor(w, aligned, product.rows);
  QuantizeRows(x.data(), product.rows, quantized);
  MatMulQuantized(quantized, product.rows, w, {}, y.data());
  std::vector<double> products, limits, shares;
  for (int round = 0; round < rounds; ++round) {
    const double start = CpuSeconds();
    MatMulQuantized(quantized, product.rows, w, {}, y.data());
    const double middle = CpuSeconds();
    const double operations = RunInstructionLimit(20000);
    const double end = CpuSeconds();
    products.push_back(2.0 * static_cast<double>(product.rows * product.n * product.k) /
                       (middle - start));
    limits.push_back(operations / (end - middle));
    shares.push_back(products.back() / limits.back());
  }
  std::printf(
      "{\"target\": \"%s\", \"rows\": %zu, \"n\": %zu, \"k\": %zu, \"factors\": %s, "
      "\"gop_s\": %.0f, \"limit_gop_s\": %.0f, \"share\": %.3f}\n",
      KernelTarget(), product.rows, product.n, product.k, product.factors ? "true" : "false",
      Median(products) * 1e-9, Median(limits) * 1e-9, Median(shares));
  std::fflush(stdout);
}

// Calls work(), which returns what it did, on so many threads for half a second; all they did a
// second.
template <class Work>
double RateOf(int threads, const Work& work) {
  std::atomic<double> done{0};
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  std::vector<std::thread> all;
  for (int i = 0; i < threads; ++i) {
    all.emplace_back([&, i] {
      double own = 0;
      while (seconds() < 0.5) own += work(static_cast<size_t>(i));
      done += own;
    });
  }
  for (std::thread& thread : all) thread.join();
  return done / seconds();
}

void MeasureLimit(int threads) {
  constexpr size_t kBytes = size_t{64} << 20;  // a thread's, beyond its caches
  std::vector<std::vector<uint64_t>> memory(static_cast<size_t>(threads),
                                            std::vector<uint64_t>(kBytes / sizeof(uint64_t), 1));
  std::atomic<uint64_t> sink{0};
  const double products = RateOf(threads, [](size_t) { return RunInstructionLimit(20000); });
  const double bytes = RateOf(threads, [&](size_t thread) {
    sink += std::accumulate(memory[thread].begin(), memory[thread].end(), uint64_t{0});
    return static_cast<double>(kBytes);
  });
  std::printf("{\"target\": \"%s\", \"threads\": %d, \"limit_gop_s\": %.1f, \"read_gb_s\": %.2f}\n",
              KernelTarget(), threads, products * 1e-9, bytes * 1e-9);
}

}  // namespace
}  // namespace uffizi

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--limit") == 0) {
    uffizi::MeasureLimit(std::max(1, std::atoi(argv[2])));
    return 0;
  }
  oneapi::tbb::task_arena arena(1);
  arena.execute([] {
    for (const bool factors : {true, false}) {
      for (const auto& [rows, n, k] : std::vector<std::array<size_t, 3>>{{2304, 4096, 1024},
                                                                         {2304, 1024, 4096},
                                                                         {2304, 1024, 1024},
                                                                         {9216, 2048, 512},
                                                                         {9216, 1024, 256},
                                                                         {597, 4096, 1024}}) {
        uffizi::MeasureShare({rows, n, k, factors}, 15);
      }
    }
  });
}
