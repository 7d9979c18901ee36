// How much of the heap is in use, in bytes.
#pragma once

#include <malloc.h>

#include <cstddef>

namespace mainspring::bench {

inline size_t heap_in_use() {
  const auto heap = mallinfo2();
  return heap.uordblks + heap.hblkhd;  // large blocks are mapped, and counted apart
}

}  // namespace mainspring::bench
