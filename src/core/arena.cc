#include "core/arena.h"

#include <algorithm>
#include <new>

namespace uffizi {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kMinBlock = size_t{1} << 20;

}  // namespace

void Arena::Free::operator()(std::byte* memory) const {
  ::operator delete (memory, std::align_val_t{kAlignment});
}

void* Arena::TakeBytes(size_t bytes) {
  bytes = (std::max<size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  while (block_ < blocks_.size() && used_ + bytes > blocks_[block_].size) {
    ++block_;
    used_ = 0;
  }
  if (block_ == blocks_.size()) {
    const size_t size = std::max(bytes, kMinBlock);
    auto* memory = static_cast<std::byte*>(::operator new (size, std::align_val_t{kAlignment}));
    blocks_.push_back({std::unique_ptr<std::byte, Free>(memory), size});
    used_ = 0;
  }
  void* result = blocks_[block_].memory.get() + used_;
  used_ += bytes;
  return result;
}

size_t Arena::capacity_bytes() const {
  size_t total = 0;
  for (const Block& block : blocks_) total += block.size;
  return total;
}

}  // namespace uffizi
