// Part of every program of a build with MAINSPRING_ORDER_CHAOS: operator new gives out blocks whose
// addresses follow no order and are others in every run, so that what depends on the order of
// addresses shows as a moved digest.
//
// Each class of sizes keeps a shelf of blocks, and an allocation takes one of them at random and
// puts a fresh one in its place; blocks too large for that get a random gap before the next one.
#include <sys/random.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>

namespace {

constexpr size_t kShelf = 64;       // blocks to choose from
constexpr size_t kClassBytes = 16;  // sizes are rounded up to a multiple
constexpr size_t kClasses = 128;    // up to 2 KiB

std::mutex mutex;
void* shelves[kClasses][kShelf];

// SplitMix64, from the machine's entropy.
uint64_t draw() {
  static uint64_t state = [] {
    uint64_t seed = 0;
    if (::getentropy(&seed, sizeof seed) != 0) std::abort();
    return seed;
  }();
  uint64_t x = state += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

void* allocate(size_t size) {
  const std::lock_guard lock(mutex);
  const size_t size_class = size == 0 ? 0 : (size - 1) / kClassBytes;
  if (size_class >= kClasses) return std::malloc(size + draw() % kShelf * kClassBytes);
  const size_t bytes = (size_class + 1) * kClassBytes;
  void*& slot = shelves[size_class][draw() % kShelf];
  if (!slot) {
    for (void*& block : shelves[size_class]) block = std::malloc(bytes);
  }
  void* block = slot;
  slot = std::malloc(bytes);
  return block;
}

}  // namespace

void* operator new(size_t size) {
  if (void* block = allocate(size)) return block;
  throw std::bad_alloc();
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, size_t) noexcept { std::free(block); }
