#include "checkpoint/lora.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "checkpoint/checkpoint.h"
#include "core/parallel.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

constexpr size_t kRowGrain = 16;

// out += scale b a. With a magnitude m (DoRA, arXiv 2402.09353), each row of the result is
// multiplied by m / |row of base + scale b a|. base (before any adapter), out: [rows, columns] f32
void MergeProduct(const LoraChange& change, size_t rows, size_t columns, const float* base,
                  float* out) {
  ParallelFor(rows, kRowGrain, [&](size_t begin, size_t end) {
    std::vector<float> delta(columns);
    for (size_t row = begin; row < end; ++row) {
      std::fill(delta.begin(), delta.end(), 0.0f);
      for (size_t r = 0; r < change.rank; ++r) {
        const float factor = change.scale * change.b[row * change.rank + r];
        const float* a = change.a.data() + r * columns;
        for (size_t c = 0; c < columns; ++c) delta[c] += factor * a[c];
      }
      float* sum = out + row * columns;
      for (size_t c = 0; c < columns; ++c) sum[c] += delta[c];
      if (change.magnitude.empty()) continue;
      double squares = 0;
      for (size_t c = 0; c < columns; ++c) {
        const double value = base[row * columns + c] + delta[c];
        squares += value * value;
      }
      const auto factor = static_cast<float>(change.magnitude[row] / std::sqrt(squares));
      for (size_t c = 0; c < columns; ++c) sum[c] *= factor;
    }
  });
}

}  // namespace

void LoraAdapters::Add(const std::filesystem::path& folder, double weight) {
  for (LoraChange& change : ReadLoraAdapter(folder, weight)) {
    changes_[change.name].push_back(std::move(change));
  }
}

std::vector<std::string> LoraAdapters::names() const {
  std::vector<std::string> names;
  for (const auto& [name, changes] : changes_) names.push_back(name);
  return names;
}

bool LoraAdapters::HasOwn(const std::string& name) const {
  const auto found = changes_.find(name);
  return found != changes_.end() &&
         std::any_of(found->second.begin(), found->second.end(),
                     [](const LoraChange& change) { return change.own; });
}

FloatTensor LoraAdapters::Merge(std::span<const std::string> names,
                                const std::vector<int64_t>& shape,
                                const FloatTensor& stored) const {
  FloatTensor base = stored;
  LargeVector<float> merged(stored.data(), stored.data() + stored.size());
  for (const std::string& name : names) {
    for (const LoraChange& change : changes_.at(name)) {
      if (change.shape != shape) {
        throw Error(ErrorCode::kInvalidModel, change.file + ": tensor " + change.tensor +
                                                  ": is for a layer of the shape " +
                                                  ShapeToString(change.shape) +
                                                  " where the model's is " + ShapeToString(shape));
      }
      if (!change.whole.empty()) {
        merged.assign(change.whole.begin(), change.whole.end());
        base = FloatTensor(merged);
        continue;
      }
      const auto rows = static_cast<size_t>(shape[0]);
      const size_t columns = merged.size() / rows;
      MergeProduct(change, rows, columns, base.data(), merged.data());
    }
  }
  return FloatTensor(std::move(merged));
}

std::vector<const LoraChange*> LoraAdapters::Products(std::span<const std::string> names,
                                                      const std::vector<int64_t>& shape) const {
  std::vector<const LoraChange*> products;
  for (const std::string& name : names) {
    for (const LoraChange& change : changes_.at(name)) {
      if (change.shape != shape || !change.whole.empty() || !change.magnitude.empty()) return {};
      products.push_back(&change);
    }
  }
  return products;
}

void LoraAdapters::Fail(const std::string& name, const std::string& reason) const {
  const LoraChange& change = changes_.at(name).front();
  throw Error(ErrorCode::kInvalidModel, change.file + ": tensor " + change.tensor + ": " + reason);
}

}  // namespace uffizi
