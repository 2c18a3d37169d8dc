#include "checkpoint/pack_quantized.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>

#include "checkpoint/weight_reader.h"
#include "core/half.h"
#include "core/json_reader.h"
#include "core/parallel.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMethod = "compressed-tensors";
constexpr const char* kFormat = "pack-quantized";
constexpr size_t kWordBits = 32;

size_t Words(size_t count, int bits) {
  return (count * static_cast<size_t>(bits) + kWordBits - 1) / kWordBits;
}

PackScheme ReadScheme(const JsonReader& weights) {
  const int bits = weights.IntOr("num_bits", 8);
  if (bits != 4 && bits != 8) weights.Fail("num_bits", "must be 4 or 8");
  const std::string type = weights.StringOr("type", "int");
  if (type != "int") weights.Fail("type", "\"" + type + "\" is not supported, only \"int\"");
  if (weights.BoolOr("dynamic", false)) weights.Fail("dynamic", "does not apply to weights");
  const int group_size = weights.IntOr("group_size", -1, -1);
  const std::string strategy = weights.StringOr("strategy", group_size > 0 ? "group" : "channel");
  if (strategy == "group" && group_size < 1) weights.Fail("group_size", "missing");
  if (strategy != "group" && strategy != "channel") {
    weights.Fail("strategy", "\"" + strategy + "\" is not supported, only group and channel");
  }
  return {bits, strategy == "group" ? static_cast<size_t>(group_size) : 0,
          weights.BoolOr("symmetric", true)};
}

// A config group given as a preset's name and its targets: {"W4A16": ["Linear"]}.
std::optional<PackScheme> Preset(const std::string& name) {
  constexpr size_t kGroup = 128;
  if (name == "W4A16") return PackScheme{4, kGroup, true};
  if (name == "W4A16_ASYM") return PackScheme{4, kGroup, false};
  if (name == "W8A16") return PackScheme{8, kGroup, true};
  return std::nullopt;
}

// The parts of one packed matrix.
class Parts {
 public:
  Parts(const Checkpoint& checkpoint, std::string name)
      : checkpoint_(checkpoint), name_(std::move(name)) {}

  const TensorView* Find(const char* suffix) const { return checkpoint_.Find(name_ + suffix); }

  const TensorView& Get(const char* suffix) const {
    const TensorView* part = Find(suffix);
    if (part == nullptr) Fail(suffix, "missing");
    return *part;
  }

  [[noreturn]] void Fail(const char* suffix, const std::string& reason) const {
    const TensorView* part = Find(suffix);
    if (part == nullptr) part = Find("_packed");
    const std::string file = part != nullptr ? part->file : checkpoint_.folder().string();
    throw Error(ErrorCode::kInvalidModel, file + ": tensor " + name_ + suffix + ": " + reason);
  }

  void Check(const char* suffix, DType dtype, const std::vector<int64_t>& shape) const {
    const TensorView& part = Get(suffix);
    if (part.dtype != dtype) {
      Fail(suffix, std::string("is ") + DTypeName(part.dtype) + ", not " + DTypeName(dtype));
    }
    if (part.shape != shape) {
      Fail(suffix, "has the shape " + ShapeToString(part.shape) + " where " + ShapeToString(shape) +
                       " is needed");
    }
  }

 private:
  const Checkpoint& checkpoint_;
  std::string name_;
};

template <typename T>
std::vector<T> Copy(const TensorView& tensor) {
  std::vector<T> values(tensor.bytes / sizeof(T));
  std::memcpy(values.data(), tensor.data, values.size() * sizeof(T));
  return values;
}

