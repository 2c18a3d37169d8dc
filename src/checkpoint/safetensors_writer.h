#ifndef UFFIZI_CHECKPOINT_SAFETENSORS_WRITER_H_
#define UFFIZI_CHECKPOINT_SAFETENSORS_WRITER_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "core/owned_files.h"

namespace uffizi {

// Writes a safetensors file tensor by tensor. Since the file begins with a list of all tensors and
// aligns each to its elements, added tensors are first written to temporary files, one for each
// element size. The file itself appears complete or not at all.
class SafetensorsWriter {
 public:
  explicit SafetensorsWriter(std::filesystem::path path) : path_(std::move(path)) {}

  // `bytes` must have the size that type and shape imply. Throws Error(kIo).
  void Add(const std::string& name, DType dtype, const std::vector<int64_t>& shape,
           std::span<const uint8_t> bytes);

  size_t bytes() const;  // of all tensors

  // Writes the file. Nothing can be added afterwards. Throws Error(kIo).
  void Finish();

 private:
  struct Entry {
    DType dtype;
    std::vector<int64_t> shape;
    size_t offset, bytes;  // in its piece
  };

  std::string Header() const;

  std::filesystem::path path_;
  std::map<size_t, NamelessFile, std::greater<>>
      pieces_;  // by the size of an element, largest first
  std::map<std::string, Entry> entries_;
};

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_SAFETENSORS_WRITER_H_
