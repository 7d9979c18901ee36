// A hash table from an object's namespace and name, or its uid, to the slot that holds it, for
// lookup only.
//
// It keeps 8 bytes a cell and no keys: the owner, who has the objects, says which slot is meant.
// It cannot be walked, so its inner order can never leak into a run. Linear probing; an erased cell
// is closed up, so that lookups stay as short as the table is full, and a table that has become
// mostly empty shrinks. Copyable.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "models/api/object.h"
#include "sim/hash.h"

namespace mainspring::client {

// Of lookups only: never written anywhere, and not the same on every machine.
inline uint64_t name_hash(std::string_view ns, std::string_view name) {
#ifdef MAINSPRING_ORDER_CHAOS
  uint64_t h = 0x9e3779b97f4a7c15u;
#else
  uint64_t h = 0;
#endif
  const auto stir = [&h](const char* from, size_t n) {
    uint64_t word = 0;
    std::memcpy(&word, from, n);
    h = (h ^ word) * 0x94d049bb133111ebu;
    h ^= h >> 29;
  };
  for (const std::string_view text : {ns, name}) {
    h = (h + text.size()) * 0xbf58476d1ce4e5b9u;
    const char* p = text.data();
    const char* const end = p + text.size();
    if (text.size() < 8) {
      if (!text.empty()) stir(p, text.size());
      continue;
    }
    for (; end - p > 8; p += 8) stir(p, 8);
    stir(end - 8, 8);  // may overlap
  }
  return sim::mix64(h);
}
inline uint64_t name_hash(const api::Object& o) {
  return name_hash(o.metadata.namespace_, o.metadata.name);
}
inline uint64_t uid_hash(std::string_view uid) { return name_hash({}, uid); }
inline bool is_named(const api::Object& o, std::string_view ns, std::string_view name) {
  return o.metadata.name == name && o.metadata.namespace_ == ns;
}

class SlotTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  size_t size() const { return size_; }
  // The slot of this hash for which is_it(slot) holds, or kNone.
  template <class Predicate>
  uint32_t find(uint64_t hash, Predicate is_it) const {
    if (cells_.empty()) return kNone;
    const size_t mask = cells_.size() - 1;
    const uint32_t tag = tag_of(hash);
    for (size_t i = tag & mask; cells_[i].slot != kNone; i = (i + 1) & mask) {
      if (cells_[i].tag == tag && is_it(cells_[i].slot)) return cells_[i].slot;
    }
    return kNone;
  }
  // The slot must not be in the table yet.
  void insert(uint64_t hash, uint32_t slot);
  // The slot must be in the table, under this hash.
  void erase(uint64_t hash, uint32_t slot);

 private:
  struct Cell {
    uint32_t tag = 0;
    uint32_t slot = kNone;
  };
  static uint32_t tag_of(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }
  void place(Cell cell);
  void resize(size_t cells);

  std::vector<Cell> cells_;  // their number is a power of two
  size_t size_ = 0;
};

}  // namespace mainspring::client
