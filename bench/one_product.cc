// One product of a matrix with factors, computed some times: the program whose instructions
// scripts/arm_counts.sh counts.
//   one_product ROWS N K TIMES

#include <cstdlib>
#include <random>
#include <vector>

#include "core/parallel.h"
#include "kernels/kernels.h"

int main(int argc, char** argv) {
  using namespace uffizi;
  if (argc != 5) return 2;
  const auto number = [&](int i) {
    return static_cast<size_t>(std::strtoul(argv[i], nullptr, 10));
  };
  const size_t rows = number(1), n = number(2), k = number(3);
  std::mt19937 random(2);
  QuantizedMatrix matrix;
  matrix.rows = n;
  matrix.columns = k;
  matrix.group_size = 64;
  matrix.codes.resize(n * matrix.row_bytes());
  for (uint8_t& code : matrix.codes) code = static_cast<uint8_t>(random());
  matrix.scales.resize(n * matrix.groups());
  for (float& scale : matrix.scales) scale = 0.0078125f * static_cast<float>(1 + random() % 15);
  const PackedMatrix w(matrix);
  std::vector<float> x(rows * k), y(rows * n);
  for (float& value : x) value = std::uniform_real_distribution<float>(-1, 1)(random);
  std::vector<uint8_t> memory(QuantizedRows::BytesFor(w, rows) + 64);
  void* aligned = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64);
  const QuantizedRows quantized = QuantizedRows::InFor(w, aligned, rows);
  QuantizeRows(x.data(), rows, quantized);
  oneapi::tbb::task_arena(1).execute([&] {
    for (size_t i = 0; i < number(4); ++i) MatMulQuantized(quantized, rows, w, {}, y.data());
  });
}
