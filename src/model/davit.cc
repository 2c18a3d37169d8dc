#include "model/davit.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "core/parallel.h"
#include "kernels/partition.h"

namespace uffizi {
namespace {

// Patches gathered at a time: enough rows for an efficient matrix product, but little memory.
constexpr size_t kPatchBlockRows = 1024;
// Tokens whose queries, keys and values are computed at a time: whole rows of windows, at least
// one.
constexpr size_t kBlockTokens = 1024;

size_t Size(int value) { return static_cast<size_t>(value); }

// A convolution's weight [out, in, size, size] as [out, size, size, in], so that a patch of a
// channels-last map is contiguous runs of its row.
FloatTensor ReadPatchWeight(const WeightReader& reader, const std::string& name, int out, int in,
                            int size) {
  const FloatTensor stored = reader.Floats(name, {out, in, size, size});
  LargeVector<float> weight(stored.size());
  const size_t area = Size(size) * Size(size);
  ParallelFor(Size(out), 8, [&](size_t begin, size_t end) {
    for (size_t o = begin; o < end; ++o) {
      for (size_t at = 0; at < area; ++at) {
        const float* from = stored.data() + o * Size(in) * area + at;
        float* to = weight.data() + (o * area + at) * Size(in);
        for (size_t i = 0; i < Size(in); ++i) to[i] = from[i * area];
      }
    }
  });
  return FloatTensor(std::move(weight));
}

// The smoothing of a convolution's input channels, repeated for each position of a patch. The zero
// padding around the map is shifted and scaled like all values.
InputSmoothing SmoothPatches(const WeightReader& reader, const std::string& name,
                             const FloatTensor& weight, size_t channels, size_t patch) {
  if (reader.smoothing() == nullptr) return {};
  const InputSmoothing input = reader.smoothing()->InputOf(
      name, weight.data(), weight.size() / channels, channels, {8, channels});
  if (input.empty()) return {};
  InputSmoothing repeated;
  std::vector<float> shift(patch), factor(patch);
  for (size_t i = 0; i < patch; ++i) {
    shift[i] = input.shift.data()[i % channels];
    factor[i] = input.factor.data()[i % channels];
  }
  repeated.shift = FloatTensor(std::move(shift));
  repeated.factor = FloatTensor(std::move(factor));
  return repeated;
}

}  // namespace

PositionConv PositionConv::Read(const WeightReader& reader, const std::string& prefix,
                                int channels) {
  const FloatTensor stored = reader.Floats(prefix + ".weight", {channels, 1, 3, 3});
  std::vector<float> weight(stored.size());
  for (size_t c = 0; c < Size(channels); ++c) {
    for (size_t at = 0; at < 9; ++at) weight[at * Size(channels) + c] = stored.data()[c * 9 + at];
  }
  return {FloatTensor(std::move(weight)), reader.Floats(prefix + ".bias", {channels})};
}

void PositionConv::Forward(const FeatureMap& in, float* out) const {
  DepthwiseConv3x3Residual(in.data, Size(in.height), Size(in.width), Size(in.channels),
                           weight.data(), bias.data(), out);
}

PatchEmbedding PatchEmbedding::Read(const WeightReader& reader, const std::string& prefix,
                                    const VisionConfig::Stage& config, int in_channels) {
  const int patch = config.patch_size * config.patch_size * in_channels;
  FloatTensor weight =
      ReadPatchWeight(reader, prefix + ".conv.weight", config.dim, in_channels, config.patch_size);
  Linear convolution(SmoothLinear(
      reader, weight, config.dim, patch, reader.Floats(prefix + ".conv.bias", {config.dim}),
      WeightBits::kWide,
      SmoothPatches(reader, prefix + ".conv.weight", weight, Size(in_channels), Size(patch))));
  Norm norm = Norm::Read(reader, prefix + ".norm", config.patch_prenorm ? in_channels : config.dim);
  return {config, in_channels, std::move(convolution), std::move(norm)};
}

FeatureMap PatchEmbedding::OutputShape(const FeatureMap& in) const {
  return {nullptr, config.Extent(in.height), config.Extent(in.width), config.dim};
}

void PatchEmbedding::Forward(const FeatureMap& in, const FeatureMap& out, Arena& arena) const {
  const Arena::Scope scope(arena);
  if (config.patch_prenorm) norm.Forward(in.data, in.tokens(), in.data);
  const size_t channels = Size(in_channels), patch = convolution.in();
  const size_t block = std::min(out.tokens(), kPatchBlockRows);
  float* patches = arena.Take<float>(block * patch);
  // Gathers one output token's patch, with zeros outside the map.
  const auto gather = [&](size_t token, float* row) {
    const int top =
        static_cast<int>(token) / out.width * config.patch_stride - config.patch_padding;
    const int left =
        static_cast<int>(token) % out.width * config.patch_stride - config.patch_padding;
    for (int y = top; y < top + config.patch_size; ++y) {
      for (int x = left; x < left + config.patch_size; ++x, row += channels) {
        if (y < 0 || y >= in.height || x < 0 || x >= in.width) {
          std::fill_n(row, channels, 0.0f);
        } else {
          std::copy_n(in.data + (Size(y) * Size(in.width) + Size(x)) * channels, channels, row);
        }
      }
    }
  };
  for (size_t begin = 0; begin < out.tokens(); begin += block) {
    const size_t count = std::min(block, out.tokens() - begin);
    ParallelFor(count, 32, [&](size_t first, size_t last) {
      for (size_t i = first; i < last; ++i) gather(begin + i, patches + i * patch);
    });
    convolution.Forward(patches, count, out.data + begin * Size(out.channels), arena);
  }
  if (!config.patch_prenorm) norm.Forward(out.data, out.tokens(), out.data);
}

DavitBlock DavitBlock::Read(const WeightReader& reader, const std::string& prefix, Kind kind,
                            const VisionConfig& vision, const VisionConfig::Stage& config) {
  const std::string block = prefix + (kind == Kind::kSpatial ? ".spatial_block" : ".channel_block");
  const std::string attention = block + (kind == Kind::kSpatial ? ".window_attn" : ".channel_attn");
  const int dim = config.dim, hidden = static_cast<int>(static_cast<float>(dim) * vision.mlp_ratio);
  return {kind,
          config,
          vision.window_size,
          PositionConv::Read(reader, block + ".conv1", dim),
          PositionConv::Read(reader, block + ".conv2", dim),
          Norm::Read(reader, block + ".norm1", dim),
          Norm::Read(reader, block + ".norm2", dim),
          Linear::Read(reader, attention + ".qkv", 3 * dim, dim, vision.qkv_bias),
          Linear::Read(reader, attention + ".proj", dim, dim),
          Mlp::Read(reader, block + ".ffn.", dim, hidden)};
}

void DavitBlock::Forward(const FeatureMap& x, float* scratch, Arena& arena) const {
  const FeatureMap moved{scratch, x.height, x.width, x.channels};
  conv1.Forward(x, moved.data);
  if (kind == Kind::kSpatial) {
    WindowAttention(moved, arena);
  } else {
    AttendAcrossChannels(moved, x.data, arena);
  }
  conv2.Forward(moved, x.data);
  mlp.PreNormResidual(norm2, x.data, x.tokens(), arena);
}

// Whole rows of windows are independent of each other, so they go through norm, attention and
// projection a group at a time. If the map's size is not a multiple of the window's, the map is
// padded with tokens that are zero after the norm. They take part as keys, because the model was
// trained that way.
void DavitBlock::WindowAttention(const FeatureMap& x, Arena& arena) const {
  const Arena::Scope scope(arena);
  const size_t dim = Size(x.channels), side = Size(window_size);
  const size_t width = Size(x.width), height = Size(x.height);
  const size_t across = (width + side - 1) / side, down = (height + side - 1) / side;
  const size_t row_tokens = across * side * side;
  const size_t block_tokens = ChainRows(kBlockTokens, static_cast<size_t>(MaxThreads()));
  const size_t group = std::min(down, std::max<size_t>(1, block_tokens / row_tokens));
  const size_t block = group * row_tokens;
  float* windows = arena.Take<float>(block * dim);
  float* qkv_rows = arena.Take<float>(block * 3 * dim);
  std::vector<AttentionJob> jobs;
  const AttentionShape shape{Size(config.heads),
                             dim / Size(config.heads),
                             3 * dim,
                             3 * dim,
                             dim,
                             1.0f / std::sqrt(static_cast<float>(dim / Size(config.heads))),
                             qkv.packed() != nullptr};
  for (size_t first_row = 0; first_row < down; first_row += group) {
    const size_t rows = std::min(group, down - first_row), tokens = rows * row_tokens;
    // Calls visit(token of the map or null, row in window order) for a slice of the rows.
    const auto for_each = [&](const auto& visit) {
      ParallelFor(tokens, 64, [&](size_t first, size_t last) {
        for (size_t i = first; i < last; ++i) {
          const size_t window = i / (side * side), inside = i % (side * side);
          const size_t top = (first_row + window / across) * side + inside / side;
          const size_t left = window % across * side + inside % side;
          const bool real = top < height && left < width;
          visit(real ? x.data + (top * width + left) * dim : nullptr, windows + i * dim);
        }
      });
    };
    for_each([&](const float* token, float* row) {
      if (token == nullptr) {
        std::fill_n(row, dim, 0.0f);
      } else {
        norm1.Forward(token, 1, row);
      }
    });
    qkv.Forward(windows, tokens, qkv_rows, arena);
    jobs.clear();
    for (size_t at = 0; at < tokens; at += side * side) {
      const float* q = qkv_rows + at * 3 * dim;
      jobs.push_back({q, q + dim, q + 2 * dim, windows + at * dim, side * side, side * side});
    }
    Attention(jobs, shape);
    projection.Forward(windows, tokens, qkv_rows, arena);
    for_each([&](float* token, const float* row) {
      if (token == nullptr) return;
      const float* added = qkv_rows + (row - windows);
      for (size_t c = 0; c < dim; ++c) token[c] += added[c];
    });
  }
}

// The attention weights depend on all tokens, so there are two passes over blocks of tokens. The
// first keeps only the values, in `scratch`.
void DavitBlock::AttendAcrossChannels(const FeatureMap& x, float* scratch, Arena& arena) const {
  const Arena::Scope scope(arena);
  const size_t dim = Size(x.channels), groups = Size(config.groups), group_dim = dim / groups;
  const size_t tokens = x.tokens();
  const size_t block = std::min(tokens, ChainRows(kBlockTokens, static_cast<size_t>(MaxThreads())));
  const auto for_each_block = [&](const auto& visit) {
    for (size_t first = 0; first < tokens; first += block) {
      visit(first, std::min(block, tokens - first));
    }
  };
  float* products = arena.Take<float>(dim * group_dim);
  float* weights = arena.Take<float>(dim * group_dim);
  float* rows = arena.Take<float>(block * dim);
  float* qkv_rows = arena.Take<float>(block * 3 * dim);
  std::fill_n(products, dim * group_dim, 0.0f);
  for_each_block([&](size_t first, size_t count) {
    const float* in = x.data + first * dim;
    if (qkv.takes_codes()) {
      const Arena::Scope input_scope(arena);
      const QuantizedRows input = qkv.TakeInput(count, arena);
      norm1.Forward(in, count, input);
      qkv.Forward(input, count, qkv_rows);
    } else {
      norm1.Forward(in, count, rows);
      qkv.Forward(rows, count, qkv_rows, arena);
    }
    AddChannelProducts(qkv_rows, count, groups, group_dim, products);
    ParallelFor(count, 64, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        std::copy_n(qkv_rows + (3 * i + 2) * dim, dim, scratch + (first + i) * dim);
      }
    });
  });
  ChannelWeights(products, tokens, groups, group_dim, weights);
  for_each_block([&](size_t first, size_t count) {
    float* out = x.data + first * dim;
    MixChannels(scratch + first * dim, count, groups, group_dim, weights, rows);
    projection.Forward(rows, count, out, arena, Activation::kNone, out);
  });
}

