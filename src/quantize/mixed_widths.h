#ifndef UFFIZI_QUANTIZE_MIXED_WIDTHS_H_
#define UFFIZI_QUANTIZE_MIXED_WIDTHS_H_

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace uffizi {

// One model twice, both under transformers-native names: quantized, and in 16 bits (keep_wide of
// QuantizeFolderOptions). Of both a third is made, whose chosen linear layers are in 16 bits: the
// engine computes with these in 8, and transformers opens such folders, but not those in which
// layers are packed in two widths.
class MixedWidths {
 public:
  // Weights that read the same activations, and are therefore widened together.
  struct Unit {
    std::string name;                  // "...self_attn.q_proj", the first
    std::vector<std::string> weights;  // "...self_attn.q_proj.weight", "...k_proj.weight", ...
    size_t elements = 0;
  };

  // Of the two folders. Throws Error as Checkpoint::Open() does.
  MixedWidths(const std::filesystem::path& narrow, const std::filesystem::path& wide);

  // All that can be widened, in the order of names.
  const std::vector<Unit>& units() const { return units_; }

  // The model with these weights wide. Belongs to the narrow folder.
  Checkpoint Mix(const std::set<std::string>& weights) const;

  // Writes it into a new and empty folder. Throws Error(kIo).
  void Write(const std::set<std::string>& weights, const std::filesystem::path& to) const;

 private:
  Checkpoint narrow_, wide_;
  std::vector<Unit> units_;
};

}  // namespace uffizi

#endif  // UFFIZI_QUANTIZE_MIXED_WIDTHS_H_
