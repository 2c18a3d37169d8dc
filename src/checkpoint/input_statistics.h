#ifndef UFFIZI_CHECKPOINT_INPUT_STATISTICS_H_
#define UFFIZI_CHECKPOINT_INPUT_STATISTICS_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace uffizi {

// Sums over what entered a linear layer. Not thread-safe: one session at a time may run the model.
class LayerInputs {
 public:
  // x: [rows, columns] f32; always the same number of columns
  void Add(const float* x, size_t rows, size_t columns);

  // The mean square of each column, [columns]; empty if nothing entered.
  std::vector<float> Means() const;

 private:
  size_t rows_ = 0;
  std::vector<double> squares_;
};

// By the transformers-native name of the layer's weight.
using InputStatistics = std::map<std::string, LayerInputs>;

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_INPUT_STATISTICS_H_
