#include "models/client/slot_table.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "sim/random.h"

namespace mainspring::client {
namespace {

// What an owner does: slots of names, found by hash and name.
struct Names {
  std::vector<std::string> slots;
  SlotTable table;

  uint32_t find(std::string_view name) const {
    return table.find(name_hash("ns", name), [&](uint32_t s) { return slots[s] == name; });
  }
};

TEST(SlotTable, AgreesWithAMapOverRandomInsertsAndErases) {
  Names names;
  std::map<std::string, uint32_t> model;
  sim::Rng rng = sim::Stream(7, "test.slot_table").rng(0);
  for (uint32_t i = 0; i < 20'000; ++i) {
    const std::string name = "pod-" + std::to_string(rng.below(700));
    const uint32_t slot = names.find(name);
    const auto known = model.find(name);
    ASSERT_EQ(slot, known == model.end() ? SlotTable::kNone : known->second) << name;
    if (known != model.end()) {
      names.table.erase(name_hash("ns", name), slot);
      model.erase(known);
    } else {
      names.slots.push_back(name);
      model[name] = i;
      names.table.insert(name_hash("ns", name), i);
    }
    names.slots.resize(i + 1);
    ASSERT_EQ(names.table.size(), model.size());
  }
}

TEST(SlotTable, HoldsSlotsOfOneHashApart) {
  SlotTable table;
  for (uint32_t slot = 0; slot < 40; ++slot) table.insert(42, slot);
  for (uint32_t slot = 0; slot < 40; slot += 2) table.erase(42, slot);
  for (uint32_t slot = 0; slot < 40; ++slot) {
    const uint32_t found = table.find(42, [slot](uint32_t s) { return s == slot; });
    EXPECT_EQ(found, slot % 2 == 0 ? SlotTable::kNone : slot);
  }
}

TEST(SlotTable, FindsWhatIsLeftAfterMostIsErased) {
  SlotTable table;
  const auto hash = [](uint32_t slot) { return name_hash("ns", std::to_string(slot)); };
  for (uint32_t slot = 0; slot < 10'000; ++slot) table.insert(hash(slot), slot);
  for (uint32_t slot = 0; slot < 10'000; ++slot) {
    if (slot % 500 != 0) table.erase(hash(slot), slot);
  }
  for (uint32_t slot = 0; slot < 10'000; ++slot) {
    const uint32_t found = table.find(hash(slot), [slot](uint32_t s) { return s == slot; });
    EXPECT_EQ(found, slot % 500 == 0 ? slot : SlotTable::kNone);
  }
  EXPECT_EQ(table.size(), 20U);
}

TEST(SlotTable, AnEmptyTableFindsNothing) {
  EXPECT_EQ(SlotTable().find(1, [](uint32_t) { return true; }), SlotTable::kNone);
}

TEST(SlotTable, TheHashTellsNamespaceAndNameApart) {
  EXPECT_NE(name_hash("a", "bc"), name_hash("ab", "c"));
  EXPECT_NE(name_hash("", "a"), name_hash("a", ""));
}

}  // namespace
}  // namespace mainspring::client
