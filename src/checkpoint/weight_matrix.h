#ifndef UFFIZI_CHECKPOINT_WEIGHT_MATRIX_H_
#define UFFIZI_CHECKPOINT_WEIGHT_MATRIX_H_

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "core/large_vector.h"
#include "kernels/packed_matrix.h"

namespace uffizi {

// The arithmetic of the network's matrix products.
enum class Arithmetic {
  kF32,
  kInt4,  // 4-bit weights, 8-bit where necessary, times 8-bit activations
};

// float32 values: a view of the mapped file if it contains aligned float32, else a converted copy.
// Copies of the object share the values.
class FloatTensor {
 public:
  FloatTensor() = default;
  explicit FloatTensor(LargeVector<float> values)
      : owned_(std::make_shared<LargeVector<float>>(std::move(values))),
        data_(owned_->data()),
        size_(owned_->size()) {}
  explicit FloatTensor(const std::vector<float>& values)
      : FloatTensor(LargeVector<float>(values.begin(), values.end())) {}
  FloatTensor(const float* mapped, size_t size) : data_(mapped), size_(size) {}

  const float* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // The values as a vector that may be changed; not copied if nobody else holds them.
  LargeVector<float> Take() && {
    if (owned_ != nullptr && owned_.use_count() == 1) return std::move(*owned_);
    return {data_, data_ + size_};
  }

 private:
  std::shared_ptr<LargeVector<float>> owned_;
  const float* data_ = nullptr;
  size_t size_ = 0;
};

// A weight [rows, columns], as float32 or packed. Copies share the values.
class WeightMatrix {
 public:
  WeightMatrix() = default;
  // floats: [rows, columns] f32
  WeightMatrix(FloatTensor floats, size_t rows, size_t columns)
      : floats_(std::move(floats)), rows_(rows), columns_(columns) {}
  explicit WeightMatrix(const QuantizedMatrix& matrix)
      : packed_(std::make_shared<const PackedMatrix>(matrix)),
        rows_(matrix.rows),
        columns_(matrix.columns) {}

  size_t rows() const { return rows_; }
  size_t columns() const { return columns_; }
  size_t size() const { return rows_ * columns_; }
  size_t bytes() const { return packed_ ? packed_->bytes() : size() * sizeof(float); }

  const PackedMatrix* packed() const { return packed_.get(); }  // or null, and
  const float* floats() const { return floats_.data(); }        // these

  // out: [columns] f32
  void Row(size_t row, float* out) const;

 private:
  FloatTensor floats_;
  std::shared_ptr<const PackedMatrix> packed_;
  size_t rows_ = 0, columns_ = 0;
};

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_WEIGHT_MATRIX_H_
