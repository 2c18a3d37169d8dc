#ifndef UFFIZI_QUANTIZE_PRODUCTS_IN_PARTS_H_
#define UFFIZI_QUANTIZE_PRODUCTS_IN_PARTS_H_

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/input_statistics.h"

namespace uffizi {

// Returns second moments of the inputs of the layers with these weights, or of some of them.
using ProductsSource =
    std::function<std::map<std::string, InputProducts>(std::span<const std::string> weights)>;

// Provides the moments of one layer after another, and computes them for as many layers at once as
// memory allows: those of all layers of a large model would take gigabytes.
class ProductsInParts {
 public:
  struct Layer {
    std::string weight;
    size_t columns;
  };

  // `source` may be empty if no moments are known. layers: in the order in which Take() will be
  // called
  ProductsInParts(ProductsSource source, std::vector<Layer> layers)
      : source_(std::move(source)), layers_(std::move(layers)) {}

  // Whether moments of this layer may be available.
  bool Has(const std::string& weight) const;

  // Nothing if they are not available.
  std::optional<InputProducts> Take(const std::string& weight);

 private:
  ProductsSource source_;
  std::vector<Layer> layers_;
  size_t next_ = 0;  // first layer whose moments have not been computed yet
  std::map<std::string, InputProducts> known_;
};

}  // namespace uffizi

#endif  // UFFIZI_QUANTIZE_PRODUCTS_IN_PARTS_H_
