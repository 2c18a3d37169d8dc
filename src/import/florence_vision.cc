// DaViT and the projector after it.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "import/layer_matcher.h"
#include "import/traced_size.h"
#include "import/visual_embeddings.h"

namespace uffizi {
namespace {

using Kind = PlainOp::Kind;

constexpr size_t kMaxBlocks = 1000;
// A spatial or a channel block.
struct Block {
  const PlainOp *conv1, *norm1, *qkv, *attention, *proj, *conv2, *norm2, *fc1, *fc2;
};

struct Stage {
  const PlainOp *convolution, *norm;
  bool prenorm;
  std::vector<std::pair<Block, Block>> blocks;  // spatial, channel
};

class VisionReader {
 public:
  VisionReader(ImportedGraph& graph, ImportedModel& model)
      : picture_(ReadTracedSize(graph.graph)),
        match_(graph, model,
               [size = picture_](const IrNode&) {
                 return std::vector<int64_t>{1, 3, size.height, size.width};
               }),
        graph_(graph.graph),
        model_(model) {}

  void Read() {
    const PlainValue features = MatchProjector();
    MatchStages(features);
    for (const Stage& stage : stages_) TakeStage(stage);
    vision_.mlp_ratio = static_cast<float>(mlp_ratio_);
    vision_.window_size = std::max(window_, 1);
    TakeProjector();
    model_.vision = vision_;
    model_.image_height = traced_side_ > 0 ? traced_side_ : picture_.height;
    model_.image_width = traced_side_ > 0 ? traced_side_ : picture_.width;
  }

 private:
  // From image tokens back to the output of the last stage.
  PlainValue MatchProjector() {
    projection_norm_ = &match_.Expect(match_.Result(), Kind::kNorm, "image_proj_norm");
    projection_ =
        &match_.Expect(match_.Input(*projection_norm_), Kind::kLinear, "image_projection");
    const PlainOp& tokens = match_.Expect(match_.Input(*projection_), Kind::kConcat,
                                          "of the pooled token and all tokens");
    if (tokens.inputs.size() != 2) match_.Fail(tokens, "does not join two kinds of tokens");
    PlainValue features = tokens.inputs[1];
    PlainValue pooled = tokens.inputs[0];
    if (match_.Is(pooled, Kind::kMean)) pooled = match_.Input(match_.plain().op(pooled));
    match_.ExpectSame(pooled, features, "the pooled token");
    // Temporal and position embeddings.
    for (size_t sums = 0; sums < 2 && match_.Is(features, Kind::kAdd); ++sums) {
      const PlainOp& sum = match_.plain().op(features);
      const bool first = IsEmbedding(sum.inputs[0]);
      if (!first && !IsEmbedding(sum.inputs[1])) break;
      (sums == 0 ? last_sum_ : first_sum_) = &sum.inputs[first ? 0 : 1];
      features = sum.inputs[first ? 1 : 0];
    }
    return features;
  }

  bool IsEmbedding(const PlainValue& value) const {
    return match_.Is(value, Kind::kConstant) || match_.Is(value, Kind::kConcat);
  }

  // Stages and their blocks, from the last to the first.
  void MatchStages(PlainValue value) {
    size_t blocks = 0;
    while (!match_.Is(value, Kind::kInput)) {
      Stage stage{};
      while (match_.Is(value, Kind::kAdd)) {
        if (++blocks > kMaxBlocks) graph_.Fail("has too many blocks");
        auto& [spatial, channel] = stage.blocks.emplace_back();
        value = MatchBlock(value, channel, "channel_block");
        value = MatchBlock(value, spatial, "spatial_block");
      }
      std::reverse(stage.blocks.begin(), stage.blocks.end());
      stage.prenorm = match_.Is(value, Kind::kConvolution);
      if (!stage.prenorm) {
        stage.norm = &match_.Expect(value, Kind::kNorm, "behind a stage's convolution");
        value = match_.Input(*stage.norm);
      }
      stage.convolution = &match_.Expect(value, Kind::kConvolution, "that begins a stage");
      value = match_.Input(*stage.convolution);
      if (stage.prenorm) {
        stage.norm = &match_.Expect(value, Kind::kNorm, "before a stage's convolution");
        value = match_.Input(*stage.norm);
      }
      if (stages_.size() == kMaxBlocks) graph_.Fail("has too many stages");
      stages_.push_back(std::move(stage));
    }
    match_.Expect(value, Kind::kInput, "of pixels");
    if (stages_.empty()) graph_.Fail("has no convolution: is not Florence-2's picture model");
    std::reverse(stages_.begin(), stages_.end());
    if (match_.plain().Shape(value).size() != 4) {
      graph_.Fail(value.node, "is not a batch of pictures");
    }
  }

