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
  bool overwrite = false;   // replaces the model in an existing folder; other files are kept
  LoraAdapters adapters;    // merged first
  bool smooth = true;       // folds smoothing into the weights
  Importance importance;    // measured; estimated for missing layers
  ProductsSource products;  // if given, codes are chosen by GPTQ
  bool keep_wide = false;   // stores all layers in 16 bits, smoothed as for quantizing
  // Called before each tensor with the bytes done and in total.
  std::function<void(const std::string& name, size_t done, size_t total)> progress;
};

struct FolderReport {
  std::vector<LayerReport> layers;
  size_t bytes_before = 0, bytes_after = 0;  // of all tensors
};

// Writes the model of `from` as a folder in compressed-tensors' pack-quantized form, under
// transformers-native names, with all files but the weights copied. Linear layers are quantized
// according to the options; patch convolutions, embeddings and the head, the projector and layers
// whose columns the groups do not divide are kept in 16 bits: the engine computes them in 8 bits,
// but transformers can open only folders in which all layers are quantized with the same scheme.
// Smoothing is folded into the weights where possible (folded_smoothing.h). The folder appears
// complete or not at all. Throws Error: kInvalidArgument, kInvalidModel, kIo.
FolderReport QuantizeFolder(const std::filesystem::path& from, const std::filesystem::path& to,
                            const QuantizeFolderOptions& options);

// The steps of QuantizeFolder(). Throws if `from` is not a model that can be quantized.
void CheckQuantizeSource(const std::filesystem::path& from);
// Writes into a new and empty folder; options for existing folders are ignored.
FolderReport WriteQuantized(const std::filesystem::path& from, const std::filesystem::path& to,
                            const QuantizeFolderOptions& options);

}  // namespace uffizi

#endif  // UFFIZI_QUANTIZE_QUANTIZE_FOLDER_H_
