#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "checkpoint/safetensors_writer.h"
#include "core/json_reader.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian");

struct DTypeEntry {
  DType dtype;
  const char* name;
  size_t size;
};
constexpr DTypeEntry kDTypes[] = {
    {DType::kF64, "F64", 8},   {DType::kF32, "F32", 4}, {DType::kF16, "F16", 2},
    {DType::kBF16, "BF16", 2}, {DType::kI64, "I64", 8}, {DType::kI32, "I32", 4},
    {DType::kI16, "I16", 2},   {DType::kI8, "I8", 1},   {DType::kU8, "U8", 1},
    {DType::kBool, "BOOL", 1},
};

const DTypeEntry& Entry(DType dtype) {
  return *std::find_if(std::begin(kDTypes), std::end(kDTypes),
                       [dtype](const DTypeEntry& entry) { return entry.dtype == dtype; });
}

[[noreturn]] void Fail(const std::string& file, const std::string& reason) {
  throw Error(ErrorCode::kInvalidModel, file + ": " + reason);
}

constexpr size_t kLengthBytes = 8;  // size of the header's length, which precedes the header
constexpr size_t kMaxHeader = size_t{100} << 20;  // the format's own limit

// One entry of a safetensors header: {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}.
TensorView ParseEntry(const std::string& file, const std::string& name, const json& entry,
                      std::span<const uint8_t> data) {
  const auto fail = [&](const std::string& reason) {
    Fail(file, "tensor " + name + ": " + reason);
  };
  if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") ||
      !entry.contains("data_offsets")) {
    fail("lacks dtype, shape or data_offsets");
  }
  const auto* dtype = std::find_if(std::begin(kDTypes), std::end(kDTypes),
                                   [&](const auto& known) { return entry["dtype"] == known.name; });
  if (dtype == std::end(kDTypes)) fail("has the unknown dtype " + entry["dtype"].dump());
  const json& shape = entry["shape"];
  const json& offsets = entry["data_offsets"];
  if (!shape.is_array() || !offsets.is_array() || offsets.size() != 2 ||
      !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned()) {
    fail("has a shape or data_offsets of the wrong type");
  }
  TensorView tensor{dtype->dtype, {}, nullptr, 0, file};
  size_t expected = dtype->size;
  for (const json& extent : shape) {
    if (!extent.is_number_unsigned() || extent.get<uint64_t>() > (uint64_t{1} << 40)) {
      fail("has an impossible shape");
    }
    tensor.shape.push_back(extent.get<int64_t>());
    if (__builtin_mul_overflow(expected, extent.get<size_t>(), &expected)) {
      fail("has an impossible shape");
    }
  }
  const auto begin = offsets[0].get<uint64_t>(), end = offsets[1].get<uint64_t>();
  if (begin > end || end > data.size()) {
    fail("lies outside the file, which is damaged or cut off");
  }
  if (end - begin != expected) {
    fail("has " + std::to_string(end - begin) + " bytes where its shape " +
         ShapeToString(tensor.shape) + " needs " + std::to_string(expected));
  }
  tensor.data = data.data() + begin;
  tensor.bytes = expected;
  return tensor;
}

// A tensor's name without the prefixes that DataParallel and torch.compile add when a wrapped model
// is saved.
std::string WithoutWrappers(std::string name) {
  constexpr std::string_view kParallel = "module.", kCompiled = "_orig_mod.";
  for (size_t at = 0; (at = name.find(kCompiled, at)) != std::string::npos;) {
    const bool whole = at == 0 || name[at - 1] == '.';
    if (whole) name.erase(at, kCompiled.size());
    if (!whole) ++at;
  }
  while (name.starts_with(kParallel)) name.erase(0, kParallel.size());
  return name;
}

