#ifndef UFFIZI_CHECKPOINT_LORA_ADAPTER_H_
#define UFFIZI_CHECKPOINT_LORA_ADAPTER_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace uffizi {

// The change that an adapter makes to one tensor of a model. It either adds scale * b a, with all
// dimensions but the first flattened to columns, or replaces the tensor.
struct LoraChange {
  std::string name;            // of the changed tensor, transformers-native
  std::string file, tensor;    // of the adapter, for messages
  std::vector<int64_t> shape;  // of the changed tensor
  size_t rank = 0;
  float scale = 0;
  std::vector<float> a;          // [rank, columns]
  std::vector<float> b;          // [rows, rank]
  std::vector<float> magnitude;  // [rows], or empty; of DoRA
  std::vector<float> whole;      // the replacement, or empty
  bool own = false;  // the replacement is a copy for this name alone, untied from others
};

// Reads an adapter of a Florence-2 as peft saves it: adapter_config.json and
// adapter_model.safetensors, with Microsoft's or transformers' module names. `weight` multiplies
// its changes. Throws Error: kInvalidModel naming file and tensor or key if it is damaged,
// kUnsupported if this kind of adapter cannot be merged, kInvalidArgument for an invalid weight.
std::vector<LoraChange> ReadLoraAdapter(const std::filesystem::path& folder, double weight);

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_LORA_ADAPTER_H_
