#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>

#include "import/ir_roles.h"

namespace uffizi {
namespace {

using Kind = IrOp::Kind;

constexpr float kSeparable = 1e-4f;  // that a position table may deviate from column plus row

// Reads image_embedding: DaViT's stages, then positions, the pooled token and the projection.
class VisionReader {
 public:
  VisionReader(const IrGraph& graph, ImportedModel& model)
      : graph_(graph), network_(graph), roles_(network_, model), model_(model) {}

  void Read() {
    ReadPictureSize();
    while (!AtProjection()) ReadStage();
    if (vision_.stages.empty())
      graph_.Fail("has no convolution: is not Florence-2's picture model");
    vision_.mlp_ratio = static_cast<float>(mlp_ratio_);
    vision_.window_size = std::max({window_, only_window_, 1});
    ReadPositions();
    const IrOp& projection = roles_.Next(Kind::kLinear, "image_projection");
    const auto shape = roles_.TakeLinear(projection, Projector("image_projection"), 0, channels_,
                                         /*with_bias=*/false);
    vision_.projection_dim = shape.out;
    roles_.TakeNorm(roles_.Next(Kind::kNorm, "image_proj_norm"), Projector("image_proj_norm"),
                    shape.out);
    roles_.CheckAllTaken("vision encoder");
    model_.vision = vision_;
  }

 private:
  static std::string Projector(const std::string& name) {
    return "model.multi_modal_projector." + name;
  }

  bool AtProjection() const {
    return !(roles_.Sees(Kind::kConvolution) ||
             (roles_.Sees(Kind::kNorm) && roles_.Sees(Kind::kConvolution, 1)));
  }

  void ReadPictureSize() {
    for (const IrOp& op : network_.ops()) {
      if (op.kind != Kind::kInput) continue;
      const std::vector<std::vector<int64_t>>& outputs = graph_.node(op.node).outputs;
      if (outputs.size() != 1 || outputs[0].size() != 4) continue;
      const int64_t height = outputs[0][2], width = outputs[0][3];
      if (height < 1 || width < 1 || height > (1 << 14) || width > (1 << 14)) continue;
      model_.image_height = static_cast<int>(height);
      model_.image_width = static_cast<int>(width);
    }
  }

  // The one number of an attribute such as strides="4, 4".
  int Square(const IrOp& op, const char* key) const {
    const std::string text = graph_.node(op.node).Attribute(key);
    int first = -1, second = -1;
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, first);
    const size_t skip = text.find_first_not_of(", ", static_cast<size_t>(at - text.data()));
    if (error != std::errc() || skip == std::string::npos ||
        std::from_chars(text.data() + skip, end, second).ec != std::errc() || first != second ||
        first < 0 || first > 64) {
      graph_.Fail(op.node, std::string(key) + " is \"" + text + "\", not twice the same number");
    }
    return first;
  }

  // Size, stride and padding; both paddings are the same.
  VisionConfig::Stage ReadWindow(const IrOp& op) const {
    const std::vector<int64_t>& shape = graph_.node(op.weight).outputs[0];
    const int64_t size = shape.back();
    if (shape[shape.size() - 2] != size || size < 1 || size > 64 || shape[0] < 1 ||
        shape[0] > (1 << 16)) {
      graph_.Fail(op.node, "is not a square convolution of usual size");
    }
    VisionConfig::Stage stage{};
    stage.dim = static_cast<int>(shape[0]);
    stage.patch_size = static_cast<int>(size);
    stage.patch_stride = Square(op, "strides");
    stage.patch_padding = Square(op, "pads_begin");
    if (Square(op, "pads_end") != stage.patch_padding || Square(op, "dilations") != 1 ||
        graph_.node(op.node).Attribute("auto_pad", "explicit") != "explicit" ||
        stage.patch_stride < 1 || stage.patch_padding >= stage.patch_size) {
      graph_.Fail(op.node, "is padded or dilated in a way that Florence-2 has not");
    }
    return stage;
  }

