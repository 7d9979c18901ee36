// A hash index from string to a dense number, for lookup only: it cannot be walked, so its inner
// order can never leak into a run. Open addressing, copyable.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "models/api/value.h"

namespace mainspring::client {

class FlatIndex {
 public:
  size_t size() const { return size_; }
  // The number stored under the key, or nothing.
  std::optional<uint32_t> find(std::string_view key) const;
  // Stores or replaces.
  void set(std::string_view key, uint32_t value);
  bool erase(std::string_view key);

 private:
  struct Cell {
    uint64_t hash = 0;
    api::Str key;  // empty cell: state kEmpty
    uint32_t value = 0;
    uint8_t state = 0;  // 0 empty, 1 used, 2 erased
  };
  static uint64_t hash(std::string_view key);
  void grow();

  std::vector<Cell> cells_;
  size_t size_ = 0;
  size_t used_ = 0;  // cells that are not empty, erased ones included
};

}  // namespace mainspring::client
