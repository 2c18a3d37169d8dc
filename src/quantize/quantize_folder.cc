#include "quantize/quantize_folder.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "checkpoint/checkpoint.h"
#include "checkpoint/config.h"
#include "checkpoint/native_config.h"
#include "checkpoint/pack_quantized.h"
#include "checkpoint/weight_reader.h"
#include "core/half.h"
#include "core/json_reader.h"
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

// A folder that is made under another name and takes its own when it is whole.
class NewFolder {
 public:
  NewFolder(const fs::path& path, bool overwrite)
      : path_(path), part_(Beside(".part")), old_(Beside(".old")) {
    CheckQuantizeTarget(path, overwrite);
    std::error_code error;
    fs::create_directories(part_, error);
    if (error) throw Error(ErrorCode::kIo, part_.string() + ": cannot be made");
  }

  ~NewFolder() {
    std::error_code ignored;
    fs::remove_all(part_, ignored);
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  const fs::path& part() const { return part_; }

  void Finish() {
    std::error_code error;
    const bool replace = fs::exists(path_);
    if (replace) fs::rename(path_, old_, error);
    if (!error) fs::rename(part_, path_, error);
    if (error) throw Error(ErrorCode::kIo, path_.string() + ": cannot be written");
    if (replace) fs::remove_all(old_, error);
  }

 private:
  fs::path Beside(const char* suffix) const {
    const fs::path trimmed = path_.has_filename() ? path_ : path_.parent_path();
    return trimmed.string() + suffix + std::to_string(getpid());
  }

  fs::path path_, part_, old_;
};

bool IsLinear(const std::string& name) {
  static constexpr const char* kLayers[] = {".q_proj.weight",   ".k_proj.weight", ".v_proj.weight",
                                            ".out_proj.weight", ".qkv.weight",    ".proj.weight",
                                            ".fc1.weight",      ".fc2.weight"};
  return std::any_of(std::begin(kLayers), std::end(kLayers),
                     [&](const char* layer) { return name.ends_with(layer); });
}

double RelativeError(const FloatTensor& w, const QuantizedMatrix& matrix,
                     const std::vector<float>& importance) {
  std::vector<float> values(w.size());
  Dequantize(matrix, values.data());
  double error = 0, power = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double weight = importance.empty() ? 1.0 : importance[i % matrix.columns];
    const double value = w.data()[i], difference = value - values[i];
    error += weight * difference * difference;
    power += weight * value * value;
  }
  return power > 0 ? std::sqrt(error / power) : 0.0;
}

// Makes the tensors of the new folder, one after another.
class Writer {
 public:
  Writer(const Checkpoint& checkpoint, const QuantizeFolderOptions& options)
      : reader_(checkpoint, Arithmetic::kF32, Adapters(options)), options_(options) {}

  void Add(const std::string& stored_name, const TensorView& tensor) {
    const std::string name = NativeName(stored_name);
    report_.bytes_before += tensor.bytes;
    if (IsLinear(name) && tensor.shape.size() == 2) {
      const auto columns = static_cast<size_t>(tensor.shape[1]);
      const QuantizeOptions fitting = FittingOptions(options_.weights, columns);
      if (fitting.bits == options_.weights.bits &&
          fitting.group_size == options_.weights.group_size) {
        Quantized(name, tensor);
        return;
      }
      ignored_.push_back(name.substr(0, name.size() - std::strlen(".weight")));
    }
    Kept(name, tensor);
  }

  // A head that only an adapter has.
  void AddOwn() {
    if (!options_.adapters.HasOwn(kHead) || reader_.Find(kHead) != nullptr) return;
    const TensorView* tied = reader_.Find(reader_.Holder(kTokens));
    if (tied == nullptr) reader_.Fail(kTokens, "missing");
    PutHalf(kHead, reader_.Floats(kHead, tied->shape), *tied);
    report_.layers.push_back({kHead, tied->shape, 16, 0.0});
  }

