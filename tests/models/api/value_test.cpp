#include "models/api/value.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "sim/random.h"

namespace mainspring::api {
namespace {

TEST(List, AgreesWithAVectorOverRandomEditsAndSharesNoneOfThem) {
  using Both = std::pair<List<Str>, std::vector<Str>>;
  Both now;
  std::vector<Both> copies;
  sim::Rng rng = sim::Stream(7, "test.list").rng(0);
  for (int i = 0; i < 20'000; ++i) {
    auto& [list, model] = now;
    const Str text("s" + std::to_string(rng.below(1000)));
    const size_t at = rng.below(model.size() + 1);
    const auto in_model = model.begin() + static_cast<ptrdiff_t>(at);
    const uint64_t what = rng.below(8);
    if (what < 3) {
      list.push_back(text);
      model.push_back(text);
    } else if (what == 3) {
      list.edit().insert(list.edit().begin() + at, text);
      model.insert(in_model, text);
    } else if (what == 4 && at < model.size()) {
      list.edit().erase(list.edit().begin() + at);
      model.erase(in_model);
    } else if (what == 5) {
      list.edit().resize(at + 2);
      model.resize(at + 2);
    } else if (what == 6 && !model.empty()) {
      list.edit().pop_back();
      model.pop_back();
    } else if (what == 7) {
      if (copies.size() < 20) copies.push_back(now);
      now = copies[rng.below(copies.size())];
    }
    ASSERT_EQ(std::vector<Str>(now.first.begin(), now.first.end()), now.second);
  }
  for (const auto& [list, model] : copies) EXPECT_EQ(list, List<Str>(model));
}

TEST(List, ACopyIsTheSameUntilOneOfThemIsEdited) {
  List<Str> a{"x", "y"};
  List<Str> b = a;
  EXPECT_TRUE(a.same(b));
  b.edit()[0] = "z";
  EXPECT_FALSE(a.same(b));
  EXPECT_EQ(a, (List<Str>{"x", "y"}));
  EXPECT_EQ(b, (List<Str>{"z", "y"}));
}

TEST(List, EmptyIsEqualToAbsent) {
  List<Str> emptied{"x"};
  emptied.edit().clear();
  EXPECT_EQ(emptied, List<Str>());
  EXPECT_TRUE(emptied.empty());
}

}  // namespace
}  // namespace mainspring::api
