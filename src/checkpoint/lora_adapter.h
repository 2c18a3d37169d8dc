#ifndef UFFIZI_CHECKPOINT_LORA_ADAPTER_H_
#define UFFIZI_CHECKPOINT_LORA_ADAPTER_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace uffizi {

// What an adapter does to one tensor of a model. Either adds scale * b a to it, its dimensions but
// the first taken together as columns, or takes its place.
struct LoraChange {
  std::string name;            // of the changed tensor, transformers-native
  std::string file, tensor;    // of the adapter, for messages
  std::vector<int64_t> shape;  // of the changed tensor
  size_t rank = 0;
  float scale = 0;
  std::vector<float> a;          // [rank, columns]
  std::vector<float> b;          // [rows, rank]
  std::vector<float> magnitude;  // [rows], or empty; of DoRA
  std::vector<float> whole;      // what takes its place, or empty
  bool own = false;              // that is a copy for this name alone, whatever was tied to it
};

// Reads an adapter of a Florence-2 as peft saves it: adapter_config.json and
// adapter_model.safetensors, for Microsoft's or for transformers' module names. `weight` multiplies
// what it adds. Throws Error: kInvalidModel naming file and tensor or key if it is damaged,
// kUnsupported if it is of a kind that cannot be merged, kInvalidArgument for a weight that makes
// no sense.
std::vector<LoraChange> ReadLoraAdapter(const std::filesystem::path& folder, double weight);

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_LORA_ADAPTER_H_