  const std::vector<std::string>& ignored() const { return ignored_; }

  FolderReport Finish(const fs::path& file) {
    WriteSafetensors(file, tensors_);
    return std::move(report_);
  }

 private:
  static const LoraAdapters* Adapters(const QuantizeFolderOptions& options) {
    return options.adapters.empty() ? nullptr : &options.adapters;
  }

  void Quantized(const std::string& name, const TensorView& tensor) {
    const FloatTensor w = reader_.Floats(name, tensor.shape);
    std::vector<float> importance;
    const auto found = options_.importance.find(name);
    if (found != options_.importance.end()) importance = found->second;
    const QuantizedMatrix matrix =
        Quantize(w.data(), static_cast<size_t>(tensor.shape[0]),
                 static_cast<size_t>(tensor.shape[1]), options_.weights, importance);
    report_.layers.push_back(
        {name, tensor.shape, matrix.bits, RelativeError(w, matrix, importance)});
    const std::string module = name.substr(0, name.size() - std::strlen("weight"));
    for (const auto& [suffix, part] : Pack(matrix, storage_)) Put(module + suffix, part);
  }

  // Vectors stay what they are; what is larger needs no more than 16 bits.
  void Kept(const std::string& name, const TensorView& tensor) {
    TensorView kept = tensor;
    if (name == kProjection && reader_.StoredName(name) != name) {
      kept.shape = {tensor.shape[1], tensor.shape[0]};  // Microsoft's is the other way around
      PutHalf(
          name,
          reader_.ImageProjection(static_cast<int>(kept.shape[0]), static_cast<int>(kept.shape[1])),
          kept);
    } else if (tensor.shape.size() > 1 && (tensor.dtype == DType::kF32 ||
                                           tensor.dtype == DType::kF64 || reader_.Changed(name))) {
      PutHalf(name, reader_.Floats(name, tensor.shape), kept);
    } else if (reader_.Changed(name)) {
      PutFloats(name, reader_.Floats(name, tensor.shape), kept);
    } else if (name != kLogitsBias || !IsZero(tensor)) {  // transformers knows no such bias
      if (IsFloating(tensor.dtype)) reader_.Floats(name, tensor.shape);  // throws if it is damaged
      Put(name, kept);
    }
    if (tensor.shape.size() > 1 && name != kLogitsBias) {
      report_.layers.push_back({name, kept.shape, 16, 0.0});
    }
  }

  static bool IsFloating(DType dtype) {
    return dtype == DType::kF64 || dtype == DType::kF32 || dtype == DType::kF16 ||
           dtype == DType::kBF16;
  }

  static bool IsZero(const TensorView& tensor) {
    return std::all_of(tensor.data, tensor.data + tensor.bytes,
                       [](uint8_t byte) { return byte == 0; });
  }

  // Half precision, or as it was if that is too narrow.
  void PutHalf(const std::string& name, const FloatTensor& values, TensorView kept) {
    std::vector<uint8_t> bytes(values.size() * sizeof(uint16_t));
    bool fits = true;
    for (size_t i = 0; i < values.size(); ++i) {
      const uint16_t half = FloatToHalf(values.data()[i]);
      fits &= (half & 0x7c00u) != 0x7c00u;
      std::memcpy(bytes.data() + i * sizeof(half), &half, sizeof(half));
    }
    if (!fits) {
      PutFloats(name, values, kept);
      return;
    }
    kept.dtype = DType::kF16;
    PutBytes(name, std::move(bytes), kept);
  }

  void PutFloats(const std::string& name, const FloatTensor& values, TensorView kept) {
    std::vector<uint8_t> bytes(values.size() * sizeof(float));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    kept.dtype = DType::kF32;
    PutBytes(name, std::move(bytes), kept);
  }