  void ReadStage() {
    const std::string name = "model.vision_tower.convs." + std::to_string(vision_.stages.size());
    const bool prenorm = roles_.Sees(Kind::kNorm);
    const IrOp* norm = prenorm ? &roles_.Next(Kind::kNorm, name + ".norm") : nullptr;
    const IrOp& convolution = roles_.Next(Kind::kConvolution, name);
    if (!prenorm) norm = &roles_.Next(Kind::kNorm, name + ".norm");
    VisionConfig::Stage stage = ReadWindow(convolution);
    stage.patch_prenorm = prenorm;
    roles_.TakeConvolution(convolution, name + ".conv",
                           {stage.dim, channels_, stage.patch_size, stage.patch_size});
    roles_.TakeNorm(*norm, name + ".norm", prenorm ? channels_ : stage.dim);
    channels_ = stage.dim;
    vision_.stages.push_back(stage);
    while (roles_.Sees(Kind::kDepthwise)) {
      const std::string block = "model.vision_tower.blocks." +
                                std::to_string(vision_.stages.size() - 1) + "." +
                                std::to_string(stage.depth);
      Agree(ReadBlock(block + ".spatial_block", /*spatial=*/true), stage.heads);
      Agree(ReadBlock(block + ".channel_block", /*spatial=*/false), stage.groups);
      ++stage.depth;
    }
    if (stage.depth == 0) stage.heads = stage.groups = 1;
    vision_.stages.back() = stage;
  }

  // Sizes that the config has once must be the same in every block.
  void Agree(int found, int& known) const {
    if (known != 0 && known != found) graph_.Fail("blocks of one stage differ in heads or window");
    known = found;
  }

  void ReadDepthwise(const std::string& name) {
    const IrOp& op = roles_.Next(Kind::kDepthwise, name);
    const VisionConfig::Stage window = ReadWindow(op);
    if (window.patch_size != 3 || window.patch_stride != 1 || window.patch_padding != 1) {
      graph_.Fail(op.node, "is not a 3x3 convolution with padding 1");
    }
    roles_.TakeConvolution(op, name, {channels_, 1, 3, 3});
  }

  // The picture's size at the stage that is being read, {0, 0} if the graph takes any picture.
  std::pair<int, int> MapSize() const {
    int height = model_.image_height, width = model_.image_width;
    if (height < 1 || width < 1) return {0, 0};
    const auto shrink = [](int size, const VisionConfig::Stage& stage) {
      return (size + 2 * stage.patch_padding - stage.patch_size) / stage.patch_stride + 1;
    };
    for (const VisionConfig::Stage& stage : vision_.stages) {
      height = shrink(height, stage);
      width = shrink(width, stage);
    }
    return {height, width};
  }

  // `cut`: [batch, rows, window, columns, window, channels], or empty where there is none. A map
  // that is but one window may pass uncut.
  void CheckWindows(const IrOp& attention, const std::string& name, bool spatial,
                    const std::vector<int64_t>& cut) {
    const auto [height, width] = MapSize();
    const int side = std::max(height, width);
    if (!spatial && cut.empty()) return;
    if (spatial && cut.empty() && side > 0 && (window_ == 0 || side <= window_)) {
      if (window_ == 0) only_window_ = std::max(only_window_, side);
      return;
    }
    if (!spatial || cut.empty()) {
      graph_.Fail(attention.node, std::string("is attention ") +
                                      (spatial ? "over all" : "in windows") + " where " + name +
                                      " is expected");
    }
    if (cut[2] != cut[4] || cut[2] < 1 || cut[2] > 1024) {
      graph_.Fail(attention.node, "its windows are not square");
    }
    Agree(static_cast<int>(cut[2]), window_);
  }