// Rows and columns, as weight_shape gives them.
std::pair<size_t, size_t> ReadShape(const Parts& parts) {
  const TensorView& stored = parts.Get("_shape");
  std::vector<int64_t> shape;
  if (stored.dtype == DType::kI64) {
    shape = Copy<int64_t>(stored);
  } else if (stored.dtype == DType::kI32) {
    for (const int32_t extent : Copy<int32_t>(stored)) shape.push_back(extent);
  } else {
    parts.Fail("_shape", std::string("is ") + DTypeName(stored.dtype) + ", not I64");
  }
  constexpr int64_t kMost = int64_t{1} << 31;
  if (stored.shape != std::vector<int64_t>{2} || shape[0] < 1 || shape[1] < 1 || shape[0] > kMost ||
      shape[1] > kMost) {
    parts.Fail("_shape", "does not hold the two extents of a matrix");
  }
  return {static_cast<size_t>(shape[0]), static_cast<size_t>(shape[1])};
}

// The first scheme that matches the sizes of the packed weight and of its scales.
const PackScheme& MatchScheme(const Parts& parts, size_t columns,
                              const std::vector<PackScheme>& schemes) {
  const TensorView& packed = parts.Get("_packed");
  const TensorView& scale = parts.Get("_scale");
  if (packed.shape.size() != 2) parts.Fail("_packed", "is not a matrix");
  if (scale.shape.size() != 2) parts.Fail("_scale", "is not a matrix");
  bool lacks_zero_points = false;
  for (const PackScheme& scheme : schemes) {
    const size_t group = scheme.group_size == 0 ? columns : scheme.group_size;
    if (static_cast<size_t>(packed.shape[1]) != Words(columns, scheme.bits) ||
        columns % group != 0 || static_cast<size_t>(scale.shape[1]) != columns / group) {
      continue;
    }
    if (scheme.symmetric || parts.Find("_zero_point") != nullptr) return scheme;
    lacks_zero_points = true;
  }
  if (lacks_zero_points) parts.Fail("_zero_point", "missing");
  parts.Fail("_packed", "fits no group of quantization_config: its shape is " +
                            ShapeToString(packed.shape) + ", that of its scales " +
                            ShapeToString(scale.shape) + ", and there are " +
                            std::to_string(columns) + " columns");
}

void ReadScales(const Parts& parts, QuantizedMatrix& matrix) {
  const TensorView& scale = parts.Get("_scale");
  if (scale.dtype != DType::kF16 && scale.dtype != DType::kBF16 && scale.dtype != DType::kF32) {
    parts.Fail("_scale", std::string("is ") + DTypeName(scale.dtype) + ", not floating-point");
  }
  parts.Check("_scale", scale.dtype,
              {static_cast<int64_t>(matrix.rows), static_cast<int64_t>(matrix.groups())});
  matrix.scales.resize(scale.elements());
  if (!ConvertToFloat(scale, matrix.scales.data())) parts.Fail("_scale", "holds NaN or infinity");
}

void ReadZeroPoints(const Parts& parts, QuantizedMatrix& matrix) {
  const TensorView& stored = parts.Get("_zero_point");
  const size_t groups = matrix.groups();
  matrix.zeros.resize(matrix.rows * groups);
  if (stored.dtype == DType::kI8) {  // early versions of the format do not pack them
    parts.Check("_zero_point", DType::kI8,
                {static_cast<int64_t>(matrix.rows), static_cast<int64_t>(groups)});
    for (size_t i = 0; i < matrix.zeros.size(); ++i) {
      const int zero = static_cast<int8_t>(stored.data[i]) + matrix.symmetric_zero();
      if (zero < 0 || zero >= 2 * matrix.symmetric_zero()) {
        parts.Fail("_zero_point", "is out of the range of the codes");
      }
      matrix.zeros[i] = static_cast<uint8_t>(zero);
    }
    return;
  }
  parts.Check(
      "_zero_point", DType::kI32,
      {static_cast<int64_t>(Words(matrix.rows, matrix.bits)), static_cast<int64_t>(groups)});
  const std::vector<uint32_t> words = Copy<uint32_t>(stored);
  const size_t per_word = kWordBits / static_cast<size_t>(matrix.bits);
  const uint32_t mask = (1u << matrix.bits) - 1;
  for (size_t r = 0; r < matrix.rows; ++r) {
    for (size_t g = 0; g < groups; ++g) {
      const uint32_t word = words[r / per_word * groups + g];
      matrix.zeros[r * groups + g] =
          static_cast<uint8_t>(word >> (r % per_word * static_cast<size_t>(matrix.bits)) & mask);
    }
  }
}