Davit Davit::Read(const WeightReader& reader, const ModelConfig& config) {
  Davit davit;
  davit.height_ = config.preprocess.height;
  davit.width_ = config.preprocess.width;
  int channels = config.vision.in_channels;
  for (size_t s = 0; s < config.vision.stages.size(); ++s) {
    const VisionConfig::Stage& stage = config.vision.stages[s];
    const std::string number = std::to_string(s);
    Stage read{PatchEmbedding::Read(reader, "model.vision_tower.convs." + number, stage, channels),
               {}};
    for (int b = 0; b < stage.depth; ++b) {
      const std::string prefix = "model.vision_tower.blocks." + number + "." + std::to_string(b);
      for (const auto kind : {DavitBlock::Kind::kSpatial, DavitBlock::Kind::kChannel}) {
        read.blocks.push_back(DavitBlock::Read(reader, prefix, kind, config.vision, stage));
      }
    }
    davit.stages_.push_back(std::move(read));
    channels = stage.dim;
  }
  const std::string projector = "model.multi_modal_projector.";
  const int positions = config.vision.max_position_embeddings;
  davit.column_embeddings_ =
      reader.Floats(projector + "image_position_embed.column_embeddings.weight",
                    {positions, channels - channels / 2});
  davit.row_embeddings_ = reader.Floats(projector + "image_position_embed.row_embeddings.weight",
                                        {positions, channels / 2});
  // Position 0 of a sinusoidal table: sine 0 at even places, cosine 1 at odd ones.
  std::vector<float> temporal(Size(channels));
  for (size_t c = 1; c < temporal.size(); c += 2) temporal[c] = 1.0f;
  const std::string table = projector + "visual_temporal_embed.pos_idx_to_embed";
  if (const TensorView* stored = reader.Find(table)) {
    const int64_t frames = stored->shape.empty() ? 0 : stored->shape[0];
    const FloatTensor all = reader.Floats(table, {frames, channels});
    if (!all.empty()) temporal.assign(all.data(), all.data() + channels);
  }
  davit.temporal_embedding_ = FloatTensor(std::move(temporal));
  const int d_model = config.text.d_model;
  WeightMatrix projection = reader.Matrix(reader.ImageProjection(d_model, channels), d_model,
                                          channels, WeightBits::kWide);
  davit.projection_ =
      Linear({std::move(projection), {}, {}, {}}, projector + "image_projection.weight");
  davit.projection_norm_ = Norm::Read(reader, projector + "image_proj_norm", d_model);
  return davit;
}