  // Microsoft's code adds a convolution's output to tokens, transformers' adds it to maps.
  void NoteLineage(const PlainValue& sum) {
    const auto& shape = match_.plain().known(match_.plain().op(sum).node).shape;
    if (shape) model_.lineage = shape->size() == 3 ? "Microsoft" : "transformers";
  }

  PlainValue MatchBlock(PlainValue value, Block& block, const std::string& name) {
    const auto ffn = match_.ExpectResidual(value, Kind::kLinear, name + ".ffn");
    block.fc2 = ffn.branch;
    const PlainOp& gelu = match_.Expect(match_.Input(*block.fc2), Kind::kGelu, "before fc2");
    block.fc1 = &match_.Expect(match_.Input(gelu), Kind::kLinear, name + ".ffn.fc1");
    block.norm2 = &match_.Expect(match_.Input(*block.fc1), Kind::kNorm, name + ".norm2");
    match_.ExpectSame(match_.Input(*block.norm2), ffn.past, name + ".norm2");

    const auto conv2 = match_.ExpectResidual(ffn.past, Kind::kDepthwise, name + ".conv2");
    block.conv2 = conv2.branch;
    match_.ExpectSame(match_.Input(*block.conv2), conv2.past, name + ".conv2");

    const auto attention = match_.ExpectResidual(conv2.past, Kind::kLinear, name + "'s attention");
    block.proj = attention.branch;
    const auto found = match_.ExpectAttention(match_.Input(*block.proj), name + "'s attention");
    block.attention = found.op;
    block.qkv = found.query;
    if (found.query != found.key || found.key != found.value) {
      match_.Fail(*found.op, "takes queries, keys and values from several linear layers");
    }
    block.norm1 = &match_.Expect(match_.Input(*block.qkv), Kind::kNorm, name + ".norm1");
    match_.ExpectSame(match_.Input(*block.norm1), attention.past, name + ".norm1");

    const auto conv1 = match_.ExpectResidual(attention.past, Kind::kDepthwise, name + ".conv1");
    block.conv1 = conv1.branch;
    match_.ExpectSame(match_.Input(*block.conv1), conv1.past, name + ".conv1");
    NoteLineage(attention.past);
    return conv1.past;
  }

  // The single number in an attribute such as strides="4, 4".
  int Square(const PlainOp& op, const char* key) const {
    const std::string text = graph_.node(op.node).Attribute(key);
    int first = -1, second = -1;
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, first);
    const size_t skip = text.find_first_not_of(", ", static_cast<size_t>(at - text.data()));
    if (error != std::errc() || skip == std::string::npos ||
        std::from_chars(text.data() + skip, end, second).ec != std::errc() || first != second ||
        first < 0 || first > 64) {
      match_.Fail(op, std::string(key) + " is not twice the same number");
    }
    return first;
  }

  // Size, stride and padding; both paddings are the same.
  VisionConfig::Stage ReadWindow(const PlainOp& op) const {
    const auto& known = match_.plain().known(op.weight).shape;
    const size_t rank = op.kind == Kind::kConvolution ? 4 : 5;
    if (!known || known->size() != rank) match_.Fail(op, "has a weight of unusual shape");
    const std::vector<int64_t>& shape = *known;
    const int64_t size = shape.back();
    if (shape[rank - 2] != size || size < 1 || size > 64 || shape[0] < 1 || shape[0] > (1 << 16)) {
      match_.Fail(op, "is not a square convolution of usual size");
    }
    VisionConfig::Stage stage{};
    stage.dim = static_cast<int>(shape[0]);
    stage.patch_size = static_cast<int>(size);
    stage.patch_stride = Square(op, "strides");
    stage.patch_padding = Square(op, "pads_begin");
    if (Square(op, "pads_end") != stage.patch_padding || Square(op, "dilations") != 1 ||
        graph_.node(op.node).Attribute("auto_pad", "explicit") != "explicit" ||
        stage.patch_stride < 1 || stage.patch_padding >= stage.patch_size) {
      match_.Fail(op, "is padded or dilated in a way that Florence-2 has not");
    }
    return stage;
  }

  void TakeStage(const Stage& found) {
    const size_t number = vision_.stages.size();
    const std::string name = "model.vision_tower.convs." + std::to_string(number);
    VisionConfig::Stage stage = ReadWindow(*found.convolution);
    stage.patch_prenorm = found.prenorm;
    match_.TakeConvolution(*found.convolution, name + ".conv",
                           {stage.dim, channels_, stage.patch_size, stage.patch_size});
    match_.TakeNorm(*found.norm, name + ".norm", found.prenorm ? channels_ : stage.dim);
    channels_ = stage.dim;
    const std::vector<int64_t>* map = &ShapeOf(*found.convolution);
    map_height_ = (*map)[2];
    map_width_ = (*map)[3];
    for (const auto& [spatial, channel] : found.blocks) {
      const std::string block =
          "model.vision_tower.blocks." + std::to_string(number) + "." + std::to_string(stage.depth);
      TakeBlock(spatial, block + ".spatial_block", ".window_attn");
      match_.Agree(*spatial.attention, WindowHeads(spatial), stage.heads);
      TakeBlock(channel, block + ".channel_block", ".channel_attn");
      match_.Agree(*channel.attention, ChannelGroups(channel), stage.groups);
      ++stage.depth;
    }
    if (stage.depth == 0) stage.heads = stage.groups = 1;
    vision_.stages.push_back(stage);
  }

