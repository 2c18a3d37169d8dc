// A graph: a letter for the part of the model that it is to be, the XML, a NUL, and the .bin.

#include "fuzz/harness.h"
#include "import/ir_roles.h"

using namespace uffizi;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view input = fuzz::AsText(data, size).substr(1);
  const std::filesystem::path xml = fuzz::WriteScratch("x.xml", fuzz::TakePart(input));
  fuzz::WriteScratch("x.bin", input);
  fuzz::Guard([&] {
    const IrGraph graph = IrGraph::Open(xml);
    ImportedModel model;  // as the text embedding's graph leaves it
    model.text.d_model = 128;
    model.tensors["model.language_model.shared.weight"] = {{1, 128}, std::vector<float>(128)};
    switch (data[0]) {
      case 'v':
        return ReadVisionGraph(graph, model);
      case 'e':
        return ReadEncoderGraph(graph, model);
      case 'd':
        return ReadDecoderGraph(graph, model);
      default:
        return ReadTextEmbeddingGraph(graph, model);
    }
  });
  return 0;
}