void Davit::ForEachLinear(const std::function<void(Linear&)>& visit) {
  for (Stage& stage : stages_) {
    for (DavitBlock& block : stage.blocks) {
      for (Linear* layer : {&block.qkv, &block.projection, &block.mlp.fc1, &block.mlp.fc2}) {
        visit(*layer);
      }
    }
  }
  visit(projection_);
}

void Davit::Forward(const float* pixels, float* tokens, Arena& arena) const {
  const Arena::Scope scope(arena);
  FeatureMap map{nullptr, height_, width_, stages_[0].embedding.in_channels};
  map.data = arena.Take<float>(map.size());  // a copy, since a stage may normalize its input
  std::copy_n(pixels, map.size(), map.data);
  size_t largest = 0;
  FeatureMap shape = map;
  for (const Stage& stage : stages_) {
    shape = stage.embedding.OutputShape(shape);
    largest = std::max(largest, shape.size());
  }
  float* current = arena.Take<float>(largest);
  float* other = arena.Take<float>(largest);
  for (const Stage& stage : stages_) {
    FeatureMap out = stage.embedding.OutputShape(map);
    out.data = map.data == current ? other : current;
    stage.embedding.Forward(map, out, arena);
    float* scratch = out.data == current ? other : current;
    for (const DavitBlock& block : stage.blocks) block.Forward(out, scratch, arena);
    map = out;
  }
  Project(map, tokens, arena);
}

// Adds position and frame embeddings, puts the mean of all tokens first, and maps to d_model.
void Davit::Project(const FeatureMap& features, float* tokens, Arena& arena) const {
  const Arena::Scope scope(arena);
  const size_t dim = Size(features.channels), half = dim - dim / 2;
  float* rows = arena.Take<float>((features.tokens() + 1) * dim);
  std::vector<double> mean(dim);
  for (size_t t = 0; t < features.tokens(); ++t) {
    const float* column = column_embeddings_.data() + t % Size(features.width) * half;
    const float* row = row_embeddings_.data() + t / Size(features.width) * (dim - half);
    const float* in = features.data + t * dim;
    float* out = rows + (t + 1) * dim;
    for (size_t c = 0; c < dim; ++c) {
      const float position = c < half ? column[c] : row[c - half];
      out[c] = in[c] + position + temporal_embedding_.data()[c];
      mean[c] += out[c];
    }
  }
  for (size_t c = 0; c < dim; ++c) {
    rows[c] = static_cast<float>(mean[c] / static_cast<double>(features.tokens()));
  }
  projection_.Forward(rows, features.tokens() + 1, tokens, arena);
  projection_norm_.Forward(tokens, features.tokens() + 1, tokens);
}

}  // namespace uffizi
