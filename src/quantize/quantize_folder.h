#ifndef UFFIZI_QUANTIZE_QUANTIZE_FOLDER_H_
#define UFFIZI_QUANTIZE_QUANTIZE_FOLDER_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "checkpoint/lora.h"
#include "kernels/quantize.h"
#include "quantize/layer_quantizer.h"
#include "quantize/products_in_parts.h"

namespace uffizi {

struct QuantizeFolderOptions {
  QuantizeOptions weights;
  bool overwrite = false;   // the model in an existing folder; all else in it stays
  LoraAdapters adapters;    // merged first
  bool smooth = true;       // folds smoothing into the weights
  Importance importance;    // measured; of layers that are not there it is estimated
  ProductsSource products;  // if given, codes are chosen by GPTQ
  bool keep_wide = false;   // keeps all in 16 bits, smoothed as if it were quantized
  // Called before each tensor with the bytes done and to do.
  std::function<void(const std::string& name, size_t done, size_t total)> progress;
};

struct FolderReport {
  std::vector<LayerReport> layers;
  size_t bytes_before = 0, bytes_after = 0;  // of all tensors
};

// Writes the model of `from` as a folder in compressed-tensors' pack-quantized form, under
// transformers-native names, with all files but the weights copied. Linear layers are quantized as
// the options say; patch convolutions, embeddings and the head, the projector and layers whose
// columns the groups do not divide are kept in 16 bits: the engine computes with them in 8 bits,
// but transformers opens only folders in which all layers are quantized alike. Smoothing is folded
// into the weights where it folds (folded_smoothing.h). The folder appears whole or not at all.
// Throws Error: kInvalidArgument, kInvalidModel, kIo.
FolderReport QuantizeFolder(const std::filesystem::path& from, const std::filesystem::path& to,
                            const QuantizeFolderOptions& options);

// Its steps. Throws if `from` is no model that can be quantized.
void CheckQuantizeSource(const std::filesystem::path& from);
// Writes into a new and empty folder; what `options` say of existing ones does not matter.
FolderReport WriteQuantized(const std::filesystem::path& from, const std::filesystem::path& to,
                            const QuantizeFolderOptions& options);

}  // namespace uffizi

#endif  // UFFIZI_QUANTIZE_QUANTIZE_FOLDER_H_
