#include "checkpoint/weight_reader.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/half.h"
#include "core/parallel.h"
#include "kernels/quantize.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

constexpr size_t kGroupSize = 64;  // for weights that are quantized while they are loaded
constexpr size_t kConvertGrain = size_t{1} << 16;  // smallest number of values for a task

// A float is finite when its exponent bits are not all ones.
bool AllFinite(const float* values, size_t count) {
  uint32_t bad = 0;
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, values + i, sizeof(bits));
    bad |= (bits & 0x7f800000u) == 0x7f800000u;
  }
  return bad == 0;
}

template <typename Stored, typename Convert>
void ConvertRange(const uint8_t* data, size_t begin, size_t end, float* out, Convert convert) {
  for (size_t i = begin; i < end; ++i) {
    Stored value;
    std::memcpy(&value, data + i * sizeof(Stored), sizeof(Stored));
    out[i] = convert(value);
  }
}

void ReplaceAll(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

}  // namespace

bool ConvertToFloat(const TensorView& tensor, float* out) {
  std::vector<char> finite((tensor.elements() + kConvertGrain - 1) / kConvertGrain, 1);
  ParallelFor(finite.size(), 1, [&](size_t first, size_t last) {
    for (size_t piece = first; piece < last; ++piece) {
      const size_t begin = piece * kConvertGrain;
      const size_t end = std::min(begin + kConvertGrain, tensor.elements());
      switch (tensor.dtype) {
        case DType::kF32:
          std::memcpy(out + begin, tensor.data + begin * sizeof(float),
                      (end - begin) * sizeof(float));
          break;
        case DType::kF16:
          ConvertRange<uint16_t>(tensor.data, begin, end, out,
                                 [](uint16_t value) { return HalfToFloat(value); });
          break;
        case DType::kBF16:
          ConvertRange<uint16_t>(tensor.data, begin, end, out, Bfloat16ToFloat);
          break;
        default:
          ConvertRange<double>(tensor.data, begin, end, out,
                               [](double value) { return static_cast<float>(value); });
      }
      finite[piece] = AllFinite(out + begin, end - begin);
    }
  });
  return std::find(finite.begin(), finite.end(), 0) == finite.end();
}

std::string MicrosoftName(const std::string& native_name) {
  std::string name = native_name;
  if (name == "lm_head.weight") return "language_model.lm_head.weight";
  if (name == "model.language_model.final_logits_bias") return "language_model.final_logits_bias";
  if (name.starts_with("model.")) name = name.substr(std::strlen("model."));
  if (name.starts_with("language_model.")) {
    return "language_model.model." + name.substr(std::strlen("language_model."));
  }
  static const std::pair<const char*, const char*> kRenames[] = {
      {"multi_modal_projector.", ""},
      {"image_position_embed.", "image_pos_embed."},
      {"image_projection.weight", "image_projection"},
      {".conv.", ".proj."},
      {".conv1.", ".conv1.fn.dw."},
      {".conv2.", ".conv2.fn.dw."},
      {"spatial_block.norm1.", "spatial_block.window_attn.norm."},
      {"channel_block.norm1.", "channel_block.channel_attn.norm."},
      {".window_attn.qkv.", ".window_attn.fn.qkv."},
      {".window_attn.proj.", ".window_attn.fn.proj."},
      {".channel_attn.qkv.", ".channel_attn.fn.qkv."},
      {".channel_attn.proj.", ".channel_attn.fn.proj."},
      {".norm2.", ".ffn.norm."},
      {".ffn.fc", ".ffn.fn.net.fc"},
  };
  for (const auto& [from, to] : kRenames) ReplaceAll(name, from, to);
  return name;
}

