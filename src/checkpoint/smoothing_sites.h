#ifndef UFFIZI_CHECKPOINT_SMOOTHING_SITES_H_
#define UFFIZI_CHECKPOINT_SMOOTHING_SITES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "checkpoint/config.h"

namespace uffizi {

// A place between layers where each column of activations can be shifted and scaled and the layers
// that read them can undo this, so that the network's function stays the same. Names are
// transformers-native.
struct SmoothingSite {
  enum class Source {
    kNorm,    // a layer norm's output
    kValues,  // values, after attention
    kHidden,  // an MLP's hidden units, after GELU
    kPixels,  // the picture itself
  };
  Source source;
  std::string producer;              // "...norm1", "...v_proj" or "...fc1"; empty for pixels
  std::vector<std::string> readers;  // names of weights
  // For kValues: the first of the producer's rows that are values, and the number of channels that
  // channel attention mixes, which must be treated alike. 1 if none are mixed.
  size_t first_row = 0, mixed = 1;
  // Whether only the readers use these activations, so that factors can be folded into the
  // producer's weights. BART's norms also feed the residual sum; GELU is not linear.
  bool folds = false;
};

// Keys of a softmax attention. Adding a constant to each dimension of the keys does not change the
// softmax, and a dimension may be scaled if that of the queries is scaled inversely.
struct KeySite {
  std::string keys, queries;  // "...k_proj" and "...q_proj", or "...qkv" twice
  size_t first_row = 0;       // of the keys
  bool cached = false;        // in 8 bits, by cross-attention
};

struct SmoothingSites {
  std::vector<SmoothingSite> inputs;
  std::vector<KeySite> keys;
};

// All sites of a network with this config.
SmoothingSites FindSmoothingSites(const ModelConfig& config);

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_SMOOTHING_SITES_H_
