#include "import/traced_size.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

namespace uffizi {
namespace {

constexpr int kUsualSide = 768;
constexpr int64_t kMaxSide = 1 << 14;

// Pixels per map cell along one side: the product of all strides.
int64_t TotalStride(const IrGraph& graph) {
  int64_t total = 1;
  for (const IrNode& node : graph.nodes()) {
    if (node.type != "Convolution") continue;
    const std::string text = node.Attribute("strides");
    int64_t stride = 1;
    std::from_chars(text.data(), text.data() + text.size(), stride);
    total *= std::clamp<int64_t>(stride, 1, kMaxSide);
    if (total > kMaxSide) return kMaxSide;
  }
  return total;
}

// Tokens of the graph's result, [batch, 1 + tokens, channels], of which the first is the pooled
// one; 0 if their number is dynamic.
int64_t CountTokens(const IrGraph& graph) {
  for (const IrNode& node : graph.nodes()) {
    if (node.type != "Result" || node.inputs.empty()) continue;
    const IrNode::Input& from = node.inputs[0];
    const std::vector<int64_t>& shape = graph.node(from.node).outputs[from.port].shape;
    if (shape.size() == 3 && shape[1] > 1) return std::min(shape[1] - 1, kMaxSide * kMaxSide);
  }
  return 0;
}

// A graph may have a dynamic side and still be made for one size.
std::optional<int> SideFromTokens(const IrGraph& graph) {
  const int64_t tokens = CountTokens(graph);
  const auto map = std::llround(std::sqrt(static_cast<double>(tokens)));
  const int64_t side = map * TotalStride(graph);
  if (tokens == 0 || map * map != tokens || side > kMaxSide) return std::nullopt;
  return static_cast<int>(side);
}

}  // namespace

TracedSize ReadTracedSize(const IrGraph& graph) {
  const std::optional<int> fallback = SideFromTokens(graph);
  const TracedSize size{fallback.value_or(kUsualSide), fallback.value_or(kUsualSide), !fallback};
  for (const IrNode& node : graph.nodes()) {
    if (node.type != "Parameter" || node.outputs.empty()) continue;
    const std::vector<int64_t>& shape = node.outputs[0].shape;
    if (shape.size() != 4) continue;
    const auto fixed = [&](size_t axis) { return shape[axis] > 0 && shape[axis] <= kMaxSide; };
    if (fixed(2) && fixed(3)) {
      return {static_cast<int>(shape[2]), static_cast<int>(shape[3]), false};
    }
    return size;
  }
  return size;
}

}  // namespace uffizi
