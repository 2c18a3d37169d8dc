#ifndef UFFIZI_MODEL_WEIGHT_READER_H_
#define UFFIZI_MODEL_WEIGHT_READER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/checkpoint.h"

namespace uffizi {

// float32 values: the mapped file's own where it holds aligned float32, else a converted copy.
// Copies of the object share the values.
class FloatTensor {
 public:
  FloatTensor() = default;
  explicit FloatTensor(std::vector<float> values)
      : owned_(std::make_shared<const std::vector<float>>(std::move(values))),
        data_(owned_->data()),
        size_(owned_->size()) {}
  FloatTensor(const float* mapped, size_t size) : data_(mapped), size_(size) {}

  const float* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  std::shared_ptr<const std::vector<float>> owned_;
  const float* data_ = nullptr;
  size_t size_ = 0;
};

// Gives a checkpoint's tensors by their transformers-native names, whichever layout the file is in:
// transformers' own ("model.vision_tower...") or Microsoft's original ("vision_tower...").
class WeightReader {
 public:
  explicit WeightReader(const Checkpoint& checkpoint);

  bool Has(const std::string& name) const { return Find(name) != nullptr; }

  // The tensor under its native name, or null.
  const TensorView* Find(const std::string& name) const;

  // Throws Error(kInvalidModel) naming file and tensor if it is missing, is of another shape or not
  // of a floating-point type, or holds NaN or infinity.
  FloatTensor Floats(const std::string& name, const std::vector<int64_t>& shape) const;

  // The projector's matrix as [out, in]; Microsoft's files keep it as [in, out].
  FloatTensor ImageProjection(int out, int in) const;

  // "PATH: tensor NAME: reason", where NAME is as the file spells it.
  [[noreturn]] void Fail(const std::string& name, const std::string& reason) const;

  // The name of a tensor in this checkpoint's own layout.
  std::string StoredName(const std::string& name) const;

  const Checkpoint& checkpoint() const { return checkpoint_; }

 private:
  const Checkpoint& checkpoint_;
  bool microsoft_layout_;
};

// The name in Microsoft's layout of a tensor with this transformers-native name.
std::string MicrosoftName(const std::string& native_name);

// Converts F32, F16, BF16 or F64 to f32. `out` has tensor.elements() values.
// Returns false if any value is NaN or infinite.
bool ConvertToFloat(const TensorView& tensor, float* out);

}  // namespace uffizi

#endif  // UFFIZI_MODEL_WEIGHT_READER_H_
