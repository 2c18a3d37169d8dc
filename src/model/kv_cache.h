#ifndef UFFIZI_MODEL_KV_CACHE_H_
#define UFFIZI_MODEL_KV_CACHE_H_

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "kernels/kernels.h"

namespace uffizi {

// Keys and values of the decoder's self-attention, for a number of slots. Each row of a step writes
// into a slot of its own. Beams that share a past read it from each other's slots
// (BartDecoder::Row), so nothing is copied when beams are reordered.
class SelfCache {
 public:
  SelfCache(size_t layers, size_t slots, size_t max_positions, size_t dim)
      : slots_(slots), max_positions_(max_positions), dim_(dim), keys_(layers), values_(layers) {
    for (size_t i = 0; i < layers; ++i) {
      keys_[i] = std::make_unique_for_overwrite<float[]>(slots * max_positions * dim);
      values_[i] = std::make_unique_for_overwrite<float[]>(slots * max_positions * dim);
    }
  }

  // [slots, heads, max_positions, dim / heads] f32: a head's past is contiguous
  float* keys(size_t layer) { return keys_[layer].get(); }
  float* values(size_t layer) { return values_[layer].get(); }

  // Sets a position of a slot. k, v: [dim] f32
  void Store(size_t layer, size_t heads, size_t slot, size_t position, const float* k,
             const float* v) {
    const size_t head_dim = dim_ / heads;
    for (size_t head = 0; head < heads; ++head) {
      const size_t at = ((slot * heads + head) * max_positions_ + position) * head_dim;
      std::copy_n(k + head * head_dim, head_dim, keys(layer) + at);
      std::copy_n(v + head * head_dim, head_dim, values(layer) + at);
    }
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
