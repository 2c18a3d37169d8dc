#ifndef UFFIZI_QUANTIZE_MIXED_WIDTHS_H_
#define UFFIZI_QUANTIZE_MIXED_WIDTHS_H_

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace uffizi {

// Combines two versions of a model with transformers-native names, quantized and in 16 bits
// (keep_wide of QuantizeFolderOptions), into one in which selected linear layers are in 16 bits.
// The engine computes these in 8 bits. transformers can open such folders, but not those whose
// layers are packed with two widths.
class MixedWidths {
 public:
  // Weights that read the same activations, and are therefore widened together.
  struct Unit {
    std::string name;                  // "...self_attn.q_proj", the first
    std::vector<std::string> weights;  // "...self_attn.q_proj.weight", "...k_proj.weight", ...
    size_t elements = 0;
  };

  // Opens the two folders. Throws like Checkpoint::Open().
  MixedWidths(const std::filesystem::path& narrow, const std::filesystem::path& wide);

  // All units that can be widened, sorted by name.
  const std::vector<Unit>& units() const { return units_; }

  // The model with these weights wide. Its folder is the quantized one.
  Checkpoint Mix(const std::set<std::string>& weights) const;

  // Writes it into a new and empty folder. Throws Error(kIo).
  void Write(const std::set<std::string>& weights, const std::filesystem::path& to) const;

 private:
  Checkpoint narrow_, wide_;
  std::vector<Unit> units_;
};

}  // namespace uffizi

#endif  // UFFIZI_QUANTIZE_MIXED_WIDTHS_H_
