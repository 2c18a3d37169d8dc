#include "checkpoint/safetensors_writer.h"

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>
#include <utility>

#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian");

constexpr size_t kAlignment = 64;  // of the first tensor
constexpr size_t kCopyBytes = size_t{1} << 20;

}  // namespace

SafetensorsWriter::SafetensorsWriter(fs::path path)
    : path_(std::move(path)), part_(path_.string() + ".part") {}

SafetensorsWriter::~SafetensorsWriter() {
  std::error_code ignored;
  for (auto& [size, piece] : pieces_) {
    piece.out.close();
    fs::remove(piece.path, ignored);
  }
  fs::remove(part_, ignored);
}

void SafetensorsWriter::Fail() const {
  throw Error(ErrorCode::kIo, path_.string() + ": cannot be written");
}

void SafetensorsWriter::Add(const std::string& name, DType dtype, const std::vector<int64_t>& shape,
                            std::span<const uint8_t> bytes) {
  const size_t size = DTypeSize(dtype);
  Piece& piece = pieces_[size];
  if (piece.path.empty()) {
    piece.path = part_.string() + std::to_string(size);
    piece.out.open(piece.path, std::ios::binary);
  }
  piece.out.write(reinterpret_cast<const char*>(bytes.data()),
                  static_cast<std::streamsize>(bytes.size()));
  if (!piece.out) Fail();
  entries_[name] = {dtype, shape, piece.bytes, bytes.size()};
  piece.bytes += bytes.size();
}

size_t SafetensorsWriter::bytes() const {
  size_t total = 0;
  for (const auto& [size, piece] : pieces_) total += piece.bytes;
  return total;
}

std::string SafetensorsWriter::Header() const {
  std::map<size_t, size_t> begins;
  size_t begin = 0;
  for (const auto& [size, piece] : pieces_) {
    begins[size] = begin;
    begin += piece.bytes;
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
  std::ofstream out(part_, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&length), sizeof(length));
  out << header;
  std::vector<char> buffer(kCopyBytes);
  for (auto& [size, piece] : pieces_) {
    piece.out.close();
    if (!piece.out) Fail();
    std::ifstream in(piece.path, std::ios::binary);
    for (size_t left = piece.bytes; left > 0;) {
      const size_t count = std::min(left, buffer.size());
      if (!in.read(buffer.data(), static_cast<std::streamsize>(count))) Fail();
      out.write(buffer.data(), static_cast<std::streamsize>(count));
      left -= count;
    }
    std::error_code ignored;
    fs::remove(piece.path, ignored);
  }
  out.close();
  std::error_code error;
  if (out) fs::rename(part_, path_, error);
  if (!out || error) Fail();
}

}  // namespace uffizi
