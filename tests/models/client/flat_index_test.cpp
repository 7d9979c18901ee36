#include "models/client/flat_index.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "sim/random.h"

namespace mainspring::client {
namespace {

TEST(FlatIndex, AgreesWithAMapOverRandomSetsAndErases) {
  FlatIndex index;
  std::map<std::string, uint32_t> model;
  sim::Rng rng = sim::Stream(7, "test.flat_index").rng(0);
  for (uint32_t i = 0; i < 20'000; ++i) {
    const std::string key = "pod-" + std::to_string(rng.below(700));
    if (rng.chance(1, 3)) {
      EXPECT_EQ(index.erase(key), model.erase(key) == 1);
    } else {
      index.set(key, i);
      model[key] = i;
    }
    ASSERT_EQ(index.size(), model.size());
  }
  for (uint32_t i = 0; i < 700; ++i) {
    const std::string key = "pod-" + std::to_string(i);
    const auto found = model.find(key);
    const std::optional<uint32_t> value = index.find(key);
    ASSERT_EQ(value.has_value(), found != model.end()) << key;
    if (value) {
      EXPECT_EQ(*value, found->second);
    }
  }
}

TEST(FlatIndex, ACopyIsIndependent) {
  FlatIndex a;
  a.set("x", 1);
  FlatIndex b = a;
  b.set("x", 2);
  b.erase("y");
  EXPECT_EQ(*a.find("x"), 1u);
  EXPECT_EQ(*b.find("x"), 2u);
}

TEST(FlatIndex, AnEmptyIndexFindsNothing) {
  FlatIndex index;
  EXPECT_FALSE(index.find(""));
  EXPECT_FALSE(index.erase("a"));
}

}  // namespace
}  // namespace mainspring::client
