#include "checkpoint/input_statistics.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/parallel.h"
#include "kernels/kernels.h"

namespace uffizi {
namespace {

constexpr size_t kWaiting = 256;  // rows that are multiplied together

}  // namespace

float SequenceRows::Weight(size_t row) const {
  if (row < picture || prompt == 0 || picture <= prompt) return 1.0f;
  return static_cast<float>(picture) / static_cast<float>(prompt);
}

float LayerInputs::NextWeight() {
  if (sequence_ == nullptr || sequence_->all() == 0) return 1.0f;
  const size_t position = position_;
  position_ = (position_ + 1) % sequence_->all();
  return sequence_->Weight(position);
}

void LayerInputs::Add(const float* x, size_t rows, size_t columns) {
  squares_.resize(columns);
  sums_.resize(columns);
  std::vector<float> weights(rows);
  for (float& weight : weights) {
    weight = NextWeight();
    weight_ += double{weight};
  }
  AddSquares(x, rows, columns, weights);
  if (with_products_) AddProducts(x, rows, columns, weights);
}

void LayerInputs::AddSquares(const float* x, size_t rows, size_t columns,
                             const std::vector<float>& weights) {
  // Rows of a call are summed in float, these sums in double.
  std::vector<float> squares(columns), sums(columns), peaks(columns);
  constexpr size_t kBlock = 64;
  for (size_t begin = 0; begin < rows; begin += kBlock) {
    std::fill(squares.begin(), squares.end(), 0.0f);
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (size_t r = begin; r < std::min(rows, begin + kBlock); ++r) {
      for (size_t c = 0; c < columns; ++c) {
        const float value = x[r * columns + c], weighted = weights[r] * value;
        sums[c] += weighted;
        squares[c] += weighted * value;
        peaks[c] = std::max(peaks[c], std::abs(value));
      }
    }
    for (size_t c = 0; c < columns; ++c) {
      squares_[c] += double{squares[c]};
      sums_[c] += double{sums[c]};
    }
  }
  peak_ = std::max(peak_, *std::max_element(peaks.begin(), peaks.end()));
}

void LayerInputs::AddProducts(const float* x, size_t rows, size_t columns,
                              const std::vector<float>& weights) {
  products_.resize(columns * columns);
  waiting_.resize(columns * kWaiting);
  for (size_t begin = 0; begin < rows;) {
    const size_t count = std::min(rows - begin, kWaiting - waiting_rows_);
    ParallelFor(columns, 64, [&](size_t first, size_t last) {
      for (size_t c = first; c < last; ++c) {
        float* out = waiting_.data() + c * kWaiting + waiting_rows_;
        for (size_t r = 0; r < count; ++r) {
          out[r] = std::sqrt(weights[begin + r]) * x[(begin + r) * columns + c];
        }
      }
    });
    begin += count;
    waiting_rows_ += count;
    if (waiting_rows_ == kWaiting) Flush(columns);
  }
}

void LayerInputs::Flush(size_t columns) {
  const Epilogue add{nullptr, Activation::kNone, products_.data()};
  MatMulF32(waiting_.data(), columns, kWaiting, waiting_.data(), columns, add, products_.data());
  std::fill(waiting_.begin(), waiting_.end(), 0.0f);
  waiting_rows_ = 0;
}

std::vector<float> LayerInputs::Means() const {
  if (weight_ == 0) return {};
  std::vector<float> means(squares_.size());
  for (size_t c = 0; c < means.size(); ++c) means[c] = static_cast<float>(squares_[c] / weight_);
  return means;
}

InputProducts LayerInputs::TakeProducts() {
  if (weight_ == 0 || products_.empty()) return {};
  if (waiting_rows_ > 0) Flush(sums_.size());
  InputProducts taken;
  for (const double sum : sums_) taken.mean.push_back(static_cast<float>(sum / weight_));
  taken.products = std::exchange(products_, {});
  waiting_ = {};
  for (float& product : taken.products) product /= static_cast<float>(weight_);
  return taken;
}

double LayerInputs::PeakOverRms() const {
  double squares = 0;
  for (const double square : squares_) squares += square;
  if (squares == 0) return 0;
  return double{peak_} / std::sqrt(squares / weight_ / static_cast<double>(squares_.size()));
}

LayerInputs& InputStatistics::operator[](const std::string& weight) {
  const auto found = layers_.find(weight);
  if (found != layers_.end()) return found->second;
  // Layers through which the text encoder's states, and so its sequences, go.
  const bool sequence = weight.find(".encoder.layers.") != std::string::npos ||
                        weight.ends_with(".encoder_attn.k_proj.weight") ||
                        weight.ends_with(".encoder_attn.v_proj.weight");
  const bool products = with_products_ && with_products_(weight);
  return layers_.try_emplace(weight, sequence ? &sequence_ : nullptr, products).first->second;
}

}  // namespace uffizi
