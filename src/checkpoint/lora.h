#ifndef UFFIZI_CHECKPOINT_LORA_H_
#define UFFIZI_CHECKPOINT_LORA_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/lora_adapter.h"
#include "checkpoint/weight_matrix.h"

namespace uffizi {

// The changes that LoRA adapters make to a model, merged as by peft's merge_and_unload.
class LoraAdapters {
 public:
  // Reads an adapter, whose changes are multiplied by `weight`. Throws like ReadLoraAdapter().
  void Add(const std::filesystem::path& folder, double weight);

  bool empty() const { return changes_.empty(); }
  // Transformers-native names of the changed tensors.
  std::vector<std::string> names() const;
  // Whether an adapter contains this whole tensor, as a separate copy that is not tied to another.
  bool HasOwn(const std::string& name) const;

  // Applies the changes for any of these names to a tensor of this shape. `stored` may be empty if
  // HasOwn(). Throws Error(kInvalidModel) naming the adapter's file and tensor if the shapes
  // differ.
  FloatTensor Merge(std::span<const std::string> names, const std::vector<int64_t>& shape,
                    const FloatTensor& stored) const;

  // The changes for any of these names, if each adds a product to a tensor of this shape and does
  // nothing else; otherwise none.
  std::vector<const LoraChange*> Products(std::span<const std::string> names,
                                          const std::vector<int64_t>& shape) const;

  // Throws Error(kInvalidModel) about the change of this name.
  [[noreturn]] void Fail(const std::string& name, const std::string& reason) const;

 private:
  std::map<std::string, std::vector<LoraChange>> changes_;  // by name, in the order of Add()
};

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_LORA_H_
