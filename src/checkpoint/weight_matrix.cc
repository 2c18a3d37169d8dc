#include "checkpoint/weight_matrix.h"

#include <algorithm>

namespace uffizi {

void WeightMatrix::Row(size_t row, float* out) const {
  if (packed_) {
    packed_->Row(row, out);
  } else {
    std::copy_n(floats_.data() + row * columns_, columns_, out);
  }
}

}  // namespace uffizi
