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

// How narrow a matrix may become where the arithmetic is narrow.
enum class WeightBits {
  kNarrow,  // 4 bits, if its columns can be grouped
  kWide,    // 8 bits: few weights that much depends on
};

// Gives a checkpoint's tensors by their transformers-native names, whichever layout the file is in:
// transformers' own ("model.vision_tower...") or Microsoft's original ("vision_tower..."). What
// adapters change is merged in.
class WeightReader {
 public:
  // `adapters` may be null, else it must outlive the reader. Throws Error(kInvalidModel) if
  // config.json says that weights are quantized in a way that is not supported, or if an adapter is
  // for a tensor that is not there.
  explicit WeightReader(const Checkpoint& checkpoint, Arithmetic arithmetic = Arithmetic::kF32,
                        const LoraAdapters* adapters = nullptr);

  // Whether there is such a tensor, quantized or not.
  bool Has(const std::string& name) const;

  // Whether an adapter changes it.
  bool Changed(const std::string& name) const { return changes_.contains(Holder(name)); }

  // Four names stand for the matrix of tokens, which files hold once or several times: the one
  // whose values count for this name. Any other name is its own.
  const std::string& Holder(const std::string& name) const;

  // The stored tensor under its native name, or null.
  const TensorView* Find(const std::string& name) const;

  // The matrix as the file's own codes, if it is stored quantized and not changed. Throws
  // Error(kInvalidModel) naming file and tensor if it is of another shape or damaged.
  std::optional<QuantizedMatrix> Quantized(const std::string& name, int rows, int columns) const;

  // The tensor's values; of one that is stored quantized, what its codes stand for. Throws
  // Error(kInvalidModel) naming file and tensor if it is missing, is of another shape or not of a
  // floating-point type, or holds NaN or infinity.
  FloatTensor Floats(const std::string& name, const std::vector<int64_t>& shape) const;

  // A matrix [rows, columns] as the arithmetic wants it. Throws as Floats() does.
  WeightMatrix Matrix(const std::string& name, int rows, int columns, WeightBits bits) const;

  // The same of values that are read already. importance: [columns], see Quantize()
  WeightMatrix Matrix(FloatTensor values, int rows, int columns, WeightBits bits,
                      std::span<const float> importance = {}) const;
  WeightMatrix Matrix(const QuantizedMatrix& matrix) const { return Counted(WeightMatrix(matrix)); }

  // Whether the matrix is given out as the file's own codes.
  bool StaysQuantized(const std::string& name) const {
    return IsPacked(checkpoint_, StoredName(name)) && !Changed(name);
  }

  // Rows and columns of a matrix, quantized or not. Throws Error(kInvalidModel) naming file and
  // tensor if there is none.
  std::pair<int64_t, int64_t> MatrixShape(const std::string& name) const;

  // Some rows of a matrix, in order: [numbers.size(), columns] f32. Throws as Floats() does.
  std::vector<float> Rows(const std::string& name, size_t columns,
                          std::span<const size_t> numbers) const;

  // A vector of any length. Throws as Floats() does.
  FloatTensor Vector(const std::string& name) const;

  // What linear layers are smoothed by when they are read; null for not at all.
  Smoothing* smoothing() const { return smoothing_; }
  void Smooth(Smoothing* smoothing) { smoothing_ = smoothing; }

  // Where to add up what enters the layer with this weight; null unless somebody observes.
  LayerInputs* Inputs(const std::string& name) const {
    return statistics_ == nullptr ? nullptr : &(*statistics_)[name];
  }
  void Observe(InputStatistics* statistics) { statistics_ = statistics; }

  // Whether config.json says that weights are stored quantized.
  bool quantized() const { return !schemes_.empty(); }

  // Of all matrices that were given out, as they are held in memory.
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
  // Whether two tensors are stored alike, value for value.
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

// The name in Microsoft's layout of a tensor with this transformers-native name, and back. A name
// that is native already stays.
std::string MicrosoftName(const std::string& native_name);
std::string NativeName(const std::string& microsoft_name);

// Converts F32, F16, BF16 or F64 to f32. `out` has tensor.elements() values.
// Returns false if any value is NaN or infinite.
bool ConvertToFloat(const TensorView& tensor, float* out);

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_WEIGHT_READER_H_
