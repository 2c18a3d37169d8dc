#ifndef UFFIZI_CHECKPOINT_SAFETENSORS_WRITER_H_
#define UFFIZI_CHECKPOINT_SAFETENSORS_WRITER_H_

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace uffizi {

// A safetensors file in the making, tensor by tensor. What was added waits on disk beside the file,
// one piece for each size of element, since the file begins with a list of all tensors and keeps
// each aligned to its elements. The file itself appears whole, or not at all.
class SafetensorsWriter {
 public:
  explicit SafetensorsWriter(std::filesystem::path path);
  ~SafetensorsWriter();  // removes what is not finished
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;

  // `bytes` are of the size that type and shape say. Throws Error(kIo).
  void Add(const std::string& name, DType dtype, const std::vector<int64_t>& shape,
           std::span<const uint8_t> bytes);

  size_t bytes() const;  // of all tensors

  // Writes the file. Nothing can be added afterwards. Throws Error(kIo).
  void Finish();

 private:
  struct Piece {
    std::filesystem::path path;
    std::ofstream out;
    size_t bytes = 0;
  };
  struct Entry {
    DType dtype;
    std::vector<int64_t> shape;
    size_t offset, bytes;  // in its piece
  };

  [[noreturn]] void Fail() const;
  std::string Header() const;

  std::filesystem::path path_, part_;
  std::map<size_t, Piece, std::greater<>> pieces_;  // by the size of an element, largest first
  std::map<std::string, Entry> entries_;
};

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_SAFETENSORS_WRITER_H_
