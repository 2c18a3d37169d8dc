#ifndef UFFIZI_CHECKPOINT_CHECKPOINT_H_
#define UFFIZI_CHECKPOINT_CHECKPOINT_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/mapped_file.h"

namespace uffizi {

enum class DType { kF64, kF32, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kBool };

const char* DTypeName(DType dtype);  // "F32", as safetensors spells it
size_t DTypeSize(DType dtype);       // bytes

// One tensor inside a mapped file. Valid as long as its Checkpoint.
struct TensorView {
  DType dtype;
  std::vector<int64_t> shape;
  const uint8_t* data;  // may be unaligned
  size_t bytes;
  std::string file;  // for messages

  size_t elements() const { return bytes / DTypeSize(dtype); }
};

// "[51289, 1024]"
std::string ShapeToString(const std::vector<int64_t>& shape);

// The safetensors files of a model folder, mapped into memory: model.safetensors, or the shards
// that model.safetensors.index.json lists.
class Checkpoint {
 public:
  // Throws Error(kInvalidModel) naming the file, and the tensor, that is missing or damaged: header
  // lengths, offsets and shapes are checked against the file before anything is used.
  static Checkpoint Open(const std::filesystem::path& folder);

  // Opens a single safetensors file. Throws like Open().
  static Checkpoint OpenFile(const std::filesystem::path& file);

  // Null if there is no tensor of that name.
  const TensorView* Find(const std::string& name) const;
  const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  const std::filesystem::path& folder() const { return folder_; }

  // Drops a tensor; adds one of another checkpoint, replacing any of the same name.
  void Remove(const std::string& name) { tensors_.erase(name); }
  void Take(const Checkpoint& other, const std::string& name);

 private:
  void AddFile(const std::filesystem::path& path);

  std::filesystem::path folder_;
  std::vector<std::shared_ptr<const MappedFile>> files_;
  std::map<std::string, TensorView> tensors_;
};

// Writes tensors as one new safetensors file, completely or not at all.
// Throws Error(kIo).
void WriteSafetensors(const std::filesystem::path& path,
                      const std::map<std::string, TensorView>& tensors);

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_CHECKPOINT_H_
