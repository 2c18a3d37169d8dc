// model.safetensors after the config.json (which may be empty) that says how weights are packed.

#include <nlohmann/json.hpp>

#include "checkpoint/checkpoint.h"
#include "checkpoint/pack_quantized.h"
#include "checkpoint/weight_reader.h"
#include "fuzz/harness.h"
#include "kernels/quantize.h"

using namespace uffizi;

namespace {

void ReadTensor(const WeightReader& reader, const std::string& name, const TensorView& tensor) {
  fuzz::Require(tensor.elements() * DTypeSize(tensor.dtype) == tensor.bytes, "a size that lies");
  constexpr std::string_view kPacked = "_packed";
  if (name.ends_with(kPacked)) {
    const QuantizedMatrix matrix =
        ReadPacked(reader.checkpoint(), name.substr(0, name.size() - kPacked.size()),
                   ReadPackSchemes(reader.checkpoint().folder()));
    std::vector<float> values(matrix.rows * matrix.columns);
    Dequantize(matrix, values.data());
  } else {
    reader.Floats(NativeName(name), tensor.shape);
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input = fuzz::AsText(data, size);
  fuzz::WriteScratch("config.json", fuzz::TakePart(input));
  fuzz::WriteScratch("model.safetensors", input);
  fuzz::Guard([] {
    const Checkpoint checkpoint = Checkpoint::Open(fuzz::Scratch());
    const WeightReader reader(checkpoint);
    for (const auto& [name, tensor] : checkpoint.tensors()) {
      fuzz::Guard([&, &key = name, &value = tensor] { ReadTensor(reader, key, value); });
    }
  });
  return 0;
}
