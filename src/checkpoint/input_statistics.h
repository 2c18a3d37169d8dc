#ifndef UFFIZI_CHECKPOINT_INPUT_STATISTICS_H_
#define UFFIZI_CHECKPOINT_INPUT_STATISTICS_H_

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace uffizi {

// Weights of the rows of one sequence. Its first rows are a picture's, the others a prompt's. The
// prompt's rows are few, so they are weighted to count as much in total as the picture's.
struct SequenceRows {
  size_t picture = 0, prompt = 0;

  size_t all() const { return picture + prompt; }
  float Weight(size_t row) const;
};

// Second moments of a layer's inputs.
struct InputProducts {
  std::vector<float> products;  // [columns, columns], the mean of x x^T
  std::vector<float> mean;      // [columns]
};

// Statistics of the inputs of a linear layer. Not thread-safe: one session at a time may run the
// model.
class LayerInputs {
 public:
  // sequence: null unless rows come in sequences; must outlive the object
  LayerInputs(const SequenceRows* sequence, bool with_products)
      : sequence_(sequence), with_products_(with_products) {}

  // x: [rows, columns] f32; always the same number of columns. A sequence may be added in parts.
  void Add(const float* x, size_t rows, size_t columns);

  // The mean square of each column, [columns]; empty if nothing was added.
  std::vector<float> Means() const;
  // Returns the collected products and empties the object.
  InputProducts TakeProducts();
  // The largest magnitude divided by the root mean square of all values; 0 if nothing was added.
  double PeakOverRms() const;

 private:
  float NextWeight();
  void AddSquares(const float* x, size_t rows, size_t columns, const std::vector<float>& weights);
  void AddProducts(const float* x, size_t rows, size_t columns, const std::vector<float>& weights);
  void Flush(size_t columns);

  const SequenceRows* sequence_;
  bool with_products_;
  size_t position_ = 0;  // of the next row in its sequence
  double weight_ = 0;    // of all rows
  float peak_ = 0;
  std::vector<double> squares_, sums_;  // [columns]
  std::vector<float> products_;         // [columns, columns]
  std::vector<float> waiting_;          // [columns, kWaiting]: rows that are not in products_ yet
  size_t waiting_rows_ = 0;
};

// Statistics of all layers, by the transformers-native name of the weight.
class InputStatistics {
 public:
  // with_products: the layers for which products are also collected
  explicit InputStatistics(std::function<bool(const std::string&)> with_products = {})
      : with_products_(std::move(with_products)) {}
  InputStatistics(const InputStatistics&) = delete;
  InputStatistics& operator=(const InputStatistics&) = delete;

  LayerInputs& operator[](const std::string& weight);
  const std::map<std::string, LayerInputs>& layers() const { return layers_; }
  std::map<std::string, LayerInputs>& layers() { return layers_; }

  // The rows of the next sequence that goes through the text encoder.
  void Begin(const SequenceRows& rows) { sequence_ = rows; }

 private:
  std::function<bool(const std::string&)> with_products_;
  SequenceRows sequence_;
  std::map<std::string, LayerInputs> layers_;
};

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_INPUT_STATISTICS_H_
