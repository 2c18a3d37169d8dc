#ifndef UFFIZI_IMPORT_IMPORTED_MODEL_H_
#define UFFIZI_IMPORT_IMPORTED_MODEL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/config.h"
#include "checkpoint/weight_matrix.h"
#include "import/ir_constants.h"
#include "import/ir_graph.h"
#include "kernels/quantized_matrix.h"

namespace uffizi {

// One of an artifact's graphs, opened, and the computation of its weights.
struct ImportedGraph {
  explicit ImportedGraph(IrGraph opened) : graph(std::move(opened)), constants(graph) {}
  IrGraph graph;
  ConstantFolder constants;
};

// A weight to be written from an artifact to a model folder. It is read only when needed.
struct ImportedTensor {
  std::vector<int64_t> shape;      // as the folder keeps it
  ImportedGraph* graph = nullptr;  // that holds it
  int node = -1;                   // its layer there; -1: all elements are `fill`
  bool transposed = false;         // the layer gives [in, out], the folder keeps [out, in]
  double factor = 1;               // for the values, from a scale that the exporter moved elsewhere
  float fill = 0;
  std::vector<float> values;  // instead, if they had to be computed

  // The weight as the layer has it. Throws Error(kInvalidModel), as the next two do.
  IrWeight Weight() const;
  // Finite values, [shape] f32.
  FloatTensor Floats() const;
  // Quantized, without loss; see IrWeight::Quantized().
  std::optional<QuantizedMatrix> Quantized() const;
};

// Weights under their transformers-native names, and the sizes derived from them.
struct ImportedModel {
  std::vector<std::unique_ptr<ImportedGraph>> graphs;
  std::map<std::string, ImportedTensor> tensors;
  VisionConfig vision;
  TextConfig text;
  int image_width = 0, image_height = 0;  // pixels: the traced size, or the usual one
  std::string lineage;  // whose code was traced: "Microsoft", "transformers", or empty

  ImportedGraph& Add(IrGraph graph) {
    return *graphs.emplace_back(std::make_unique<ImportedGraph>(std::move(graph)));
  }
};

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_IMPORTED_MODEL_H_
