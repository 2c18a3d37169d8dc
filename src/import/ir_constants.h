#ifndef UFFIZI_IMPORT_IR_CONSTANTS_H_
#define UFFIZI_IMPORT_IR_CONSTANTS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "import/ir_graph.h"
#include "kernels/quantized_matrix.h"

namespace uffizi {

// A weight of an IR graph, computed from its constants: scale * (code - zero) where the graph
// stores integers of up to 8 bits, else the plain values.
struct IrWeight {
  std::vector<int64_t> shape;
  std::vector<float> values;  // if not in codes

  int bits = 0;                // 4 or 8 if in codes, else 0
  std::vector<uint8_t> codes;  // one a byte, unsigned: signed ones are moved up by 8 or 128
  std::vector<float> scales;   // one an element; empty = 1
  std::vector<float> zeros;    // one an element, in terms of `codes`; empty = `zero`
  float zero = 0;

  size_t elements() const { return bits > 0 ? codes.size() : values.size(); }
  std::vector<float> Floats() const;
  // The weight as [rows, columns] with the largest groups that hold, exactly. Nothing if it is not
  // in codes, not of two dimensions, or has zero points between the codes.
  std::optional<QuantizedMatrix> Quantized() const;
  IrWeight Transposed(const std::vector<size_t>& order) const;
};

// Computes constant parts of a graph. Layers it cannot compute are named in the error.
class IrFolder {
 public:
  explicit IrFolder(const IrGraph& graph);

  // The value of a node that depends on constants only. Throws Error(kInvalidModel).
  IrWeight Fold(int node);

 private:
  IrWeight FoldNode(int node, int depth);
  IrWeight ReadConstant(int node);
  IrWeight Combine(int node, IrWeight left, IrWeight right);
  void Charge(int node, size_t elements);

  const IrGraph& graph_;
  size_t budget_;  // elements that may still be made: constants cannot multiply without end
};

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_IR_CONSTANTS_H_