// Activation ordering can assign columns to groups out of order; such files are refused.
void CheckColumnOrder(const Parts& parts, const QuantizedMatrix& matrix) {
  if (parts.Find("_g_idx") == nullptr) return;
  parts.Check("_g_idx", DType::kI32, {static_cast<int64_t>(matrix.columns)});
  const std::vector<int32_t> groups = Copy<int32_t>(parts.Get("_g_idx"));
  for (size_t c = 0; c < groups.size(); ++c) {
    if (groups[c] != -1 && groups[c] != static_cast<int32_t>(c / matrix.group_size)) {
      parts.Fail("_g_idx",
                 "puts columns into groups out of order (actorder \"group\"), which is not "
                 "supported; quantize with actorder \"weight\" or none");
    }
  }
}

void AddTensor(const std::string& suffix, DType dtype, std::vector<int64_t> shape,
               std::vector<uint8_t> bytes, std::map<std::string, TensorView>& tensors,
               std::vector<std::vector<uint8_t>>& storage) {
  storage.push_back(std::move(bytes));
  tensors[suffix] = {dtype, std::move(shape), storage.back().data(), storage.back().size(), ""};
}

template <typename T>
std::vector<uint8_t> Bytes(const std::vector<T>& values) {
  std::vector<uint8_t> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// Stores the scales in the narrowest type that holds them exactly.
void AddScales(const std::vector<float>& scales, const std::vector<int64_t>& shape,
               std::map<std::string, TensorView>& tensors,
               std::vector<std::vector<uint8_t>>& storage) {
  const auto narrow = [&](DType dtype, uint16_t (*to)(float), float (*from)(uint16_t)) {
    std::vector<uint16_t> narrowed(scales.size());
    std::transform(scales.begin(), scales.end(), narrowed.begin(), to);
    const bool exact =
        std::equal(scales.begin(), scales.end(), narrowed.begin(),
                   [from](float scale, uint16_t stored) { return from(stored) == scale; });
    if (exact) AddTensor("weight_scale", dtype, shape, Bytes(narrowed), tensors, storage);
    return exact;
  };
  if (narrow(DType::kF16, FloatToHalf, HalfToFloat)) return;
  if (narrow(DType::kBF16, FloatToBfloat16, Bfloat16ToFloat)) return;
  AddTensor("weight_scale", DType::kF32, shape, Bytes(scales), tensors, storage);
}

}  // namespace

std::vector<PackScheme> ReadPackSchemes(const fs::path& folder) {
  const fs::path path = folder / "config.json";
  if (!fs::exists(path)) return {};
  const JsonReader reader = JsonReader::Open(path);
  auto config = reader.Object("quantization_config");
  if (!config) config = reader.Object("compression_config");  // its name in early versions
  if (!config) return {};
  const std::string method = config->StringOr("quant_method", kMethod);
  if (method != kMethod) {
    config->Fail("quant_method", "\"" + method + "\" is not supported, only \"" + kMethod + "\"");
  }
  const std::string format = config->StringOr("format", "");
  const auto groups = config->Object("config_groups");
  if (!groups) config->Fail("config_groups", "missing");
  std::vector<PackScheme> schemes;
  for (const auto& [name, group] : groups->value().items()) {
    if (group.is_array()) {
      const auto preset = Preset(name);
      if (!preset) groups->Fail(name, "is no preset that is supported");
      schemes.push_back(*preset);
      continue;
    }
    const auto settings = groups->Object(name);
    if (!settings) groups->Fail(name, "must be an object");
    const auto weights = settings->Object("weights");
    if (!weights) continue;
    const std::string own_format = settings->StringOr("format", format);
    if (own_format != kFormat) {
      config->Fail("format", "\"" + own_format + "\" is not supported, only \"" + kFormat + "\"");
    }
    schemes.push_back(ReadScheme(*weights));
  }
  return schemes;
}

bool IsPacked(const Checkpoint& checkpoint, const std::string& name) {
  return checkpoint.Find(name + "_packed") != nullptr;
}

