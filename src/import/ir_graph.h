#ifndef UFFIZI_IMPORT_IR_GRAPH_H_
#define UFFIZI_IMPORT_IR_GRAPH_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/mapped_file.h"

namespace uffizi {

enum class IrType { kF64, kF32, kF16, kBF16, kI64, kI32, kI8, kU8, kI4, kU4, kBool };

const char* IrTypeName(IrType type);  // "f32", as in the IR

// A layer of an OpenVINO IR graph.
struct IrNode {
  struct Input {
    int node = -1;    // index into IrGraph::nodes(); less than this node's own
    size_t port = 0;  // index into the other node's outputs
  };
  struct Output {
    std::vector<int64_t> shape;  // -1 where not fixed
    bool integral = false;       // has an integer type
  };
  std::string type, name;
  std::map<std::string, std::string> data;  // attributes
  std::vector<Input> inputs;
  std::vector<Output> outputs;
  std::vector<int> consumers;  // nodes that take any of the outputs, each once

  std::string Attribute(const std::string& key, const std::string& fallback = "") const;
};

// The value of a Const layer, inside the mapped .bin file.
struct IrConstant {
  IrType type;
  std::vector<int64_t> shape;
  std::span<const uint8_t> bytes;
  size_t elements;
};

// An OpenVINO IR model, X.xml and X.bin, read as a graph. The files are not trusted: edges must
// connect existing layers, the graph must be acyclic, and constants must be inside the .bin file
// and have the size that their shape implies.
class IrGraph {
 public:
  // Throws Error(kInvalidModel) or Error(kNotFound), naming the layer and the file (`shown` if that
  // is not empty).
  static IrGraph Open(const std::filesystem::path& xml, const std::string& shown = "");

  // Sorted so that every node comes after its inputs.
  const std::vector<IrNode>& nodes() const { return nodes_; }
  const IrNode& node(int index) const { return nodes_[static_cast<size_t>(index)]; }
  size_t bin_bytes() const { return bin_.bytes().size(); }
  // The version that wrote the file, according to the file: "2025.1.0". Empty if unknown.
  const std::string& exporter() const { return exporter_; }

  // Throws Error(kInvalidModel) if the node is not a Const or its bytes are outside the .bin file.
  IrConstant Constant(int index) const;
  // Throws Error(kInvalidModel): "FILE: layer NAME (TYPE): reason".
  [[noreturn]] void Fail(int index, const std::string& reason) const;
  [[noreturn]] void Fail(const std::string& reason) const;

 private:
  void Parse(const std::string& xml);
  void Sort(std::vector<IrNode> unsorted);

  std::string file_, exporter_;
  MappedFile bin_;
  std::vector<IrNode> nodes_;

  IrGraph(std::string file, MappedFile bin) : file_(std::move(file)), bin_(std::move(bin)) {}
};

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_IR_GRAPH_H_
