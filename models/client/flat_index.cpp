#include "models/client/flat_index.h"

#include "models/client/slot_table.h"

namespace mainspring::client {

uint64_t FlatIndex::hash(std::string_view key) { return name_hash({}, key); }

std::optional<uint32_t> FlatIndex::find(std::string_view key) const {
  if (cells_.empty()) return std::nullopt;
  const uint64_t h = hash(key);
  const size_t mask = cells_.size() - 1;
  for (size_t i = h & mask;; i = (i + 1) & mask) {
    const Cell& cell = cells_[i];
    if (cell.state == 0) return std::nullopt;
    if (cell.state == 1 && cell.hash == h && cell.key == key) return cell.value;
  }
}

void FlatIndex::set(std::string_view key, uint32_t value) {
  if ((used_ + 1) * 4 > cells_.size() * 3) grow();
  const uint64_t h = hash(key);
  const size_t mask = cells_.size() - 1;
  std::optional<size_t> grave;
  for (size_t i = h & mask;; i = (i + 1) & mask) {
    Cell& cell = cells_[i];
    if (cell.state == 1 && cell.hash == h && cell.key == key) {
      cell.value = value;
      return;
    }
    if (cell.state == 2 && !grave) grave = i;
    if (cell.state == 0) {
      Cell& target = grave ? cells_[*grave] : cell;
      if (!grave) ++used_;
      target = Cell{h, api::Str(key), value, 1};
      ++size_;
      return;
    }
  }
}

bool FlatIndex::erase(std::string_view key) {
  if (cells_.empty()) return false;
  const uint64_t h = hash(key);
  const size_t mask = cells_.size() - 1;
  for (size_t i = h & mask;; i = (i + 1) & mask) {
    Cell& cell = cells_[i];
    if (cell.state == 0) return false;
    if (cell.state == 1 && cell.hash == h && cell.key == key) {
      cell = Cell{};
      cell.state = 2;
      --size_;
      return true;
    }
  }
}

void FlatIndex::grow() {
  std::vector<Cell> old = std::move(cells_);
  size_t capacity = 16;
  while (capacity * 3 < (size_ + 1) * 8) capacity *= 2;
  cells_.assign(capacity, Cell{});
  used_ = size_;
  const size_t mask = capacity - 1;
  for (Cell& cell : old) {
    if (cell.state != 1) continue;
    size_t i = cell.hash & mask;
    while (cells_[i].state != 0) i = (i + 1) & mask;
    cells_[i] = std::move(cell);
  }
}

}  // namespace mainspring::client
