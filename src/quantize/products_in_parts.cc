#include "quantize/products_in_parts.h"

#include <algorithm>
#include <utility>

namespace uffizi {
namespace {

constexpr size_t kMostBytes = size_t{1} << 30;  // of one part; a layer may be larger

}  // namespace

bool ProductsInParts::Has(const std::string& weight) const {
  return source_ && std::any_of(layers_.begin(), layers_.end(),
                                [&](const Layer& layer) { return layer.weight == weight; });
}

std::optional<InputProducts> ProductsInParts::Take(const std::string& weight) {
  if (!source_) return std::nullopt;
  while (!known_.contains(weight)) {
    std::vector<std::string> part;
    size_t bytes = 0;
    for (; next_ < layers_.size(); ++next_) {
      const size_t own = layers_[next_].columns * layers_[next_].columns * sizeof(float);
      if (!part.empty() && bytes + own > kMostBytes) break;
      bytes += own;
      part.push_back(layers_[next_].weight);
    }
    if (part.empty()) return std::nullopt;
    known_ = source_(part);
  }
  return std::move(known_.extract(weight).mapped());
}

}  // namespace uffizi
