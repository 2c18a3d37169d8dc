#ifndef UFFIZI_CHECKPOINT_SMOOTHING_SITES_H_
#define UFFIZI_CHECKPOINT_SMOOTHING_SITES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "checkpoint/config.h"

namespace uffizi {

// A place between layers where each column of activations can be shifted and scaled while those who
// read them do the opposite, so that the network's function stays. Names are transformers-native.
struct SmoothingSite {
  enum class Source {
    kNorm,    // a layer norm's output
    kValues,  // values, behind attention
    kHidden,  // an MLP's hidden units, behind GELU
    kPixels,  // the picture itself
  };
  Source source;
  std::string producer;              // "...norm1", "...v_proj" or "...fc1"; nothing for pixels
  std::vector<std::string> readers;  // names of weights
  // Of values: the first of the producer's rows that are values, and the channels that channel
  // attention mixes with each other, which must therefore be treated alike. 1: none are mixed.
  size_t first_row = 0, mixed = 1;
  // Whether nobody but the readers sees these activations, so that factors fold into the producer's
  // weights. BART's norms also feed the residual sum; GELU is not linear.
  bool folds = false;
};

// Keys that softmax attention compares with queries. To each dimension of a key a constant may be
// added, which softmax does not see, and it may be scaled if the query's is scaled back.
struct KeySite {
  std::string keys, queries;  // "...k_proj" and "...q_proj", or "...qkv" twice
  size_t first_row = 0;       // of the keys
  bool cached = false;        // in 8 bits, by cross-attention
};

struct SmoothingSites {
  std::vector<SmoothingSite> inputs;
  std::vector<KeySite> keys;
};

// All places of a network of these sizes.
SmoothingSites FindSmoothingSites(const ModelConfig& config);

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_SMOOTHING_SITES_H_