  // Returns the heads, or groups.
  int ReadBlock(const std::string& name, bool spatial) {
    const std::string attention_name = name + (spatial ? ".window_attn" : ".channel_attn");
    ReadDepthwise(name + ".conv1");
    const IrOp& norm1 = roles_.Next(Kind::kNorm, name + ".norm1");
    const IrOp& qkv = roles_.Next(Kind::kLinear, attention_name + ".qkv");
    const IrOp& attention = roles_.Next(Kind::kAttention, attention_name);
    const IrOp& projection = roles_.Next(Kind::kLinear, attention_name + ".proj");
    roles_.TakeNorm(norm1, name + ".norm1", channels_);
    roles_.TakeLinear(qkv, attention_name + ".qkv", 3 * channels_, channels_);
    roles_.TakeLinear(projection, attention_name + ".proj", channels_, channels_);
    // Windows are cut as [batch, rows, window, columns, window, channels].
    const std::vector<int64_t> cut = network_.ReshapeBetween(roles_.index_of(norm1), qkv.node, 6);
    CheckWindows(attention, attention_name, spatial, cut);
    ReadDepthwise(name + ".conv2");
    roles_.TakeNorm(roles_.Next(Kind::kNorm, name + ".norm2"), name + ".norm2", channels_);
    const IrOp& fc1 = roles_.Next(Kind::kLinear, name + ".ffn.fc1");
    const IrOp& fc2 = roles_.Next(Kind::kLinear, name + ".ffn.fc2");
    if (!fc2.after_gelu) graph_.Fail(fc2.node, "has no GELU before it");
    const int hidden = roles_.TakeLinear(fc1, name + ".ffn.fc1", 0, channels_).out;
    roles_.TakeLinear(fc2, name + ".ffn.fc2", channels_, hidden);
    const double ratio = static_cast<double>(hidden) / channels_;
    if (mlp_ratio_ != 0 && mlp_ratio_ != ratio) graph_.Fail(fc1.node, "is wider than the others");
    mlp_ratio_ = ratio;
    return roles_.Heads(qkv, attention, channels_, /*fused=*/true);
  }

  void ReadPositions() {
    const std::vector<int> tables = roles_.Lookups(/*from_input=*/false);
    const bool looked_up = tables.size() == 2;
    if (looked_up) ReadPositionTables(tables[0], tables[1]);
    bool folded = false, temporal = false;
    for (const int sum : network_.loose_sums()) {
      const IrNode& node = graph_.node(sum);
      const bool left = network_.Sources(node.inputs.at(0).node).empty();
      const int constant = node.inputs.at(left ? 0 : 1).node;
      const std::vector<int64_t>& shape = graph_.node(constant).outputs.at(0);
      int64_t count = 1;
      for (const int64_t extent : shape) count = extent < 0 ? -1 : count * extent;
      if (node.type != "Add") {
        graph_.Fail(sum, "has no place in Florence-2's vision encoder");
      } else if (count == channels_ && !temporal) {
        ReadTemporal(constant);
        temporal = true;
      } else if (!looked_up && !folded) {
        ReadFoldedPositions(constant);
        folded = true;
      } else {
        graph_.Fail(sum, "adds something that has no place in Florence-2's vision encoder");
      }
    }
    if (!looked_up && !folded) graph_.Fail("has no position embeddings before the projection");
    if (!temporal) {  // folded into the positions
      roles_.Put(Projector("visual_temporal_embed.pos_idx_to_embed"), {1, channels_},
                 std::vector<float>(static_cast<size_t>(channels_)));
    }
  }

