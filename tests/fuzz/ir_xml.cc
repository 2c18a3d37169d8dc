// A graph: a letter for the part of the model, the XML, a NUL, and the .bin.

#include "fuzz/harness.h"
#include "import/layer_matcher.h"

using namespace uffizi;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view input = fuzz::AsText(data, size).substr(1);
  const std::filesystem::path xml = fuzz::WriteScratch("x.xml", fuzz::TakePart(input));
  fuzz::WriteScratch("x.bin", input);
  fuzz::Guard([&] {
    ImportedModel model;  // as the text embedding's graph leaves it
    model.text.d_model = 128;
    model.tensors["model.language_model.shared.weight"].shape = {1537, 128};
    ImportedGraph& graph = model.Add(IrGraph::Open(xml));
    switch (data[0]) {
      case 'v':
        ReadVisionGraph(graph, model);
        break;
      case 'e':
        ReadEncoderGraph(graph, model);
        break;
      case 'd':
        ReadDecoderGraph(graph, model);
        break;
      default:
        ReadTextEmbeddingGraph(graph, model);
    }
    model.tensors.erase("model.language_model.shared.weight");
    for (const auto& [name, tensor] : model.tensors) {
      if (!tensor.Quantized()) tensor.Floats();
    }
  });
  return 0;
}