std::string NativeName(const std::string& microsoft_name) {
  std::string name = microsoft_name;
  if (name == "language_model.lm_head.weight") return "lm_head.weight";
  if (name.starts_with("model.") || name.starts_with("lm_head.")) return name;
  if (name == "language_model.final_logits_bias") return "model." + name;
  constexpr std::string_view kText = "language_model.model.";
  if (name.starts_with(kText)) return "model.language_model." + name.substr(kText.size());
  if (!name.starts_with("vision_tower.")) {
    ReplaceAll(name, "image_pos_embed.", "image_position_embed.");
    if (name == "image_projection") name += ".weight";
    return "model.multi_modal_projector." + name;
  }
  static const std::pair<const char*, const char*> kRenames[] = {
      {".fn.dw.", "."},
      {".fn.net.", "."},
      {".window_attn.norm.", ".norm1."},
      {".channel_attn.norm.", ".norm1."},
      {".ffn.norm.", ".norm2."},
      {".fn.", "."},
  };
  for (const auto& [from, to] : kRenames) ReplaceAll(name, from, to);
  if (name.starts_with("vision_tower.convs.")) ReplaceAll(name, ".proj.", ".conv.");
  return "model." + name;
}

std::string ModuleOf(const std::string& tensor) { return tensor.substr(0, tensor.rfind('.')); }

WeightReader::WeightReader(const Checkpoint& checkpoint, Arithmetic arithmetic,
                           const LoraAdapters* adapters)
    : checkpoint_(checkpoint),
      arithmetic_(arithmetic),
      adapters_(adapters),
      microsoft_layout_(checkpoint.Find("vision_tower.convs.0.proj.bias") != nullptr),
      schemes_(ReadPackSchemes(checkpoint.folder())) {
  FindHolders();
  if (adapters_ != nullptr) FindChanges();
}

void WeightReader::FindHolders() {
  const std::string language = "model.language_model.";
  const std::string shared = language + "shared.weight";
  const std::string encoder = language + "encoder.embed_tokens.weight";
  const std::string decoder = language + "decoder.embed_tokens.weight", head = "lm_head.weight";
  // Files store any of the tied matrices, not always the same one.
  const std::string candidates[] = {shared, encoder, decoder, head};
  const auto* found = std::find_if(std::begin(candidates), std::end(candidates),
                                   [this](const std::string& name) { return IsStored(name); });
  if (found == std::end(candidates)) return;
  // A matrix is untied if the file contains one with different values, whatever the config says:
  // published configs have been wrong about it.
  const auto holder = [&](const std::string& name, const std::string& tied) {
    if (adapters_ != nullptr && adapters_->HasOwn(name)) return name;
    return name == tied || !IsStored(name) || Equal(name, tied) ? tied : name;
  };
  holders_[shared] = holders_[encoder] = *found;
  holders_[decoder] = holder(decoder, *found);
  holders_[head] = holder(head, holders_[decoder]);
}

void WeightReader::FindChanges() {
  for (const std::string& name : adapters_->names()) {
    if (!Has(Holder(name))) adapters_->Fail(name, "the model has no " + StoredName(name));
    changes_[Holder(name)].push_back(name);
  }
}

std::vector<const LoraChange*> WeightReader::Products(const std::string& name, size_t rows,
                                                      size_t columns) const {
  return adapters_->Products(changes_.at(Holder(name)),
                             {static_cast<int64_t>(rows), static_cast<int64_t>(columns)});
}

const std::string& WeightReader::Holder(const std::string& name) const {
  const auto found = holders_.find(name);
  return found == holders_.end() ? name : found->second;
}

std::string WeightReader::StoredName(const std::string& name) const {
  return microsoft_layout_ ? MicrosoftName(name) : name;
}

const TensorView* WeightReader::Find(const std::string& name) const {
  return checkpoint_.Find(StoredName(name));
}

bool WeightReader::IsStored(const std::string& name) const {
  return Find(name) != nullptr || IsPacked(checkpoint_, StoredName(name));
}

bool WeightReader::Has(const std::string& name) const {
  return IsStored(name) || (adapters_ != nullptr && adapters_->HasOwn(name));
}

std::optional<QuantizedMatrix> WeightReader::Quantized(const std::string& name, int rows,
                                                       int columns) const {
  if (!IsPacked(checkpoint_, StoredName(name)) || Changed(name)) return std::nullopt;
  return StoredCodes(name, rows, columns);
}

