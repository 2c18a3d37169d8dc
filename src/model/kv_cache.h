#ifndef UFFIZI_MODEL_KV_CACHE_H_
#define UFFIZI_MODEL_KV_CACHE_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "kernels/kernels.h"

namespace uffizi {

// Keys and values of the decoder's own past, for a number of slots. A row of a step writes into a
// slot of its own; beams that share a past read it from each other's slots (BartDecoder::Row), so
// that nothing is copied when beams change places.
class SelfCache {
 public:
  SelfCache(size_t layers, size_t slots, size_t max_positions, size_t dim)
      : slots_(slots), max_positions_(max_positions), dim_(dim), keys_(layers), values_(layers) {
    for (size_t i = 0; i < layers; ++i) {
      keys_[i] = std::make_unique_for_overwrite<float[]>(slots * max_positions * dim);
      values_[i] = std::make_unique_for_overwrite<float[]>(slots * max_positions * dim);
    }
  }

  // [slots, max_positions, dim] f32
  float* keys(size_t layer) { return keys_[layer].get(); }
  float* values(size_t layer) { return values_[layer].get(); }

  // Elements before a position of a slot.
  size_t Offset(size_t slot, size_t position) const {
    return (slot * max_positions_ + position) * dim_;
  }

  size_t slots() const { return slots_; }
  size_t max_positions() const { return max_positions_; }

 private:
  size_t slots_, max_positions_, dim_;
  std::vector<std::unique_ptr<float[]>> keys_, values_;
};

// Keys and values of one sequence's encoder states, for every decoder layer; views into an arena.
struct CrossCache {
  std::vector<CrossKeysValues> layers;
};

}  // namespace uffizi

#endif  // UFFIZI_MODEL_KV_CACHE_H_
