#include "import/ir_graph.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <pugixml.hpp>
#include <queue>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "uffizi/error.h"

namespace uffizi {
namespace {

constexpr size_t kMaxXmlBytes = size_t{512} << 20;
constexpr size_t kMaxLayers = 1 << 20;
constexpr size_t kMaxPorts = 1 << 12;  // of one layer
constexpr size_t kMaxRank = 16;
constexpr int64_t kMaxExtent = int64_t{1} << 40;

struct TypeEntry {
  const char* name;
  IrType type;
  size_t bits;
};
constexpr TypeEntry kTypes[] = {
    {"f64", IrType::kF64, 64},   {"f32", IrType::kF32, 32},     {"f16", IrType::kF16, 16},
    {"bf16", IrType::kBF16, 16}, {"i64", IrType::kI64, 64},     {"i32", IrType::kI32, 32},
    {"i8", IrType::kI8, 8},      {"u8", IrType::kU8, 8},        {"i4", IrType::kI4, 4},
    {"u4", IrType::kU4, 4},      {"boolean", IrType::kBool, 8},
};

std::optional<int64_t> ToInteger(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "128, 3, 7, 7"; an empty text is a scalar's shape.
std::optional<std::vector<int64_t>> ToShape(std::string_view text) {
  std::vector<int64_t> shape;
  if (text.empty()) return shape;
  while (true) {
    const size_t comma = text.find(',');
    const auto extent = ToInteger(text.substr(0, comma));
    if (!extent || *extent < 0 || *extent > kMaxExtent || shape.size() == kMaxRank) {
      return std::nullopt;
    }
    shape.push_back(*extent);
    if (comma == std::string_view::npos) return shape;
    text.remove_prefix(comma + 1);
  }
}

IrNode::Output ReadPort(const pugi::xml_node& port) {
  IrNode::Output output;
  const std::string_view precision = port.attribute("precision").value();
  output.integral = precision.starts_with('I') || precision.starts_with('U');
  std::vector<int64_t>& shape = output.shape;
  for (const pugi::xml_node& dim : port.children("dim")) {
    if (shape.size() == kMaxRank) break;
    const auto extent = ToInteger(dim.text().get());
    shape.push_back(extent && *extent >= 0 && *extent <= kMaxExtent ? *extent : -1);
  }
  return output;
}

// "2025.1.0-18503-6fec06580ab-releases/2025/1" without what follows the version.
std::string ReadExporter(const pugi::xml_node& net) {
  std::string_view version =
      net.child("rt_info").child("Runtime_version").attribute("value").value();
  version = version.substr(0, version.find_first_not_of("0123456789."));
  constexpr size_t kMaxVersion = 32;
  return std::string(version.substr(0, kMaxVersion));
}

// Nodes and the edges between them, whose layers and ports have numbers of the exporter's.
class NodeReader {
 public:
  explicit NodeReader(const IrGraph& graph) : graph_(graph) {}

  void AddLayer(const pugi::xml_node& layer) {
    if (nodes_.size() == kMaxLayers) graph_.Fail("has too many layers");
    IrNode& node = nodes_.emplace_back();
    node.type = layer.attribute("type").value();
    node.name = layer.attribute("name").value();
    const auto id = ToInteger(layer.attribute("id").value());
    if (!id || !by_id_.emplace(*id, static_cast<int>(nodes_.size()) - 1).second) {
      graph_.Fail("layer " + node.name + ": has no number of its own");
    }
    for (const pugi::xml_attribute& attribute : layer.child("data").attributes()) {
      node.data.emplace(attribute.name(), attribute.value());
    }
    input_ports_.push_back(
        ReadPorts(layer.child("input"), [&](const auto&) { node.inputs.emplace_back(); }));
    output_ports_.push_back(ReadPorts(layer.child("output"), [&](const pugi::xml_node& port) {
      node.outputs.push_back(ReadPort(port));
    }));
  }

  void AddEdge(const pugi::xml_node& edge) {
    const auto from = FindLayer(edge, "from-layer"), to = FindLayer(edge, "to-layer");
    const size_t out = FindPort(output_ports_[from], edge, "from-port");
    const size_t in = FindPort(input_ports_[to], edge, "to-port");
    IrNode::Input& input = nodes_[to].inputs[in];
    if (input.node >= 0) {
      graph_.Fail("layer " + nodes_[to].name + ": a port has two edges");
    }
    input = {static_cast<int>(from), out};
  }

  // Every input has its edge now.
  std::vector<IrNode> Take() {
    for (const IrNode& node : nodes_) {
      for (const IrNode::Input& input : node.inputs) {
        if (input.node < 0) graph_.Fail("layer " + node.name + ": an input is not connected");
      }
    }
    return std::move(nodes_);
  }

 private:
  using Ports = std::unordered_map<int64_t, size_t>;  // number to index

  template <typename Visit>
  Ports ReadPorts(const pugi::xml_node& ports, const Visit& visit) const {
    Ports index;
    for (const pugi::xml_node& port : ports.children("port")) {
      const auto id = ToInteger(port.attribute("id").value());
      if (!id || index.size() == kMaxPorts || !index.emplace(*id, index.size()).second) {
        graph_.Fail("layer " + nodes_.back().name + ": has a port without a number of its own");
      }
      visit(port);
    }
    return index;
  }

  size_t FindLayer(const pugi::xml_node& edge, const char* key) const {
    const auto id = ToInteger(edge.attribute(key).value());
    const auto found = id ? by_id_.find(*id) : by_id_.end();
    if (found == by_id_.end()) graph_.Fail("an edge names a layer that does not exist");
    return static_cast<size_t>(found->second);
  }

  size_t FindPort(const Ports& ports, const pugi::xml_node& edge, const char* key) const {
    const auto id = ToInteger(edge.attribute(key).value());
    const auto found = id ? ports.find(*id) : ports.end();
    if (found == ports.end()) graph_.Fail("an edge names a port that does not exist");
    return found->second;
  }

  const IrGraph& graph_;
  std::vector<IrNode> nodes_;
  std::unordered_map<int64_t, int> by_id_;
  std::vector<Ports> input_ports_, output_ports_;
};

}  // namespace

const char* IrTypeName(IrType type) {
  return std::find_if(std::begin(kTypes), std::end(kTypes),
                      [type](const TypeEntry& entry) { return entry.type == type; })
      ->name;
}

std::string IrNode::Attribute(const std::string& key, const std::string& fallback) const {
  const auto found = data.find(key);
  return found == data.end() ? fallback : found->second;
}

void IrGraph::Fail(const std::string& reason) const {
  throw Error(ErrorCode::kInvalidModel, file_ + ": " + reason);
}

void IrGraph::Fail(int index, const std::string& reason) const {
  Fail("layer " + node(index).name + " (" + node(index).type + "): " + reason);
}

IrGraph IrGraph::Open(const std::filesystem::path& xml, const std::string& shown) {
  std::filesystem::path bin = xml;
  bin.replace_extension(".bin");
  IrGraph graph(shown.empty() ? xml.string() : shown, MappedFile(bin));
  graph.Parse(ReadFile(xml, kMaxXmlBytes));
  return graph;
}

void IrGraph::Parse(const std::string& xml) {
  pugi::xml_document document;
  // DTDs and processing instructions are skipped, so entities cannot expand exponentially.
  const pugi::xml_parse_result parsed =
      document.load_buffer(xml.data(), xml.size(), pugi::parse_minimal | pugi::parse_escapes);
  if (!parsed) {
    Fail("is not XML: " + std::string(parsed.description()) + " at byte " +
         std::to_string(parsed.offset));
  }
  const pugi::xml_node net = document.child("net");
  if (!net || !net.child("layers")) Fail("is not an OpenVINO IR: has no <net> with <layers>");
  exporter_ = ReadExporter(net);

  NodeReader reader(*this);
  for (const pugi::xml_node& layer : net.child("layers").children("layer")) {
    reader.AddLayer(layer);
  }
  for (const pugi::xml_node& edge : net.child("edges").children("edge")) reader.AddEdge(edge);
  Sort(reader.Take());
}

// Topological sort, otherwise in file order.
void IrGraph::Sort(std::vector<IrNode> unsorted) {
  std::vector<std::vector<int>> consumers(unsorted.size());
  std::vector<size_t> waiting(unsorted.size());  // inputs that are not placed yet
  std::priority_queue<int, std::vector<int>, std::greater<>> ready;
  for (size_t i = 0; i < unsorted.size(); ++i) {
    waiting[i] = unsorted[i].inputs.size();
    for (const IrNode::Input& input : unsorted[i].inputs) {
      consumers[static_cast<size_t>(input.node)].push_back(static_cast<int>(i));
    }
    if (waiting[i] == 0) ready.push(static_cast<int>(i));
  }
  std::vector<int> place(unsorted.size(), -1);
  while (!ready.empty()) {
    const auto next = static_cast<size_t>(ready.top());
    ready.pop();
    place[next] = static_cast<int>(nodes_.size());
    IrNode& node = nodes_.emplace_back(std::move(unsorted[next]));
    for (IrNode::Input& input : node.inputs) {
      input.node = place[static_cast<size_t>(input.node)];
      IrNode& producer = nodes_[static_cast<size_t>(input.node)];
      if (producer.consumers.empty() || producer.consumers.back() != place[next]) {
        producer.consumers.push_back(place[next]);
      }
    }
    for (const int consumer : consumers[next]) {
      if (--waiting[static_cast<size_t>(consumer)] == 0) ready.push(consumer);
    }
  }
  if (nodes_.size() != unsorted.size()) Fail("the graph has a cycle");
}

IrConstant IrGraph::Constant(int index) const {
  const IrNode& layer = node(index);
  if (layer.type != "Const") Fail(index, "is not a constant");
  const std::string type_name = layer.Attribute("element_type");
  const auto* type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const TypeEntry& entry) { return type_name == entry.name; });
  if (type == std::end(kTypes))
    Fail(index, "has the element type " + type_name + ", which is unknown here");
  const auto shape = ToShape(layer.Attribute("shape"));
  const auto offset = ToInteger(layer.Attribute("offset"));
  const auto size = ToInteger(layer.Attribute("size"));
  if (!shape) Fail(index, "has an impossible shape");
  IrConstant constant{type->type, *shape, {}, 1};
  for (const int64_t extent : *shape) {
    if (__builtin_mul_overflow(constant.elements, static_cast<size_t>(extent),
                               &constant.elements) ||
        constant.elements > std::numeric_limits<size_t>::max() / 128) {
      Fail(index, "has an impossible shape");
    }
  }
  const std::span<const uint8_t> bin = bin_.bytes();
  const size_t bytes = (constant.elements * type->bits + 7) / 8;
  if (!offset || !size || *offset < 0 || *size < 0 || static_cast<size_t>(*offset) > bin.size() ||
      static_cast<size_t>(*size) > bin.size() - static_cast<size_t>(*offset)) {
    Fail(index, "lies outside the .bin file");
  }
  if (static_cast<size_t>(*size) != bytes) {
    Fail(index,
         "has " + std::to_string(*size) + " bytes where its shape needs " + std::to_string(bytes));
  }
  constant.bytes = bin.subspan(static_cast<size_t>(*offset), bytes);
  return constant;
}

}  // namespace uffizi
