#include "core/arena.h"

#include <algorithm>

namespace uffizi {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kMinBlock = size_t{1} << 20;

}  // namespace

void* Arena::TakeBytes(size_t bytes) {
  bytes = (std::max<size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  while (block_ < blocks_.size() && used_ + bytes > blocks_[block_].size()) {
    ++block_;
    used_ = 0;
  }
  if (block_ == blocks_.size()) {
    blocks_.emplace_back(std::max(bytes, kMinBlock));
    used_ = 0;
  }
  void* result = blocks_[block_].data() + used_;
  used_ += bytes;
  return result;
}

}  // namespace uffizi
