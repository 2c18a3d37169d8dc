#ifndef UFFIZI_SERVER_BYTE_BUDGET_H_
#define UFFIZI_SERVER_BYTE_BUDGET_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <utility>

namespace uffizi::server {

class ByteLease;

// A budget of bytes that all requests share. Thread-safe.
class ByteBudget {
 public:
  explicit ByteBudget(size_t limit) : limit_(limit) {}

  size_t limit() const { return limit_; }
  size_t used() const { return used_; }

 private:
  friend class ByteLease;
  bool Take(size_t bytes) {
    size_t used = used_;
    do {
      if (bytes > limit_ || used > limit_ - bytes) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes));
    return true;
  }
  void GiveBack(size_t bytes) { used_ -= bytes; }

  const size_t limit_;
  std::atomic<size_t> used_ = 0;
};

// One request's share of the budget, given back when it is destroyed. The budget must outlive it.
class ByteLease {
 public:
  ByteLease() = default;
  explicit ByteLease(ByteBudget& budget) : budget_(&budget) {}
  ~ByteLease() { Shrink(0); }
  ByteLease(ByteLease&& other) noexcept
      : budget_(other.budget_), bytes_(std::exchange(other.bytes_, 0)) {}
  ByteLease& operator=(ByteLease&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  size_t bytes() const { return bytes_; }
  // Grows to at least this many bytes. Returns false, and takes nothing, if not enough are left.
  bool Grow(size_t bytes) {
    if (bytes <= bytes_) return true;
    if (budget_ == nullptr || !budget_->Take(bytes - bytes_)) return false;
    bytes_ = bytes;
    return true;
  }
  // Moves up to this many bytes of this lease to a new one.
  ByteLease Split(size_t bytes) {
    ByteLease part;
    part.budget_ = budget_;
    part.bytes_ = std::min(bytes, bytes_);
    bytes_ -= part.bytes_;
    return part;
  }
  // Shrinks to at most this many bytes.
  void Shrink(size_t bytes) {
    if (bytes >= bytes_) return;
    budget_->GiveBack(bytes_ - bytes);
    bytes_ = bytes;
  }

 private:
  ByteBudget* budget_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_BYTE_BUDGET_H_