  void PutBytes(const std::string& name, std::vector<uint8_t> bytes, TensorView kept) {
    storage_.push_back(std::move(bytes));
    kept.data = storage_.back().data();
    kept.bytes = storage_.back().size();
    Put(name, kept);
  }

  void Put(const std::string& name, const TensorView& tensor) {
    tensors_[name] = tensor;
    report_.bytes_after += tensor.bytes;
  }

  WeightReader reader_;
  const QuantizeFolderOptions& options_;
  FolderReport report_;
  std::vector<std::string> ignored_;  // linear layers that are not quantized
  std::map<std::string, TensorView> tensors_;
  std::vector<std::vector<uint8_t>> storage_;
};

json QuantizationConfig(const QuantizeOptions& options, std::vector<std::string> ignored) {
  ignored.insert(ignored.begin(), {"lm_head", "model.multi_modal_projector.image_projection"});
  const json weights = {{"num_bits", options.bits},
                        {"type", "int"},
                        {"symmetric", options.symmetric},
                        {"strategy", options.group_size == 0 ? "channel" : "group"},
                        {"group_size", options.group_size == 0 ? json() : json(options.group_size)},
                        {"dynamic", false}};
  return {{"quant_method", "compressed-tensors"},
          {"format", "pack-quantized"},
          {"quantization_status", "compressed"},
          {"config_groups", {{"group_0", {{"targets", {"Linear"}}, {"weights", weights}}}}},
          {"ignore", ignored}};
}

// Everything beside the weights.
void CopyOtherFiles(const fs::path& from, const fs::path& to) {
  for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
    const fs::path name = entry.path().filename();
    const std::string extension = name.extension().string();
    const bool weights = extension == ".safetensors" || extension == ".bin" || extension == ".pt" ||
                         extension == ".pth" || name == "model.safetensors.index.json";
    if (!entry.is_regular_file() || weights || name == "config.json") continue;
    std::error_code error;
    fs::copy_file(entry.path(), to / name, error);
    if (error) throw Error(ErrorCode::kIo, (to / name).string() + ": cannot be written");
  }
}

}  // namespace

void CheckQuantizeTarget(const fs::path& to, bool overwrite) {
  if (!fs::exists(to)) return;
  if (!overwrite) Refuse(to, "exists; --force replaces it");
  if (!fs::exists(to / "config.json")) Refuse(to, "is no model folder, and stays");
}

FolderReport QuantizeFolder(const fs::path& from, const fs::path& to,
                            const QuantizeFolderOptions& options) {
  if (!fs::exists(from)) {
    throw Error(ErrorCode::kNotFound, from.string() + ": no such model folder");
  }
  if (fs::exists(to) && fs::equivalent(from, to)) Refuse(to, "is the model to quantize itself");
  const ModelConfig model = LoadModelConfig(from);
  json config = JsonReader::Open(from / "config.json").value();
  if (config.contains("quantization_config") || config.contains("compression_config")) {
    Refuse(from, "is quantized already");
  }
  const Checkpoint checkpoint = Checkpoint::Open(from);
  NewFolder folder(to, options.overwrite);
  CopyOtherFiles(from, folder.part());
  size_t total = 0, done = 0;
  for (const auto& [name, tensor] : checkpoint.tensors()) total += tensor.bytes;
  Writer writer(checkpoint, options);
  for (const auto& [name, tensor] : checkpoint.tensors()) {
    if (options.progress) options.progress(name, done, total);
    writer.Add(name, tensor);
    done += tensor.bytes;
  }
  writer.AddOwn();
  FolderReport report = writer.Finish(folder.part() / "model.safetensors");
  config = NativeConfig(std::move(config), model);
  config["quantization_config"] = QuantizationConfig(options.weights, writer.ignored());
  std::ofstream out(folder.part() / "config.json");
  out << config.dump(2) << "\n";
  out.close();
  if (!out) throw Error(ErrorCode::kIo, to.string() + ": cannot be written");
  folder.Finish();
  return report;
}

}  // namespace uffizi
