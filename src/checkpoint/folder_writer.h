#ifndef UFFIZI_CHECKPOINT_FOLDER_WRITER_H_
#define UFFIZI_CHECKPOINT_FOLDER_WRITER_H_

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "checkpoint/safetensors_writer.h"
#include "checkpoint/weight_matrix.h"
#include "kernels/quantized_matrix.h"

namespace uffizi {

// Writes config.json and model.safetensors of a model folder in transformers' own layout, whose
// quantized matrices are in compressed-tensors' pack-quantized form (pack_quantized.h). Tensors are
// written one by one and need not be kept. All functions throw Error(kIo) if writing fails.
class FolderWriter {
 public:
  // Writes into an existing folder.
  explicit FolderWriter(const std::filesystem::path& folder);

  // Writes a tensor unchanged.
  void Put(const std::string& name, const TensorView& tensor);
  // Writes half precision, or float32 if the largest value exceeds its range.
  void PutHalf(const std::string& name, const std::vector<int64_t>& shape,
               const FloatTensor& values);
  // Writes half precision if that is exact, else float32.
  void PutExact(const std::string& name, const std::vector<int64_t>& shape,
                const FloatTensor& values);
  void PutFloats(const std::string& name, const std::vector<int64_t>& shape,
                 const FloatTensor& values);
  // Writes the weight of a linear layer, "X.weight", packed.
  void PutMatrix(const std::string& name, const QuantizedMatrix& matrix);
  // Notes that a linear layer, "X.weight", is not packed.
  void NoteUnpacked(const std::string& name);

  size_t bytes() const { return tensors_.bytes(); }  // of all tensors so far

  // Writes the files. `config` must not have quantization_config, which is added if matrices were
  // packed.
  void Finish(nlohmann::json config);

 private:
  // Bits, columns of a group (0: one scale a row), whether symmetric.
  using Scheme = std::tuple<int, size_t, bool>;
  struct Packed {
    std::string module;
    size_t columns;
    Scheme scheme;
  };

  nlohmann::json QuantizationConfig();

  std::filesystem::path folder_;
  SafetensorsWriter tensors_;
  std::vector<Packed> packed_;
  std::vector<std::string> unpacked_;  // modules
};

// Writes a file of JSON. Throws Error(kIo).
void WriteJson(const std::filesystem::path& file, const nlohmann::json& json);

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_FOLDER_WRITER_H_
