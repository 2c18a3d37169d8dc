#include "checkpoint/safetensors_writer.h"

#include <bit>
#include <nlohmann/json.hpp>
#include <utility>

namespace uffizi {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian");

constexpr size_t kAlignment = 64;  // of the first tensor

}  // namespace

void SafetensorsWriter::Add(const std::string& name, DType dtype, const std::vector<int64_t>& shape,
                            std::span<const uint8_t> bytes) {
  NamelessFile& piece = pieces_.try_emplace(DTypeSize(dtype), path_).first->second;
  entries_[name] = {dtype, shape, piece.size(), bytes.size()};
  piece.Write({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

size_t SafetensorsWriter::bytes() const {
  size_t total = 0;
  for (const auto& [size, piece] : pieces_) total += piece.size();
  return total;
}

std::string SafetensorsWriter::Header() const {
  std::map<size_t, size_t> begins;
  size_t begin = 0;
  for (const auto& [size, piece] : pieces_) {
    begins[size] = begin;
    begin += piece.size();
  }
  json header = json::object();
  header["__metadata__"] = {{"format", "pt"}};
  for (const auto& [name, entry] : entries_) {
    const size_t offset = begins.at(DTypeSize(entry.dtype)) + entry.offset;
    header[name] = {{"dtype", DTypeName(entry.dtype)},
                    {"shape", entry.shape},
                    {"data_offsets", {offset, offset + entry.bytes}}};
  }
  std::string text = header.dump();
  text.append((kAlignment - (sizeof(uint64_t) + text.size()) % kAlignment) % kAlignment, ' ');
  return text;
}

void SafetensorsWriter::Finish() {
  const std::string header = Header();
  const uint64_t length = header.size();
  OutFile out(path_);
  out.Write({reinterpret_cast<const char*>(&length), sizeof(length)});
  out.Write(header);
  for (auto& [size, piece] : pieces_) {
    piece.Read([&](std::string_view bytes) { out.Write(bytes); });
  }
  pieces_.clear();
  out.Finish();
}

}  // namespace uffizi
