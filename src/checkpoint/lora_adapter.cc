#include "checkpoint/lora_adapter.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "checkpoint/checkpoint.h"
#include "checkpoint/lora_config.h"
#include "checkpoint/weight_reader.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWeightsFile = "adapter_model.safetensors";
constexpr const char* kMagnitude = ".lora_magnitude_vector";  // of DoRA
constexpr size_t kMaxName = 1000;                             // characters

// The parts of a name such as "base_model.model.MODULE.lora_A.weight".
struct TensorName {
  std::string module, part;
};

// One folder being read.
class Reader {
 public:
  Reader(const fs::path& folder, double weight)
      : config_(LoraConfig::Read(folder / "adapter_config.json")),
        checkpoint_(OpenWeights(folder)),
        weight_(weight) {}

  std::vector<LoraChange> Read() {
    for (const auto& [name, tensor] : checkpoint_.tensors()) Take(name, tensor);
    if (changes_.empty()) {
      throw Error(ErrorCode::kInvalidModel,
                  (checkpoint_.folder() / kWeightsFile).string() + ": contains no adapter");
    }
    // Whole tensors come first, and products are added to them.
    std::stable_partition(changes_.begin(), changes_.end(),
                          [](const LoraChange& change) { return !change.whole.empty(); });
    return std::move(changes_);
  }

 private:
  static Checkpoint OpenWeights(const fs::path& folder) {
    if (!fs::exists(folder / kWeightsFile) && fs::exists(folder / "adapter_model.bin")) {
      throw Error(
          ErrorCode::kUnsupported,
          (folder / "adapter_model.bin").string() +
              ": PyTorch pickles can run code and are not opened; load the adapter with peft "
              "once and save it again, which writes safetensors");
    }
    return Checkpoint::OpenFile(folder / kWeightsFile);
  }

  [[noreturn]] static void Fail(const TensorView& tensor, const std::string& name,
                                const std::string& reason,
                                ErrorCode code = ErrorCode::kInvalidModel) {
    throw Error(code, tensor.file + ": tensor " + name + ": " + reason);
  }

  static TensorName Split(const std::string& name, const TensorView& tensor) {
    constexpr std::string_view kPrefix = "base_model.model.";
    if (!name.starts_with(kPrefix) || name.size() > kMaxName) {
      Fail(tensor, name.substr(0, kMaxName), "is no name of peft's");
    }
    const std::string inner = name.substr(kPrefix.size());
    const size_t lora = inner.find(".lora_");
    if (lora != std::string::npos) return {inner.substr(0, lora), inner.substr(lora + 1)};
    const size_t dot = std::min(inner.rfind('.'), inner.size());
    TensorName split{inner.substr(0, dot), dot < inner.size() ? inner.substr(dot + 1) : ""};
    // Part of the name of a layer's own tensor if the layer also has an adapter.
    constexpr std::string_view kBase = ".base_layer";
    if (split.module.ends_with(kBase)) split.module.resize(split.module.size() - kBase.size());
    return split;
  }

  void Take(const std::string& name, const TensorView& tensor) {
    const auto [module, part] = Split(name, tensor);
    if (part == "lora_A.weight") {
      Product(module, name, tensor);
    } else if (part == "lora_embedding_A") {
      Embedding(module, name, tensor);
    } else if (part == "lora_B.bias") {
      Bias(module, name, tensor);
    } else if (part == "weight" || part == "bias") {
      Whole(module, part, name, tensor);
    } else if (part == "lora_B.weight") {
      Other(module, "lora_A.weight", tensor);  // read together with its A
    } else if (part == "lora_embedding_B") {
      Other(module, "lora_embedding_A", tensor);
    } else if ("." + part != kMagnitude) {
      Fail(tensor, name, "cannot be merged", ErrorCode::kUnsupported);
    }
  }

  const TensorView& Other(const std::string& module, const char* part,
                          const TensorView& tensor) const {
    const std::string name = "base_model.model." + module + "." + part;
    const TensorView* other = checkpoint_.Find(name);
    if (other == nullptr) Fail(tensor, name, "missing");
    return *other;
  }

  LoraChange& Add(const std::string& name, const std::string& tensor_name,
                  const TensorView& tensor) {
    LoraChange& change = changes_.emplace_back();
    change.name = NativeName(name);
    change.file = tensor.file;
    change.tensor = tensor_name;
    return change;
  }

  std::vector<float> Floats(const std::string& name, const TensorView& tensor) const {
    if (tensor.dtype != DType::kF32 && tensor.dtype != DType::kF16 &&
        tensor.dtype != DType::kBF16 && tensor.dtype != DType::kF64) {
      Fail(tensor, name, std::string("is ") + DTypeName(tensor.dtype) + ", not floating-point");
    }
    std::vector<float> values(tensor.elements());
    if (values.empty()) Fail(tensor, name, "is empty");
    if (!ConvertToFloat(tensor, values.data())) Fail(tensor, name, "holds NaN or infinity");
    return values;
  }

  float Scale(const std::string& module, const std::string& name, const TensorView& tensor) const {
    const auto scale = static_cast<float>(weight_ * config_.Scale(module));
    if (!std::isfinite(scale)) Fail(tensor, name, "the config gives it no valid scale");
    return scale;
  }