  // [batch, channels, height, width]
  const std::vector<int64_t>& ShapeOf(const PlainOp& convolution) const {
    const auto& shape = match_.plain().known(convolution.node).shape;
    if (!shape || shape->size() != 4) match_.Fail(convolution, "has a result of unknown size");
    return *shape;
  }

  void TakeBlock(const Block& block, const std::string& name, const std::string& attention) {
    TakeDepthwise(*block.conv1, name + ".conv1");
    match_.TakeNorm(*block.norm1, name + ".norm1", channels_);
    CheckQueryKeyValue(*block.attention);
    match_.TakeLinear(*block.qkv, name + attention + ".qkv", 3 * channels_, channels_);
    match_.TakeLinear(*block.proj, name + attention + ".proj", channels_, channels_);
    TakeDepthwise(*block.conv2, name + ".conv2");
    match_.TakeNorm(*block.norm2, name + ".norm2", channels_);
    const int hidden = match_.TakeLinear(*block.fc1, name + ".ffn.fc1", 0, channels_).out;
    match_.TakeLinear(*block.fc2, name + ".ffn.fc2", channels_, hidden);
    const double ratio = static_cast<double>(hidden) / channels_;
    if (mlp_ratio_ != 0 && mlp_ratio_ != ratio) match_.Fail(*block.fc1, "is wider than the others");
    mlp_ratio_ = ratio;
  }

  void TakeDepthwise(const PlainOp& op, const std::string& name) {
    const VisionConfig::Stage window = ReadWindow(op);
    if (window.patch_size != 3 || window.patch_stride != 1 || window.patch_padding != 1) {
      match_.Fail(op, "is not a 3x3 convolution with padding 1");
    }
    match_.TakeConvolution(op, name, {channels_, 1, 3, 3});
  }

  // Which third of an axis a slice takes.
  int SlicedThird(int index) const {
    const IrNode& node = graph_.node(index);
    const auto& begins = match_.plain().known(node.inputs.at(1).node).values;
    const auto& from = match_.plain().known(node.inputs[0].node).shape;
    const auto& to = match_.plain().known(index).shape;
    if (!begins || !from || !to || from->size() != to->size()) return -1;
    for (size_t d = 0; d < to->size(); ++d) {
      if ((*from)[d] == (*to)[d]) continue;
      if ((*to)[d] < 1 || (*from)[d] != 3 * (*to)[d]) return -1;
      const double begin = begins->size() == 1  ? begins->front()
                           : d < begins->size() ? (*begins)[d]
                                                : -1;
      return static_cast<int>(begin / static_cast<double>((*to)[d]));
    }
    return -1;
  }

  // Which third of the linear layer's output a value is; -1 if unknown.
  int Third(const PlainValue& value) const {
    for (const IrNode::Input& move : match_.plain().Moves(value)) {
      const IrNode& node = graph_.node(move.node);
      if (node.type == "Split" || node.type == "VariadicSplit") return static_cast<int>(move.port);
      if (node.type == "Gather") {
        const auto index = match_.plain().known(node.inputs[1].node).scalar();
        return index ? static_cast<int>(*index < 0 ? *index + 3 : *index) : -1;
      }
      if (node.type == "Slice" || node.type == "StridedSlice") return SlicedThird(move.node);
    }
    return -1;
  }

  void CheckQueryKeyValue(const PlainOp& attention) const {
    for (int i = 0; i < 3; ++i) {
      if (Third(attention.inputs[static_cast<size_t>(i)]) != i) {
        match_.Fail(attention, "does not take queries, keys and values in this order");
      }
    }
  }

  // Padding may only come after the map, and must be zeros.
  void CheckPadding(const IrNode& node, int index) const {
    const auto zeros = [&](size_t input) {
      if (input >= node.inputs.size()) return true;
      const auto& values = match_.plain().known(node.inputs[input].node).values;
      return values &&
             std::all_of(values->begin(), values->end(), [](double value) { return value == 0; });
    };
    if (node.Attribute("pad_mode", "constant") != "constant" || !zeros(1) || !zeros(3)) {
      graph_.Fail(index, "pads other than with zeros after the map");
    }
  }