  // Columns come first where the two are joined.
  void ReadPositionTables(int first, int second) {
    for (size_t i = 0; i < graph_.nodes().size(); ++i) {
      const IrNode& node = graph_.nodes()[i];
      if (node.type != "Concat" || node.inputs.size() != 2) continue;
      const std::vector<int>& left = network_.Sources(node.inputs[0].node);
      const std::vector<int>& right = network_.Sources(node.inputs[1].node);
      if (left.size() != 1 || right.size() != 1) continue;
      if (left[0] + right[0] != first + second || (left[0] != first && left[0] != second)) continue;
      const std::string name = Projector("image_position_embed.");
      const int half = channels_ - channels_ / 2;
      const int columns =
          roles_.TakeTable(network_.op(left[0]), name + "column_embeddings.weight", half);
      const int rows =
          roles_.TakeTable(network_.op(right[0]), name + "row_embeddings.weight", channels_ / 2);
      if (rows != columns) graph_.Fail("row and column positions differ in number");
      vision_.max_position_embeddings = rows;
      return;
    }
    graph_.Fail("row and column positions are not joined");
  }

  // Positions that the exporter computed for the one picture size: [1, channels, height, width] or
  // [1, height * width, channels].
  void ReadFoldedPositions(int node) {
    const IrWeight folded = roles_.folder().Fold(node);
    const std::vector<float> values = folded.Floats();
    const auto [height, width] = MapSize();
    const auto rows = static_cast<size_t>(std::max(height, 0));
    const auto columns = static_cast<size_t>(std::max(width, 0));
    const auto channels = static_cast<size_t>(channels_), half = channels - channels / 2;
    if (values.empty() || values.size() != rows * columns * channels || folded.shape.empty()) {
      graph_.Fail(node, "is added, but is no position embedding");
    }
    const bool channels_last =
        folded.shape.back() == channels_ &&
        (folded.shape.size() < 3 || folded.shape[folded.shape.size() - 3] != channels_);
    const auto at = [&](size_t y, size_t x, size_t c) {
      return channels_last ? values[(y * columns + x) * channels + c]
                           : values[(c * rows + y) * columns + x];
    };
    const size_t positions = std::max(rows, columns);
    std::vector<float> column_table(positions * half), row_table(positions * (channels - half));
    for (size_t y = 0; y < rows; ++y) {
      for (size_t x = 0; x < columns; ++x) {
        for (size_t c = 0; c < channels; ++c) {
          const float expected = c < half ? at(0, x, c) : at(y, 0, c);
          if (!(std::abs(at(y, x, c) - expected) <= kSeparable)) {
            graph_.Fail(node, "its positions are not of rows and columns");
          }
          if (c < half) {
            column_table[x * half + c] = expected;
          } else {
            row_table[y * (channels - half) + c - half] = expected;
          }
        }
      }
    }
    const std::string name = Projector("image_position_embed.");
    const auto count = static_cast<int64_t>(positions);
    roles_.Put(name + "column_embeddings.weight", {count, static_cast<int64_t>(half)},
               std::move(column_table));
    roles_.Put(name + "row_embeddings.weight", {count, static_cast<int64_t>(channels - half)},
               std::move(row_table));
    vision_.max_position_embeddings = static_cast<int>(positions);
  }

  // The first row of a table of frames, or the row itself.
  void ReadTemporal(int node) {
    while (!graph_.node(node).constant) {
      if (graph_.node(node).inputs.empty()) graph_.Fail(node, "is no constant");
      node = graph_.node(node).inputs[0].node;
    }
    std::vector<float> values = roles_.folder().Fold(node).Floats();
    if (values.empty() || values.size() % static_cast<size_t>(channels_) != 0) {
      graph_.Fail(node, "is no embedding of frames");
    }
    const auto frames = static_cast<int64_t>(values.size()) / channels_;
    roles_.Put(Projector("visual_temporal_embed.pos_idx_to_embed"), {frames, channels_},
               std::move(values));
  }

  const IrGraph& graph_;
  IrNetwork network_;
  IrRoles roles_;
  ImportedModel& model_;
  VisionConfig vision_;
  int channels_ = 3;
  int window_ = 0;       // where maps are cut into windows
  int only_window_ = 0;  // where a map is one window
  double mlp_ratio_ = 0;
};

}  // namespace

void ReadVisionGraph(const IrGraph& graph, ImportedModel& model) {
  VisionReader(graph, model).Read();
}

}  // namespace uffizi
