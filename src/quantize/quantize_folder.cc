#include "quantize/quantize_folder.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "checkpoint/checkpoint.h"
#include "checkpoint/config.h"
#include "checkpoint/folder_writer.h"
#include "checkpoint/native_config.h"
#include "checkpoint/weight_reader.h"
#include "core/json_reader.h"
#include "core/owned_files.h"
#include "quantize/folded_smoothing.h"
#include "quantize/new_model_folder.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kProjection = "model.multi_modal_projector.image_projection.weight";
constexpr const char* kTokens = "model.language_model.shared.weight";
constexpr const char* kHead = "lm_head.weight";
constexpr const char* kLogitsBias = "model.language_model.final_logits_bias";

[[noreturn]] void Refuse(const fs::path& path, const std::string& reason) {
  throw Error(ErrorCode::kInvalidArgument, path.string() + ": " + reason);
}

// Writes the tensors of the new folder, one after another.
class Quantizer {
 public:
  Quantizer(const Checkpoint& checkpoint, const ModelConfig& model, const fs::path& folder,
            const QuantizeFolderOptions& options)
      : reader_(checkpoint, Arithmetic::kF32, Adapters(options)),
        options_(options),
        smoothing_(options.smooth
                       ? FoldedSmoothing(reader_, model, options.weights, options.importance)
                       : FoldedSmoothing(options.importance)),
        writer_(folder),
        layers_(writer_, options.weights, smoothing_.importance()),
        products_(options.keep_wide ? ProductsSource() : options.products,
                  LayersOf(checkpoint, options.weights)) {}

  void Add(const std::string& stored_name, const TensorView& tensor) {
    const std::string name = NativeName(stored_name);
    report_.bytes_before += tensor.bytes;
    if (IsBias(name) && BiasFollows(WeightOf(name))) return;  // see PutLayer()
    if (layers_.Takes(name, tensor.shape)) {
      options_.keep_wide ? PutWideLayer(name, tensor.shape) : PutLayer(name, tensor.shape);
    } else {
      Keep(name, tensor);
    }
  }

  // Adds a head that exists only in an adapter.
  void AddOwn() {
    if (!options_.adapters.HasOwn(kHead) || reader_.Find(kHead) != nullptr) return;
    const TensorView* tied = reader_.Find(reader_.Holder(kTokens));
    if (tied == nullptr) reader_.Fail(kTokens, "missing");
    writer_.PutHalf(kHead, tied->shape, reader_.Floats(kHead, tied->shape));
    report_.layers.push_back({kHead, tied->shape, 16, 0.0});
  }

  FolderReport Finish(json config) {
    report_.bytes_after = writer_.bytes();
    writer_.Finish(std::move(config));
    return std::move(report_);
  }

 private:
  static const LoraAdapters* Adapters(const QuantizeFolderOptions& options) {
    return options.adapters.empty() ? nullptr : &options.adapters;
  }

  static bool IsBias(const std::string& name) { return name.ends_with(".bias"); }
  static std::string WeightOf(const std::string& bias) { return ModuleOf(bias) + ".weight"; }

  // Writes a linear layer. If a part of its input is constant, its bias, which is written with it,
  // compensates for the effect of quantizing on that part.
  void PutLayer(const std::string& name, const std::vector<int64_t>& shape) {
    const std::string bias = ModuleOf(name) + ".bias";
    std::vector<float> lost, constant = smoothing_.Constant(name), products;
    if (auto taken = products_.Take(name)) {
      products = Vary(name, std::move(*taken), reader_.Has(bias), constant);
    }
    report_.layers.push_back(
        layers_.Put(name, shape, Floats(name, shape), constant, lost, products));
    if (!reader_.Has(bias) || !BiasFollows(name)) return;
    LargeVector<float> values = Floats(bias, {shape[0]}).Take();
    for (size_t r = 0; r < lost.size(); ++r) values[r] += lost[r];
    writer_.PutFloats(bias, {shape[0]}, FloatTensor(std::move(values)));
  }

  // Second moments of a layer's input for the weights as written. If a bias compensates for the
  // mean, which is the constant part of the input, only the variation around it remains.
  std::vector<float> Vary(const std::string& name, InputProducts inputs, bool has_bias,
                          std::vector<float>& constant) const {
    const size_t columns = inputs.mean.size();
    const FloatTensor* factors = smoothing_.InputFactors(name);
    for (size_t r = 0; r < columns; ++r) {
      for (size_t c = 0; c < columns; ++c) {
        float& product = inputs.products[r * columns + c];
        if (has_bias) product -= inputs.mean[r] * inputs.mean[c];
        if (factors != nullptr) product *= factors->data()[r] * factors->data()[c];
      }
    }
    constant.assign(has_bias ? columns : 0, 0.0f);
    for (size_t c = 0; c < constant.size(); ++c) {
      constant[c] = inputs.mean[c] * (factors == nullptr ? 1.0f : factors->data()[c]);
    }
    return std::move(inputs.products);
  }

  // Whether a layer's bias is written with its weight.
  bool BiasFollows(const std::string& weight) const {
    return !smoothing_.Constant(weight).empty() || products_.Has(weight);
  }