  void CheckRank(const std::string& module, const std::string& name, const TensorView& a,
                 int64_t rank) const {
    if (rank != static_cast<int64_t>(config_.Rank(module))) {
      Fail(a, name,
           "has the shape " + ShapeToString(a.shape) + " where the config gives the rank " +
               std::to_string(config_.Rank(module)));
    }
  }

  // A linear layer, A [rank, in] and B [out, rank], or a convolution, A [rank, in, size, size] and
  // B [out, rank, 1, 1].
  void Product(const std::string& module, const std::string& name, const TensorView& a) {
    const TensorView& b = Other(module, "lora_B.weight", a);
    const size_t dimensions = a.shape.size();
    const bool fits = (dimensions == 2 || dimensions == 4) && b.shape.size() == dimensions &&
                      (dimensions == 2 || (b.shape[2] == 1 && b.shape[3] == 1));
    if (fits && dimensions == 4 && b.shape[1] < a.shape[0]) {
      Fail(a, name, "is for a grouped convolution, which cannot be merged",
           ErrorCode::kUnsupported);
    }
    if (!fits || b.shape[1] != a.shape[0]) {
      Fail(a, name,
           "has the shape " + ShapeToString(a.shape) + ", which does not go with lora_B's, " +
               ShapeToString(b.shape));
    }
    CheckRank(module, name, a, a.shape[0]);
    LoraChange& change = Add(module + ".weight", name, a);
    change.shape = a.shape;
    change.shape[0] = b.shape[0];
    change.rank = static_cast<size_t>(a.shape[0]);
    change.scale = Scale(module, name, a);
    change.a = Floats(name, a);
    change.b = Floats("lora_B.weight of " + module, b);
    const std::string magnitude = "base_model.model." + module + kMagnitude;
    if (const TensorView* tensor = checkpoint_.Find(magnitude)) {
      change.magnitude = Floats(magnitude, *tensor);
      if (change.magnitude.size() != Size(change.shape[0])) {
        Fail(*tensor, magnitude,
             "has the shape " + ShapeToString(tensor->shape) + " where " +
                 std::to_string(change.shape[0]) + " values are needed");
      }
    }
  }

  // An embedding, A [rank, rows] and B [columns, rank].
  void Embedding(const std::string& module, const std::string& name, const TensorView& a) {
    const TensorView& b = Other(module, "lora_embedding_B", a);
    if (a.shape.size() != 2 || b.shape.size() != 2 || b.shape[1] != a.shape[0]) {
      Fail(a, name,
           "has the shape " + ShapeToString(a.shape) +
               ", which does not go with lora_embedding_B's, " + ShapeToString(b.shape));
    }
    CheckRank(module, name, a, a.shape[0]);
    LoraChange& change = Add(module + ".weight", name, a);
    change.shape = {a.shape[1], b.shape[0]};
    change.rank = static_cast<size_t>(a.shape[0]);
    change.scale = Scale(module, name, a);
    if (checkpoint_.Find("base_model.model." + module + kMagnitude) != nullptr) {
      Fail(a, name, "is a DoRA of an embedding, which cannot be merged", ErrorCode::kUnsupported);
    }
    const auto transposed = [](const std::vector<float>& values, size_t rows) {
      const size_t columns = values.size() / rows;
      std::vector<float> turned(values.size());
      for (size_t r = 0; r < rows; ++r) {
        for (size_t c = 0; c < columns; ++c) turned[c * rows + r] = values[r * columns + c];
      }
      return turned;
    };
    change.a = transposed(Floats("lora_embedding_B of " + module, b), Size(b.shape[0]));
    change.b = transposed(Floats(name, a), change.rank);
  }

  // With lora_bias, B's own bias is added to the layer's.
  void Bias(const std::string& module, const std::string& name, const TensorView& tensor) {
    LoraChange& change = Add(module + ".bias", name, tensor);
    change.shape = tensor.shape;
    change.rank = 1;
    change.scale = Scale(module, name, tensor);
    change.a = {1.0f};
    change.b = Floats(name, tensor);
    if (change.shape.size() != 1) Fail(tensor, name, "is not a vector");
  }

  // A layer that was trained as a whole (modules_to_save), or a bias (bias="all").
  void Whole(const std::string& module, const std::string& part, const std::string& name,
             const TensorView& tensor) {
    if (weight_ != 1) {
      Fail(tensor, name,
           "replaces the model's own; an adapter with such a tensor must have the weight 1",
           ErrorCode::kUnsupported);
    }
    LoraChange& change = Add(module + "." + part, name, tensor);
    change.shape = tensor.shape;
    change.whole = Floats(name, tensor);
    change.own = config_.IsSavedWhole(module);
    if (change.own && change.name.starts_with("model.language_model.") &&
        (change.name.ends_with(".shared.weight") || change.name.ends_with("embed_tokens.weight"))) {
      Fail(tensor, name, "is a copy of one of the tied embeddings, which cannot be merged",
           ErrorCode::kUnsupported);
    }
  }

  static size_t Size(int64_t extent) { return static_cast<size_t>(extent); }

  const LoraConfig config_;
  const Checkpoint checkpoint_;
  const double weight_;
  std::vector<LoraChange> changes_;
};

}  // namespace

std::vector<LoraChange> ReadLoraAdapter(const fs::path& folder, double weight) {
  if (!std::isfinite(weight)) {
    throw Error(ErrorCode::kInvalidArgument,
                folder.string() + ": an adapter's weight must be a number");
  }
  return Reader(folder, weight).Read();
}

}  // namespace uffizi
