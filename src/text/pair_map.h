#ifndef UFFIZI_TEXT_PAIR_MAP_H_
#define UFFIZI_TEXT_PAIR_MAP_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace uffizi {

// A hash map from two non-negative ints to a small value: open addressing, at most half full, so
// that a lookup touches one or two cache lines. Merging a word consists of such lookups.
template <typename Value>
class PairMap {
 public:
  explicit PairMap(size_t expected = 0) { Resize(expected); }

  // The value of the pair, inserted if missing. Valid until the next call.
  Value& operator()(int a, int b) {
    if (2 * (size_ + 1) > slots_.size()) Grow();
    Slot& slot = slots_[IndexOf(Key(a, b))];
    if (slot.key == kEmpty) {
      slot.key = Key(a, b);
      ++size_;
    }
    return slot.value;
  }

  // Null if the pair is missing.
  const Value* Find(int a, int b) const {
    const Slot& slot = slots_[IndexOf(Key(a, b))];
    return slot.key == kEmpty ? nullptr : &slot.value;
  }

 private:
  static constexpr uint64_t kEmpty = ~uint64_t{0};  // no pair of non-negative ints
  struct Slot {
    uint64_t key = kEmpty;
    Value value{};
  };

  static uint64_t Key(int a, int b) {
    return static_cast<uint64_t>(static_cast<uint32_t>(a)) << 32 | static_cast<uint32_t>(b);
  }

  size_t IndexOf(uint64_t key) const {
    size_t index = static_cast<size_t>(key * 0x9e3779b97f4a7c15 >> shift_);  // Fibonacci hashing
    while (slots_[index].key != key && slots_[index].key != kEmpty) {
      index = (index + 1) & (slots_.size() - 1);
    }
    return index;
  }

  void Resize(size_t expected) {
    size_t size = 16;
    shift_ = 60;
    while (size < 2 * expected + 2) {
      size *= 2;
      --shift_;
    }
    slots_.assign(size, Slot());
  }

  void Grow() {
    std::vector<Slot> old = std::move(slots_);
    Resize(old.size());
    for (const Slot& slot : old) {
      if (slot.key != kEmpty) slots_[IndexOf(slot.key)] = slot;
    }
  }

  std::vector<Slot> slots_;
  size_t size_ = 0;
  int shift_ = 0;  // 64 minus the bits of an index
};

}  // namespace uffizi

#endif  // UFFIZI_TEXT_PAIR_MAP_H_