  // All quantized layers, sorted by name.
  static std::vector<ProductsInParts::Layer> LayersOf(const Checkpoint& checkpoint,
                                                      const QuantizeOptions& options) {
    std::map<std::string, size_t> columns;
    for (const auto& [name, tensor] : checkpoint.tensors()) {
      if (!CanQuantize(NativeName(name), tensor.shape, options)) continue;
      columns[NativeName(name)] = static_cast<size_t>(tensor.shape[1]);
    }
    std::vector<ProductsInParts::Layer> layers;
    for (const auto& [name, count] : columns) layers.push_back({name, count});
    return layers;
  }

  // Writes a linear layer in 16 bits.
  void PutWideLayer(const std::string& name, const std::vector<int64_t>& shape) {
    writer_.NoteUnpacked(name);
    writer_.PutHalf(name, shape, Floats(name, shape));
    report_.layers.push_back({name, shape, 16, 0.0});
    const std::string bias = ModuleOf(name) + ".bias";
    if (!BiasFollows(name) || !reader_.Has(bias)) return;
    writer_.PutFloats(bias, {shape[0]}, Floats(bias, {shape[0]}));
  }

  FloatTensor Floats(const std::string& name, const std::vector<int64_t>& shape) const {
    return smoothing_.Fold(name, reader_.Floats(name, shape));
  }

  // Vectors are kept unchanged unless they are smoothed; larger tensors are stored in 16 bits.
  void Keep(const std::string& name, const TensorView& tensor) {
    std::vector<int64_t> shape = tensor.shape;
    if (name == kProjection && reader_.StoredName(name) != name) {
      std::swap(shape[0], shape[1]);  // Microsoft's is transposed
      writer_.PutHalf(
          name, shape,
          reader_.ImageProjection(static_cast<int>(shape[0]), static_cast<int>(shape[1])));
    } else if (shape.size() > 1 && (tensor.dtype == DType::kF32 || tensor.dtype == DType::kF64 ||
                                    reader_.Changed(name))) {
      writer_.PutHalf(name, shape, reader_.Floats(name, shape));
    } else if (reader_.Changed(name) || smoothing_.Changes(name)) {
      writer_.PutFloats(name, shape, Floats(name, shape));
    } else if (name != kLogitsBias || !IsZero(tensor)) {          // transformers has no such bias
      if (IsFloating(tensor.dtype)) reader_.Floats(name, shape);  // throws if it is damaged
      TensorView kept = tensor;
      kept.shape = shape;
      writer_.Put(name, kept);
    }
    if (shape.size() > 1 && name != kLogitsBias) report_.layers.push_back({name, shape, 16, 0.0});
  }

  static bool IsFloating(DType dtype) {
    return dtype == DType::kF64 || dtype == DType::kF32 || dtype == DType::kF16 ||
           dtype == DType::kBF16;
  }

  static bool IsZero(const TensorView& tensor) {
    return std::all_of(tensor.data, tensor.data + tensor.bytes,
                       [](uint8_t byte) { return byte == 0; });
  }

  WeightReader reader_;
  const QuantizeFolderOptions& options_;
  FoldedSmoothing smoothing_;
  FolderWriter writer_;
  LayerQuantizer layers_;
  ProductsInParts products_;
  FolderReport report_;
};

}  // namespace

FolderReport QuantizeFolder(const fs::path& from, const fs::path& to,
                            const QuantizeFolderOptions& options) {
  if (fs::exists(from) && fs::exists(to) && fs::equivalent(from, to)) {
    Refuse(to, "is the model to quantize itself");
  }
  CheckQuantizeSource(from);
  CheckQuantizeTarget(to, options.overwrite);
  const NewModelFolder folder(to);
  FolderReport report = WriteQuantized(from, folder.part(), options);
  folder.Finish();
  return report;
}

void CheckQuantizeSource(const fs::path& from) {
  if (!fs::exists(from)) {
    throw Error(ErrorCode::kNotFound, from.string() + ": no such model folder");
  }
  LoadModelConfig(from);
  const json config = JsonReader::Open(from / "config.json").value();
  if (config.contains("quantization_config") || config.contains("compression_config")) {
    Refuse(from, "is already quantized");
  }
}

FolderReport WriteQuantized(const fs::path& from, const fs::path& to,
                            const QuantizeFolderOptions& options) {
  const ModelConfig model = LoadModelConfig(from);
  json config = JsonReader::Open(from / "config.json").value();
  const Checkpoint checkpoint = Checkpoint::Open(from);
  CopyModelFiles(from, to);
  size_t total = 0, done = 0;
  std::map<std::string, const std::string*> order;  // by native name, whatever the layout
  for (const auto& [name, tensor] : checkpoint.tensors()) {
    order[NativeName(name)] = &name;
    total += tensor.bytes;
  }
  Quantizer quantizer(checkpoint, model, to, options);
  for (const auto& [native_name, name] : order) {
    const TensorView& tensor = *checkpoint.Find(*name);
    if (options.progress) options.progress(*name, done, total);
    quantizer.Add(*name, tensor);
    done += tensor.bytes;
  }
  quantizer.AddOwn();
  return quantizer.Finish(NativeConfig(std::move(config), model));
}

}  // namespace uffizi
