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

// What adapters change in a model, merged as peft's merge_and_unload does.
class LoraAdapters {
 public:
  // Reads an adapter, whose changes count `weight` times. Throws as ReadLoraAdapter does.
  void Add(const std::filesystem::path& folder, double weight);

  bool empty() const { return changes_.empty(); }
  // Of the tensors that are changed, transformers-native.
  std::vector<std::string> names() const;
  // Whether an adapter brings this tensor whole, as a copy of its own that is tied to no other.
  bool HasOwn(const std::string& name) const;

  // What becomes of a tensor of this shape with the changes that are meant for any of these names.
  // `stored` may be empty if HasOwn(). Throws Error(kInvalidModel) naming the adapter's file and
  // tensor if it is of another shape.
  FloatTensor Merge(std::span<const std::string> names, const std::vector<int64_t>& shape,
                    const FloatTensor& stored) const;

  // Throws Error(kInvalidModel) about the change of this name.
  [[noreturn]] void Fail(const std::string& name, const std::string& reason) const;

 private:
  std::map<std::string, std::vector<LoraChange>> changes_;  // by name, in the order of Add()
};

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_LORA_H_