// Finds the weights in a folder that has no model.safetensors, or says what to do.
[[noreturn]] void FailNoWeights(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::exists(folder, ignored)) Fail(folder.string(), "no such model folder");
  if (!fs::is_directory(folder, ignored)) Fail(folder.string(), "is not a folder");
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ".bin" || entry.path().extension() == ".pt" ||
        entry.path().extension() == ".pth") {
      Fail(
          entry.path().string(),
          "PyTorch pickles can run code and are not opened; convert once with: python3 -c \"import "
          "sys, torch, safetensors.torch as s; s.save_file({k: v.clone() for k, v in "
          "torch.load(sys.argv[1], weights_only=True).items()}, sys.argv[2])\" " +
              entry.path().string() + " " + (folder / "model.safetensors").string());
    }
  }
  Fail((folder / "model.safetensors").string(), "missing");
}

}  // namespace

const char* DTypeName(DType dtype) { return Entry(dtype).name; }
size_t DTypeSize(DType dtype) { return Entry(dtype).size; }

std::string ShapeToString(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t extent : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(extent);
  }
  return text + "]";
}

Checkpoint Checkpoint::Open(const fs::path& folder) {
  Checkpoint checkpoint;
  checkpoint.folder_ = folder;
  const fs::path single = folder / "model.safetensors";
  const fs::path index = folder / "model.safetensors.index.json";
  if (fs::exists(single)) {
    checkpoint.AddFile(single);
    return checkpoint;
  }
  if (!fs::exists(index)) FailNoWeights(folder);
  const JsonReader reader = JsonReader::Open(index);
  const auto map = reader.Object("weight_map");
  if (!map) reader.Fail("weight_map", "missing");
  std::set<std::string> shards;
  for (const auto& [name, shard] : map->value().items()) {
    if (!shard.is_string()) map->Fail(name, "must be a file name");
    const fs::path file = shard.get<std::string>();
    if (file != file.filename()) map->Fail(name, "must be a file in the same folder");
    shards.insert(file.string());
  }
  for (const std::string& shard : shards) checkpoint.AddFile(folder / shard);
  for (const auto& [name, shard] : map->value().items()) {
    if (checkpoint.Find(WithoutWrappers(name)) == nullptr)
      map->Fail(name, "is not in " + shard.get<std::string>());
  }
  return checkpoint;
}

Checkpoint Checkpoint::OpenFile(const fs::path& file) {
  Checkpoint checkpoint;
  checkpoint.folder_ = file.parent_path();
  checkpoint.AddFile(file);
  return checkpoint;
}

void Checkpoint::AddFile(const fs::path& path) {
  const std::string file = path.string();
  try {
    files_.push_back(std::make_shared<const MappedFile>(path));
  } catch (const Error& error) {
    throw Error(ErrorCode::kInvalidModel, error.what());
  }
  const std::span<const uint8_t> bytes = files_.back()->bytes();
  uint64_t length = 0;
  if (IsLfsPointer({reinterpret_cast<const char*>(bytes.data()), bytes.size()})) {
    Fail(file, kLfsAdvice);
  }
  if (bytes.size() < kLengthBytes) Fail(file, "too short for a safetensors file");
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kMaxHeader || length > bytes.size() - kLengthBytes) {
    Fail(file, "the header is longer than the file, which is damaged or truncated");
  }
  const auto* begin = reinterpret_cast<const char*>(bytes.data()) + kLengthBytes;
  const json header = ParseJson({begin, length});
  if (!header.is_object()) Fail(file, "the header is not a JSON object");
  const std::span<const uint8_t> data = bytes.subspan(kLengthBytes + length);
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    tensors_.insert_or_assign(WithoutWrappers(name), ParseEntry(file, name, entry, data));
  }
}

const TensorView* Checkpoint::Find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

void Checkpoint::Take(const Checkpoint& other, const std::string& name) {
  tensors_.insert_or_assign(name, other.tensors_.at(name));
  for (const auto& file : other.files_) {
    if (std::find(files_.begin(), files_.end(), file) == files_.end()) files_.push_back(file);
  }
}

void WriteSafetensors(const fs::path& path, const std::map<std::string, TensorView>& tensors) {
  SafetensorsWriter writer(path);
  for (const auto& [name, tensor] : tensors) {
    writer.Add(name, tensor.dtype, tensor.shape, {tensor.data, tensor.bytes});
  }
  writer.Finish();
}

}  // namespace uffizi