QuantizedMatrix WeightReader::StoredCodes(const std::string& name, int rows, int columns) const {
  QuantizedMatrix matrix = ReadPacked(checkpoint_, StoredName(name), schemes_);
  if (matrix.rows != static_cast<size_t>(rows) || matrix.columns != static_cast<size_t>(columns)) {
    Fail(name + "_packed", "holds a matrix of the shape " +
                               ShapeToString({static_cast<int64_t>(matrix.rows),
                                              static_cast<int64_t>(matrix.columns)}) +
                               " where the config needs " + ShapeToString({rows, columns}));
  }
  return matrix;
}

void WeightReader::Fail(const std::string& name, const std::string& reason) const {
  const TensorView* tensor = Find(name);
  const std::string file = tensor != nullptr ? tensor->file : checkpoint_.folder().string();
  throw Error(ErrorCode::kInvalidModel, file + ": tensor " + StoredName(name) + ": " + reason);
}

FloatTensor WeightReader::Floats(const std::string& name, const std::vector<int64_t>& shape) const {
  if (!Changed(name)) return StoredFloats(name, shape);
  // An adapter's own head may exist where the file stores none.
  const bool own = adapters_->HasOwn(name) && !IsStored(name);
  return Merge(name, shape, own ? FloatTensor() : StoredFloats(name, shape));
}

FloatTensor WeightReader::Merge(const std::string& name, const std::vector<int64_t>& shape,
                                FloatTensor values) const {
  const auto found = changes_.find(Holder(name));
  if (found == changes_.end()) return values;
  FloatTensor merged = adapters_->Merge(found->second, shape, values);
  if (!AllFinite(merged.data(), merged.size())) {
    adapters_->Fail(found->second.front(), "merged into the model gives NaN or infinity");
  }
  return merged;
}

void WeightReader::CheckFloating(const std::string& name, const TensorView& tensor) const {
  if (tensor.dtype != DType::kF32 && tensor.dtype != DType::kF16 && tensor.dtype != DType::kBF16 &&
      tensor.dtype != DType::kF64) {
    Fail(name, std::string("is ") + DTypeName(tensor.dtype) + ", not floating-point");
  }
}

FloatTensor WeightReader::StoredFloats(const std::string& name,
                                       const std::vector<int64_t>& shape) const {
  const TensorView* tensor = Find(name);
  if (tensor == nullptr && shape.size() == 2 && IsPacked(checkpoint_, StoredName(name))) {
    const QuantizedMatrix matrix =
        StoredCodes(name, static_cast<int>(shape[0]), static_cast<int>(shape[1]));
    LargeVector<float> values(matrix.rows * matrix.columns);
    Dequantize(matrix, values.data());
    return FloatTensor(std::move(values));
  }
  if (tensor == nullptr) Fail(name, "missing");
  if (tensor->shape != shape) {
    Fail(name, "has the shape " + ShapeToString(tensor->shape) + " where the config needs " +
                   ShapeToString(shape));
  }
  if (tensor->dtype == DType::kF32 && reinterpret_cast<uintptr_t>(tensor->data) % 4 == 0) {
    const auto* values = reinterpret_cast<const float*>(tensor->data);
    if (!AllFinite(values, tensor->elements())) Fail(name, "holds NaN or infinity");
    return FloatTensor(values, tensor->elements());
  }
  CheckFloating(name, *tensor);
  LargeVector<float> values(tensor->elements());
  if (!ConvertToFloat(*tensor, values.data())) Fail(name, "holds NaN or infinity");
  ReleasePages(tensor->data, tensor->bytes);
  return FloatTensor(std::move(values));
}

WeightMatrix WeightReader::Matrix(const std::string& name, int rows, int columns,
                                  WeightBits bits) const {
  if (arithmetic_ == Arithmetic::kF32) {
    return Matrix(Floats(name, {rows, columns}), rows, columns, bits);
  }
  const auto stored = Quantized(name, rows, columns);
  if (!stored) return Matrix(Floats(name, {rows, columns}), rows, columns, bits);
  return Counted(WeightMatrix(*stored));
}

