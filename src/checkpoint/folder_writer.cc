#include "checkpoint/folder_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "checkpoint/pack_quantized.h"
#include "core/half.h"
#include "core/owned_files.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string ModuleOf(const std::string& name) {
  return name.substr(0, name.size() - std::strlen(".weight"));
}

bool IsFinite(uint16_t half) { return (half & 0x7c00u) != 0x7c00u; }

std::span<const uint8_t> BytesOf(const FloatTensor& values) {
  return {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(float)};
}
std::span<const uint8_t> BytesOf(const std::vector<uint16_t>& values) {
  return {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(uint16_t)};
}

json SchemeJson(int bits, size_t group_size, bool symmetric) {
  return {{"num_bits", bits},
          {"type", "int"},
          {"symmetric", symmetric},
          {"strategy", group_size == 0 ? "channel" : "group"},
          {"group_size", group_size == 0 ? json() : json(group_size)},
          {"dynamic", false}};
}

}  // namespace

FolderWriter::FolderWriter(const fs::path& folder)
    : folder_(folder), tensors_(folder / "model.safetensors") {}

void FolderWriter::Put(const std::string& name, const TensorView& tensor) {
  tensors_.Add(name, tensor.dtype, tensor.shape, {tensor.data, tensor.bytes});
}

void FolderWriter::PutHalf(const std::string& name, const std::vector<int64_t>& shape,
                           const FloatTensor& values) {
  std::vector<uint16_t> half(values.size());
  bool fits = true;
  for (size_t i = 0; i < half.size(); ++i) {
    half[i] = FloatToHalf(values.data()[i]);
    fits &= IsFinite(half[i]);
  }
  if (!fits) return PutFloats(name, shape, values);
  tensors_.Add(name, DType::kF16, shape, BytesOf(half));
}

void FolderWriter::PutExact(const std::string& name, const std::vector<int64_t>& shape,
                            const FloatTensor& values) {
  const bool exact = std::all_of(values.data(), values.data() + values.size(), [](float value) {
    return HalfToFloat(FloatToHalf(value)) == value;
  });
  exact ? PutHalf(name, shape, values) : PutFloats(name, shape, values);
}

void FolderWriter::PutFloats(const std::string& name, const std::vector<int64_t>& shape,
                             const FloatTensor& values) {
  tensors_.Add(name, DType::kF32, shape, BytesOf(values));
}

void FolderWriter::PutMatrix(const std::string& name, const QuantizedMatrix& matrix) {
  std::vector<std::vector<uint8_t>> storage;
  const std::string module = ModuleOf(name);
  for (const auto& [suffix, part] : Pack(matrix, storage)) Put(module + "." + suffix, part);
  const size_t group = matrix.group_size == matrix.columns ? 0 : matrix.group_size;
  packed_.push_back({module, matrix.columns, {matrix.bits, group, matrix.zeros.empty()}});
}

void FolderWriter::NoteUnpacked(const std::string& name) { unpacked_.push_back(ModuleOf(name)); }

// The most common scheme is declared for all linear layers; layers with other schemes are listed by
// name.
json FolderWriter::QuantizationConfig() {
  // One scale per row is the same as one group with all columns.
  const auto grouped = [](const Packed& layer) {
    const auto [bits, group, symmetric] = layer.scheme;
    return Scheme{bits, group == 0 ? layer.columns : group, symmetric};
  };
  std::map<Scheme, size_t> counts;
  for (const Packed& layer : packed_) {
    ++counts[layer.scheme];
    if (grouped(layer) != layer.scheme) ++counts[grouped(layer)];
  }
  const Scheme usual = std::max_element(counts.begin(), counts.end(), [](auto& a, auto& b) {
                         return a.second < b.second;
                       })->first;
  std::map<Scheme, std::vector<std::string>> others;
  for (const Packed& layer : packed_) {
    if (layer.scheme != usual && grouped(layer) != usual) {
      others[layer.scheme].push_back(layer.module);
    }
  }
  const auto group_json = [](const Scheme& scheme, json targets) -> json {
    return {{"targets", std::move(targets)}, {"weights", std::apply(SchemeJson, scheme)}};
  };
  json groups = {{"group_0", group_json(usual, {"Linear"})}};
  for (const auto& [scheme, modules] : others) {
    groups["group_" + std::to_string(groups.size())] = group_json(scheme, modules);
  }
  std::vector<std::string> ignored = {"lm_head", "model.multi_modal_projector.image_projection"};
  ignored.insert(ignored.end(), unpacked_.begin(), unpacked_.end());
  return {{"quant_method", "compressed-tensors"},
          {"format", "pack-quantized"},
          {"quantization_status", "compressed"},
          {"config_groups", groups},
          {"ignore", ignored}};
}

void FolderWriter::Finish(json config) {
  tensors_.Finish();
  if (!packed_.empty()) config["quantization_config"] = QuantizationConfig();
  WriteJson(folder_ / "config.json", config);
}

void WriteJson(const fs::path& file, const json& value) {
  WriteFile(file, value.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
}

}  // namespace uffizi
