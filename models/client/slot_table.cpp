#include "models/client/slot_table.h"

#include <algorithm>
#include <utility>

namespace mainspring::client {

namespace {
constexpr size_t kMinCells = 16;
}  // namespace

void SlotTable::place(Cell cell) {
  const size_t mask = cells_.size() - 1;
  size_t i = cell.tag & mask;
  while (cells_[i].slot != kNone) i = (i + 1) & mask;
  cells_[i] = cell;
}

void SlotTable::resize(size_t cells) {
  const std::vector<Cell> old = std::exchange(cells_, std::vector<Cell>(cells));
  for (const Cell& c : old) {
    if (c.slot != kNone) place(c);
  }
}

void SlotTable::insert(uint64_t hash, uint32_t slot) {
  if ((size_ + 1) * 4 > cells_.size() * 3) resize(std::max(kMinCells, cells_.size() * 2));
  place(Cell{tag_of(hash), slot});
  ++size_;
}

void SlotTable::erase(uint64_t hash, uint32_t slot) {
  const size_t mask = cells_.size() - 1;
  size_t hole = tag_of(hash) & mask;
  while (cells_[hole].slot != slot) hole = (hole + 1) & mask;
  // Each following cell that may stand in the hole moves there, until there is none.
  for (size_t i = (hole + 1) & mask; cells_[i].slot != kNone; i = (i + 1) & mask) {
    const size_t home = cells_[i].tag & mask;
    if (((i - home) & mask) < ((i - hole) & mask)) continue;
    cells_[hole] = cells_[i];
    hole = i;
  }
  cells_[hole] = Cell{};
  --size_;
  if (cells_.size() > kMinCells && size_ * 8 < cells_.size()) resize(cells_.size() / 2);
}

}  // namespace mainspring::client