PackedSize ReadPackedSize(const Checkpoint& checkpoint, const std::string& name) {
  const Parts parts(checkpoint, name);
  const auto [rows, columns] = ReadShape(parts);
  const size_t words = parts.Get("_packed").elements() / rows;
  return {rows, columns, words == Words(columns, 4) ? 4 : 8};
}

QuantizedMatrix ReadPacked(const Checkpoint& checkpoint, const std::string& name,
                           const std::vector<PackScheme>& schemes) {
  const Parts parts(checkpoint, name);
  QuantizedMatrix matrix;
  std::tie(matrix.rows, matrix.columns) = ReadShape(parts);
  const PackScheme& scheme = MatchScheme(parts, matrix.columns, schemes);
  matrix.bits = scheme.bits;
  matrix.group_size = scheme.group_size == 0 ? matrix.columns : scheme.group_size;
  const size_t words = Words(matrix.columns, matrix.bits);
  parts.Check("_packed", DType::kI32,
              {static_cast<int64_t>(matrix.rows), static_cast<int64_t>(words)});
  if (matrix.columns * static_cast<size_t>(matrix.bits) % 8 != 0) {
    parts.Fail("_shape", "is not supported: an odd number of columns in 4 bits");
  }
  ReadScales(parts, matrix);
  if (parts.Find("_zero_point") != nullptr) ReadZeroPoints(parts, matrix);
  CheckColumnOrder(parts, matrix);
  // In memory, codes packed from the lowest bits of little-endian words are bytes in the order of
  // QuantizedMatrix.
  static_assert(std::endian::native == std::endian::little);
  const TensorView& packed = parts.Get("_packed");
  matrix.codes.resize(matrix.rows * matrix.row_bytes());
  ParallelFor(matrix.rows, 256, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) {
      std::copy_n(packed.data + r * words * sizeof(uint32_t), matrix.row_bytes(),
                  matrix.codes.data() + r * matrix.row_bytes());
    }
  });
  ReleasePages(packed.data, packed.bytes);
  return matrix;
}

std::map<std::string, TensorView> Pack(const QuantizedMatrix& matrix,
                                       std::vector<std::vector<uint8_t>>& storage) {
  std::map<std::string, TensorView> tensors;
  const auto rows = static_cast<int64_t>(matrix.rows);
  const auto groups = static_cast<int64_t>(matrix.groups());
  const size_t words = Words(matrix.columns, matrix.bits);
  std::vector<uint8_t> packed(matrix.rows * words * sizeof(uint32_t));
  for (size_t r = 0; r < matrix.rows; ++r) {
    std::copy_n(matrix.codes.data() + r * matrix.row_bytes(), matrix.row_bytes(),
                packed.data() + r * words * sizeof(uint32_t));
  }
  AddTensor("weight_packed", DType::kI32, {rows, static_cast<int64_t>(words)}, std::move(packed),
            tensors, storage);
  AddScales(matrix.scales, {rows, groups}, tensors, storage);
  AddTensor("weight_shape", DType::kI64, {2},
            Bytes(std::vector<int64_t>{rows, static_cast<int64_t>(matrix.columns)}), tensors,
            storage);
  if (matrix.zeros.empty()) return tensors;
  const size_t zero_words = Words(matrix.rows, matrix.bits);
  std::vector<uint32_t> zeros(zero_words * matrix.groups());
  const size_t per_word = kWordBits / static_cast<size_t>(matrix.bits);
  for (size_t r = 0; r < matrix.rows; ++r) {
    for (size_t g = 0; g < matrix.groups(); ++g) {
      const uint32_t zero = matrix.zeros[r * matrix.groups() + g];
      zeros[r / per_word * matrix.groups() + g] |=
          zero << (r % per_word * static_cast<size_t>(matrix.bits));
    }
  }
  AddTensor("weight_zero_point", DType::kI32, {static_cast<int64_t>(zero_words), groups},
            Bytes(zeros), tensors, storage);
  return tensors;
}

}  // namespace uffizi
