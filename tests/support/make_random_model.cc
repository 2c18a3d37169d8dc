// make_random_model FOLDER [--microsoft] [--f32] [--seed N]: see random_model.h.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "support/random_model.h"

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: make_random_model FOLDER [--microsoft] [--f32] [--seed N]\n");
    return 2;
  }
  uffizi::testing::RandomModelOptions options;
  options.dtype = uffizi::DType::kF16;
  for (int i = 2; i < argc; ++i) {
    if (std::strcmp(argv[i], "--microsoft") == 0) {
      options.layout = uffizi::testing::KeyLayout::kMicrosoft;
    } else if (std::strcmp(argv[i], "--f32") == 0) {
      options.dtype = uffizi::DType::kF32;
    } else if (std::strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
      options.seed = std::strtoull(argv[++i], nullptr, 10);
    }
  }
  try {
    uffizi::testing::WriteRandomWeights(argv[1], options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
