#ifndef UFFIZI_CORE_ARENA_H_
#define UFFIZI_CORE_ARENA_H_

#include <cstddef>
#include <vector>

#include "core/large_vector.h"

namespace uffizi {

// Scratch memory for one call at a time. Allocation is a pointer bump; a Scope gives back what was
// taken since it began. The memory itself is kept, so that the second picture allocates nothing.
// Not thread-safe: one arena per session.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Uninitialised, aligned to 64 bytes, valid until the innermost Scope open now ends.
  template <typename T>
  T* Take(size_t count) {
    return static_cast<T*>(TakeBytes(count * sizeof(T)));
  }

  class Scope {
   public:
    explicit Scope(Arena& arena) : arena_(arena), block_(arena.block_), used_(arena.used_) {}
    ~Scope() {
      arena_.block_ = block_;
      arena_.used_ = used_;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Arena& arena_;
    size_t block_, used_;
  };

 private:
  void* TakeBytes(size_t bytes);

  std::vector<LargeVector<std::byte>> blocks_;
  size_t block_ = 0;  // index of the block in use
  size_t used_ = 0;   // bytes of it taken
};

}  // namespace uffizi

#endif  // UFFIZI_CORE_ARENA_H_
