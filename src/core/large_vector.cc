#include "core/large_vector.h"

#include <cstdint>

#ifdef __linux__
#include <sys/mman.h>
#endif
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace uffizi {
namespace {

constexpr std::align_val_t kAlignment{64};

#ifdef __linux__
constexpr size_t kHugePage = size_t{2} << 20;  // on x86 and usually on Arm
constexpr size_t kLeastMapped = 2 * kHugePage;

size_t MappedBytes(size_t bytes) { return (bytes + kHugePage - 1) / kHugePage * kHugePage; }

// A mapping of its own, since whatever else came to lie in such pages would take a whole one.
void* Map(size_t bytes) {
  const size_t needed = MappedBytes(bytes), mapped = needed + kHugePage;
  void* memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  auto* begin = static_cast<char*>(memory);
  const size_t skipped =
      MappedBytes(reinterpret_cast<uintptr_t>(begin)) - reinterpret_cast<uintptr_t>(begin);
  if (skipped > 0) munmap(begin, skipped);
  munmap(begin + skipped + needed, mapped - skipped - needed);
  begin += skipped;
  // Only whole huge pages are requested. Where there are none, normal pages are used.
  madvise(begin, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
  return begin;
}
#endif

}  // namespace

void* AllocateLarge(size_t bytes) {
#ifdef __linux__
  if (bytes >= kLeastMapped) return Map(bytes);
#endif
  return ::operator new(bytes, kAlignment);
}

void FreeLarge(void* memory, size_t bytes) {
#ifdef __linux__
  if (bytes >= kLeastMapped) {
    munmap(memory, MappedBytes(bytes));
    return;
  }
#endif
  ::operator delete(memory, kAlignment);
}

void ReleaseFreeMemory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace uffizi