  // Windows are cut as [batch, rows, window, columns, window, channels]. A map that fits
  // in one window need not be cut.
  int WindowHeads(const Block& block) {
    const PlainOp& attention = *block.attention;
    if (match_.QueryFactor(attention) != 1) FailScale(attention);
    const int window =
        static_cast<int>(std::lround(std::sqrt(static_cast<double>(attention.queries))));
    if (window < 1 || window > 1024 || int64_t{window} * window != attention.queries ||
        attention.keys != attention.queries) {
      match_.Fail(attention, "is not attention in square windows, which is expected");
    }
    bool cut = map_height_ <= window && map_width_ <= window;
    for (const IrNode::Input& move : match_.plain().Moves(match_.Input(*block.qkv))) {
      const IrNode& node = graph_.node(move.node);
      const auto& shape = match_.plain().known(move.node).shape;
      if (node.type == "Pad") CheckPadding(node, move.node);
      cut = cut || (node.type == "Reshape" && shape && shape->size() == 6 &&
                    (*shape)[2] == window && (*shape)[4] == window && (*shape)[5] == channels_);
    }
    if (!cut) {
      match_.Fail(attention, "its windows are not cut from rows and columns of the map");
    }
    match_.Agree(attention, window, window_);
    if (attention.width < 1 || channels_ % attention.width != 0) {
      match_.Fail(attention, "has heads that do not divide the channels");
    }
    const int64_t heads = channels_ / attention.width;
    match_.ExpectHeads(attention, heads, attention.width);
    return static_cast<int>(heads);
  }

  void FailScale(const PlainOp& attention) const {
    match_.Fail(attention, "scales its scores differently from Florence-2");
  }

  // The scale is tokens^-0.5. A graph with dynamic picture sizes may still have the scale of the
  // square pictures it was traced with, which gives their side.
  void CheckChannelScale(const PlainOp& attention) {
    if (match_.QueryFactor(attention) == 1) return;
    constexpr double kTolerance = 1e-3, kMost = 1 << 12;
    const double map = 1 / attention.scale;
    if (!picture_.open || !(map > 0.5 && map < kMost) ||
        std::abs(map - std::round(map)) > kTolerance * map) {
      FailScale(attention);
    }
    const int stride = picture_.height / static_cast<int>(map_height_);
    const int side = static_cast<int>(std::lround(map)) * stride;
    if (traced_side_ == 0) traced_side_ = side;
    if (side < traced_side_ || side >= traced_side_ + stride) FailScale(attention);
  }

  // Channels of a group attend to each other over all tokens.
  int ChannelGroups(const Block& block) {
    const PlainOp& attention = *block.attention;
    CheckChannelScale(attention);
    const int64_t group = attention.queries;
    if (attention.width != map_height_ * map_width_ || attention.keys != group || group < 1 ||
        channels_ % group != 0) {
      match_.Fail(attention, "is not attention among channels, which is expected");
    }
    match_.ExpectHeads(attention, channels_ / group, group);
    return static_cast<int>(channels_ / group);
  }

  void TakeProjector() {
    // If both are added, position embeddings come first.
    const PlainValue* positions = first_sum_ != nullptr ? first_sum_ : last_sum_;
    const PlainValue* time = first_sum_ != nullptr ? last_sum_ : nullptr;
    if (positions == nullptr) graph_.Fail("has no position embeddings before the projection");
    VisualEmbeddings embeddings(match_, {map_height_, map_width_, channels_});
    vision_.max_position_embeddings = embeddings.TakePositions(*positions);
    embeddings.TakeTime(time);
    const auto shape =
        match_.TakeLinear(*projection_, std::string(kProjector) + "image_projection", 0, channels_,
                          /*with_bias=*/false);
    vision_.projection_dim = shape.out;
    match_.TakeNorm(*projection_norm_, std::string(kProjector) + "image_proj_norm", shape.out);
  }

  TracedSize picture_;  // that the graph was traced with
  LayerMatcher match_;
  const IrGraph& graph_;
  ImportedModel& model_;
  VisionConfig vision_;
  std::vector<Stage> stages_;
  const PlainOp *projection_ = nullptr, *projection_norm_ = nullptr;
  const PlainValue *first_sum_ = nullptr, *last_sum_ = nullptr;  // added after the last stage
  int64_t map_height_ = 0, map_width_ = 0;                       // of the current stage
  int traced_side_ = 0;                                          // pixels, if only scales give it
  int channels_ = 3;
  int window_ = 0;
  double mlp_ratio_ = 0;
};

}  // namespace

void ReadVisionGraph(ImportedGraph& graph, ImportedModel& model) {
  VisionReader(graph, model).Read();
}

}  // namespace uffizi
