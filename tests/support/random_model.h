#ifndef UFFIZI_TESTS_SUPPORT_RANDOM_MODEL_H_
#define UFFIZI_TESTS_SUPPORT_RANDOM_MODEL_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/config.h"
#include "uffizi/types.h"

namespace uffizi::testing {

// Whose names the weights are saved under.
enum class KeyLayout { kNative, kMicrosoft };

struct RandomModelOptions {
  KeyLayout layout = KeyLayout::kNative;
  DType dtype = DType::kF32;  // kF32, kF16 or kBF16
  uint64_t seed = 0;
  bool tied = true;        // no lm_head of its own
  bool shared_key = true;  // false: the embedding is saved as the encoder's embed_tokens only
};

// Names (transformers-native) and shapes of all weights of a Florence-2 of these sizes.
struct NamedShape {
  std::string name;
  std::vector<int64_t> shape;
};
std::vector<NamedShape> WeightShapes(const ModelConfig& config, bool tied);

// Value i of a weight, the same as in tests/golden/random_weights.py: uniform, from a counter-based
// generator, with a range that suits the kind of weight.
void FillRandomWeight(const NamedShape& weight, uint64_t seed, float* out);

// Writes model.safetensors with random weights for the config.json and preprocessor_config.json
// that are in `folder` already. The values depend on the names and the seed only.
void WriteRandomWeights(const std::filesystem::path& folder, const RandomModelOptions& options);

// A picture with structure, the same as in random_weights.py.
Image PatternPicture(int width, int height, int kind);

}  // namespace uffizi::testing

#endif  // UFFIZI_TESTS_SUPPORT_RANDOM_MODEL_H_