WeightMatrix WeightReader::Matrix(FloatTensor values, int rows, int columns, WeightBits bits,
                                  std::span<const float> importance) const {
  const auto height = static_cast<size_t>(rows), width = static_cast<size_t>(columns);
  if (arithmetic_ == Arithmetic::kF32) {
    return Counted(WeightMatrix(std::move(values), height, width));
  }
  // At 8 bits, a search for scales would take most of the loading time to reduce by a tenth an
  // error that is only a tenth of that at 4 bits.
  // Matrices that a quantized folder stores unquantized are not narrowed to 4 bits.
  const bool narrow = bits == WeightBits::kNarrow && !quantized();
  const QuantizeOptions wanted{narrow ? 4 : 8, kGroupSize, true, narrow};
  return Counted(WeightMatrix(
      Quantize(values.data(), height, width, FittingOptions(wanted, width), importance)));
}

std::pair<int64_t, int64_t> WeightReader::MatrixShape(const std::string& name) const {
  if (IsPacked(checkpoint_, StoredName(name))) {
    const PackedSize shape = ReadPackedSize(checkpoint_, StoredName(name));
    return {static_cast<int64_t>(shape.rows), static_cast<int64_t>(shape.columns)};
  }
  const TensorView* tensor = Find(name);
  if (tensor == nullptr) Fail(name, "missing");
  if (tensor->shape.size() != 2) Fail(name, "is no matrix");
  return {tensor->shape[0], tensor->shape[1]};
}

std::vector<float> WeightReader::Rows(const std::string& name, size_t columns,
                                      std::span<const size_t> numbers) const {
  std::vector<float> rows(numbers.size() * columns);
  const auto [height, width] = MatrixShape(name);
  const TensorView* tensor = Find(name);
  if (Changed(name) || tensor == nullptr) {
    const FloatTensor all = Floats(name, {height, width});
    for (size_t i = 0; i < numbers.size(); ++i) {
      std::copy_n(all.data() + numbers[i] * columns, columns, rows.data() + i * columns);
    }
    return rows;
  }
  CheckFloating(name, *tensor);
  const size_t row_bytes = tensor->bytes / static_cast<size_t>(height);
  for (size_t i = 0; i < numbers.size(); ++i) {
    TensorView row = *tensor;
    row.data += numbers[i] * row_bytes;
    row.bytes = row_bytes;
    if (!ConvertToFloat(row, rows.data() + i * columns)) Fail(name, "holds NaN or infinity");
  }
  ReleasePages(tensor->data, tensor->bytes);
  return rows;
}

FloatTensor WeightReader::Vector(const std::string& name) const {
  const TensorView* tensor = Find(name);
  if (tensor == nullptr) Fail(name, "missing");
  if (tensor->shape.size() != 1) Fail(name, "is no vector");
  return Floats(name, tensor->shape);
}

WeightMatrix WeightReader::Counted(WeightMatrix matrix) const {
  matrix_parameters_ += matrix.size();
  matrix_bytes_ += matrix.bytes();
  return matrix;
}

bool WeightReader::Equal(const std::string& name, const std::string& other) const {
  for (const char* part : {"", "_packed", "_scale", "_zero_point"}) {
    const TensorView *a = Find(name + part), *b = Find(other + part);
    if ((a == nullptr) != (b == nullptr)) return false;
    if (a == nullptr) continue;
    if (a->dtype != b->dtype || a->shape != b->shape ||
        !std::equal(a->data, a->data + a->bytes, b->data)) {
      return false;
    }
  }
  return true;
}

FloatTensor WeightReader::ImageProjection(int out, int in) const {
  const std::string name = "model.multi_modal_projector.image_projection.weight";
  if (!microsoft_layout_) return Floats(name, {out, in});
  const FloatTensor stored = StoredFloats(name, {in, out});
  LargeVector<float> transposed(stored.size());
  for (int i = 0; i < in; ++i) {
    for (int o = 0; o < out; ++o) {
      transposed[static_cast<size_t>(o) * in + i] = stored.data()[static_cast<size_t>(i) * out + o];
    }
  }
  return Merge(name, {out, in}, FloatTensor(std::move(transposed)));
}

}  // namespace uffizi
