#ifndef UFFIZI_MODEL_DAVIT_H_
#define UFFIZI_MODEL_DAVIT_H_

#include <functional>
#include <string>
#include <vector>

#include "checkpoint/config.h"
#include "checkpoint/weight_reader.h"
#include "core/arena.h"
#include "model/linear.h"

namespace uffizi {

// A feature map, channels last: [height, width, channels] f32.
struct FeatureMap {
  float* data;
  int height, width, channels;

  size_t tokens() const { return static_cast<size_t>(height) * static_cast<size_t>(width); }
  size_t size() const { return tokens() * static_cast<size_t>(channels); }
};

// x + depthwise 3x3 convolution of x: DaViT's position encoding.
struct PositionConv {
  FloatTensor weight;  // [3, 3, channels] f32
  FloatTensor bias;    // [channels] f32

  static PositionConv Read(const WeightReader& reader, const std::string& prefix, int channels);
  void Forward(const FeatureMap& in, float* out) const;
};

// The convolution at the start of a stage, over overlapping patches of the map.
struct PatchEmbedding {
  VisionConfig::Stage config;
  int in_channels;
  Linear convolution;  // over patches laid out [patch_size, patch_size, in_channels]
  Norm norm;

  static PatchEmbedding Read(const WeightReader& reader, const std::string& prefix,
                             const VisionConfig::Stage& config, int in_channels);
  FeatureMap OutputShape(const FeatureMap& in) const;  // with data unset
  // `in` is overwritten if the stage normalizes first.
  void Forward(const FeatureMap& in, const FeatureMap& out, Arena& arena) const;
};

// Attention, then an MLP, each preceded by a position convolution. In spatial blocks a token
// attends to the others of its window; in channel blocks a channel attends to the others of its
// group.
struct DavitBlock {
  enum class Kind { kSpatial, kChannel };
  Kind kind;
  VisionConfig::Stage config;
  int window_size;
  PositionConv conv1, conv2;
  Norm norm1, norm2;
  Linear qkv, projection;
  Mlp mlp;

  static DavitBlock Read(const WeightReader& reader, const std::string& prefix, Kind kind,
                         const VisionConfig& vision, const VisionConfig::Stage& config);
  // x and scratch: [height, width, dim] f32. The result is in x.
  void Forward(const FeatureMap& x, float* scratch, Arena& arena) const;

 private:
  void WindowAttention(const FeatureMap& x, Arena& arena) const;
  void AttendAcrossChannels(const FeatureMap& x, float* scratch, Arena& arena) const;
};

// The vision encoder, DaViT (arXiv 2204.03645), and the projector to the text encoder's space.
class Davit {
 public:
  static Davit Read(const WeightReader& reader, const ModelConfig& config);

  // Those to which adapters can be added.
  void ForEachLinear(const std::function<void(Linear&)>& visit);

  // pixels: [height, width, 3] f32, normalized, of the size in the preprocessor's config; read
  // only. tokens: [image_tokens, d_model] f32; the first is the pooled one.
  void Forward(const float* pixels, float* tokens, Arena& arena) const;

 private:
  struct Stage {
    PatchEmbedding embedding;
    std::vector<DavitBlock> blocks;
  };
  void Project(const FeatureMap& features, float* tokens, Arena& arena) const;

  int height_ = 0, width_ = 0;  // of the input, pixels
  std::vector<Stage> stages_;
  FloatTensor column_embeddings_;   // [positions, dim - dim / 2]
  FloatTensor row_embeddings_;      // [positions, dim / 2]
  FloatTensor temporal_embedding_;  // [dim], of the first and only frame
  Linear projection_;
  Norm projection_norm_;
};

}  // namespace uffizi

#endif  // UFFIZI_MODEL_DAVIT_H_
