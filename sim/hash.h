// Hashes that are the same on every machine and in every build: FNV-1a over bytes, finished by the
// SplitMix64 mixer. For names of streams and entities, and for lookup tables; never std::hash.
#pragma once

#include <cstdint>
#include <string_view>

namespace mainspring::sim {

// The finalizer of SplitMix64: a bijection of 64-bit words whose every output bit depends on every
// input bit.
constexpr uint64_t mix64(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9u;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebu;
  x ^= x >> 31;
  return x;
}

constexpr uint64_t hash64(std::string_view text) {
  uint64_t h = 0xcbf29ce484222325u;
  for (const char ch : text) {
    h ^= static_cast<unsigned char>(ch);
    h *= 0x100000001b3u;
  }
  return mix64(h);
}

// Combines two hashes or ids; not commutative.
constexpr uint64_t hash_combine(uint64_t a, uint64_t b) {
  return mix64(a + 0x9e3779b97f4a7c15u + mix64(b));
}

}  // namespace mainspring::sim
