#ifndef UFFIZI_CHECKPOINT_CONFIG_H_
#define UFFIZI_CHECKPOINT_CONFIG_H_

#include <array>
#include <filesystem>
#include <vector>

#include "generate/generation_config.h"

namespace uffizi {

// Sizes of the vision encoder, DaViT (arXiv 2204.03645), as config.json's vision_config gives them.
struct VisionConfig {
  struct Stage {
    int dim;         // channels
    int heads;       // of window attention
    int groups;      // of channel attention
    int depth;       // pairs of one spatial and one channel block
    int patch_size;  // of the convolution that begins the stage, pixels of its input
    int patch_stride;
    int patch_padding;
    bool patch_prenorm;  // layer norm before the convolution rather than after

    // Width or height of the convolution's output for the given width or height of its input.
    int Extent(int size) const;
  };
  std::vector<Stage> stages;
  int in_channels = 3;
  int window_size = 12;
  float mlp_ratio = 4;
  bool qkv_bias = true;
  int projection_dim = 0;            // of an image token given to the text encoder
  int max_position_embeddings = 50;  // rows, and columns, of the learned position table
};

// Sizes of the text encoder and decoder, BART (arXiv 1910.13461).
struct TextConfig {
  int vocab_size = 0;
  int d_model = 0;
  int encoder_layers = 0, decoder_layers = 0;
  int encoder_heads = 0, decoder_heads = 0;
  int encoder_ffn_dim = 0, decoder_ffn_dim = 0;
  int max_positions = 0;
  bool scale_embedding = false;  // multiply token embeddings by sqrt(d_model)
};

// How a picture becomes the model's input, from preprocessor_config.json, or from
// processor_config.json, which transformers 5 writes instead.
struct PreprocessConfig {
  int width = 0, height = 0;  // pixels
  int resample = 3;           // Pillow's number of the filter; 3 = bicubic
  float rescale = 1.0f / 255;
  std::array<float, 3> mean = {0.485f, 0.456f, 0.406f};
  std::array<float, 3> std = {0.229f, 0.224f, 0.225f};
};

struct ModelConfig {
  VisionConfig vision;
  TextConfig text;
  PreprocessConfig preprocess;
  GenerationConfig generation;  // generation_config.json over config.json over the defaults

  int traced_image_tokens = 0;  // if only a graph gives it; then there is no vision config

  // Tokens of one picture: the pooled token, followed by the last stage's grid.
  int image_tokens() const;
};

// Reads config.json, preprocessor_config.json (or processor_config.json) and generation_config.json
// (which may be missing) of a model folder, with transformers' or Microsoft's keys. Throws
// Error(kInvalidModel) naming the file and the key if something is missing, has the wrong type, or
// is impossible.
ModelConfig LoadModelConfig(const std::filesystem::path& folder);

// Sizes given by OpenVINO graphs that are run unchanged.
struct GraphSizes {
  int vocab_size, d_model, image_tokens;
};

// Like LoadModelConfig(), for such graphs: config.json may be missing, and only its generation
// options and number of positions are used.
ModelConfig LoadGraphConfig(const std::filesystem::path& folder, const GraphSizes& sizes);

PreprocessConfig LoadPreprocess(const std::filesystem::path& folder);

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_CONFIG_H_
