#include "kernels/scratch.h"

#include <hwy/aligned_allocator.h>

#include <cstdint>
#include <new>

namespace uffizi {

void* ThreadScratch(size_t bytes) {
  thread_local hwy::AlignedFreeUniquePtr<uint8_t[]> memory;
  thread_local size_t size = 0;
  if (bytes > size) {
    size = 0;
    memory.reset();
    memory = hwy::AllocateAligned<uint8_t>(bytes);
    if (memory == nullptr) throw std::bad_alloc();
    size = bytes;
  }
  return memory.get();
}

}  // namespace uffizi
