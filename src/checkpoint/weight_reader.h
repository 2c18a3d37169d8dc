#ifndef UFFIZI_CHECKPOINT_WEIGHT_READER_H_
#define UFFIZI_CHECKPOINT_WEIGHT_READER_H_

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/input_statistics.h"
#include "checkpoint/lora.h"
#include "checkpoint/pack_quantized.h"
#include "checkpoint/weight_matrix.h"

namespace uffizi {

class Smoothing;

// The bits of a matrix in quantized arithmetic.
enum class WeightBits {
  kNarrow,  // 4 bits, if its columns can be grouped
  kWide,    // 8 bits: few weights, on which accuracy depends
};

// Reads a checkpoint's tensors by their transformers-native names, whichever layout the file has:
// transformers' own ("model.vision_tower...") or Microsoft's original ("vision_tower..."). Adapters
// are merged.
class WeightReader {
 public:
  // `adapters` may be null; otherwise it must outlive the reader. Throws Error(kInvalidModel) if
  // config.json says that weights are quantized in a way that is not supported, or if an adapter is
  // for a tensor that does not exist.
  explicit WeightReader(const Checkpoint& checkpoint, Arithmetic arithmetic = Arithmetic::kF32,
                        const LoraAdapters* adapters = nullptr);

  // Whether there is such a tensor, quantized or not.
  bool Has(const std::string& name) const;

  // Whether an adapter changes it.
  bool Changed(const std::string& name) const { return changes_.contains(Holder(name)); }

  // The products that adapters add to this matrix; none if they change it in another way.
  std::vector<const LoraChange*> Products(const std::string& name, size_t rows,
                                          size_t columns) const;
  // How many tensors adapters change.
  size_t changed_tensors() const { return changes_.size(); }

  // The token embedding has four names, under which files store it once or several times. Returns
  // the one whose values are used for this name. Any other name is returned unchanged.
  const std::string& Holder(const std::string& name) const;

  // The stored tensor under its native name, or null.
  const TensorView* Find(const std::string& name) const;

  // The matrix with the file's own codes, if it is stored quantized and no adapter changes it.
  // Throws Error(kInvalidModel) naming file and tensor if it has another shape or is damaged.
  std::optional<QuantizedMatrix> Quantized(const std::string& name, int rows, int columns) const;

  // The tensor's values, dequantized if it is stored quantized. Throws Error(kInvalidModel) naming
  // file and tensor if it is missing, has another shape or no floating-point type, or contains NaN
  // or infinity.
  FloatTensor Floats(const std::string& name, const std::vector<int64_t>& shape) const;

  // A matrix [rows, columns] in the reader's arithmetic. Throws like Floats().
  WeightMatrix Matrix(const std::string& name, int rows, int columns, WeightBits bits) const;

  // Converts values that have already been read. importance: [columns], see Quantize()
  WeightMatrix Matrix(FloatTensor values, int rows, int columns, WeightBits bits,
                      std::span<const float> importance = {}) const;
  WeightMatrix Matrix(const QuantizedMatrix& matrix) const { return Counted(WeightMatrix(matrix)); }

  // Whether the matrix keeps the file's own codes.
  bool StaysQuantized(const std::string& name) const {
    return IsPacked(checkpoint_, StoredName(name)) && !Changed(name);
  }

  // Rows and columns of a matrix, quantized or not. Throws Error(kInvalidModel) naming file and
  // tensor if there is none.
  std::pair<int64_t, int64_t> MatrixShape(const std::string& name) const;

  // The given rows of a matrix, in order: [numbers.size(), columns] f32. Throws like Floats().
  std::vector<float> Rows(const std::string& name, size_t columns,
                          std::span<const size_t> numbers) const;

  // A vector of any length. Throws like Floats().
  FloatTensor Vector(const std::string& name) const;

  // Smooths linear layers when they are read; null for no smoothing.
  Smoothing* smoothing() const { return smoothing_; }
  void Smooth(Smoothing* smoothing) { smoothing_ = smoothing; }

  // The statistics of the input of the layer with this weight; null unless they are being
  // collected.
  LayerInputs* Inputs(const std::string& name) const {
    return statistics_ == nullptr ? nullptr : &(*statistics_)[name];
  }
  void Observe(InputStatistics* statistics) { statistics_ = statistics; }

  // Whether config.json says that weights are stored quantized.
  bool quantized() const { return !schemes_.empty(); }

  // Number of parameters, and size in memory, of all matrices read so far.
  size_t matrix_parameters() const { return matrix_parameters_; }
  size_t matrix_bytes() const { return matrix_bytes_; }

  // The projector's matrix as [out, in]; Microsoft's files keep it as [in, out].
  FloatTensor ImageProjection(int out, int in) const;

  Arithmetic arithmetic() const { return arithmetic_; }

  // "PATH: tensor NAME: reason", where NAME is as the file spells it.
  [[noreturn]] void Fail(const std::string& name, const std::string& reason) const;

  // The name of a tensor in this checkpoint's own layout.
  std::string StoredName(const std::string& name) const;

  const Checkpoint& checkpoint() const { return checkpoint_; }

 private:
  // Whether two stored tensors have identical values.
  bool Equal(const std::string& name, const std::string& other) const;
  void FindHolders();
  void FindChanges();
  bool IsStored(const std::string& name) const;
  QuantizedMatrix StoredCodes(const std::string& name, int rows, int columns) const;
  void CheckFloating(const std::string& name, const TensorView& tensor) const;
  FloatTensor StoredFloats(const std::string& name, const std::vector<int64_t>& shape) const;
  FloatTensor Merge(const std::string& name, const std::vector<int64_t>& shape,
                    FloatTensor values) const;
  WeightMatrix Counted(WeightMatrix matrix) const;

  const Checkpoint& checkpoint_;
  Arithmetic arithmetic_;
  const LoraAdapters* adapters_;
  bool microsoft_layout_;
  std::vector<PackScheme> schemes_;  // of quantized weights
  std::map<std::string, std::string> holders_;
  std::map<std::string, std::vector<std::string>> changes_;  // names in adapters, by their holder
  InputStatistics* statistics_ = nullptr;
  Smoothing* smoothing_ = nullptr;
  mutable size_t matrix_parameters_ = 0, matrix_bytes_ = 0;
};

// Converts a transformers-native name to Microsoft's layout, and back. A name that is already
// native is returned unchanged.
std::string MicrosoftName(const std::string& native_name);
std::string NativeName(const std::string& microsoft_name);

// The module that a tensor belongs to, "...fc1" for "...fc1.weight".
std::string ModuleOf(const std::string& tensor);

// Converts F32, F16, BF16 or F64 to f32. `out` has tensor.elements() values.
// Returns false if any value is NaN or infinite.
bool ConvertToFloat(const TensorView& tensor, float* out);

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_WEIGHT_READER_H_
