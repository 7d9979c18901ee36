#include "sim/check.h"

#include <gtest/gtest.h>

namespace mainspring::sim {
namespace {

TEST(Check, PassesSilently) { EXPECT_NO_THROW(MAINSPRING_CHECK(1 + 1 == 2, "never {}", 1)); }

TEST(Check, TextNamesConditionPlaceAndDetail) {
  const int pods = 3;
  try {
    MAINSPRING_CHECK(pods == 2, "{} pods on {}", pods, "node-1");
    FAIL() << "did not throw";
  } catch (const InvariantBroken& broken) {
    EXPECT_EQ(broken.text(), "broken invariant: pods == 2 at check_test.cpp:" +
                                 std::to_string(__LINE__ - 4) + ": 3 pods on node-1");
  }
}

TEST(Check, MessageIsOptional) { EXPECT_THROW(MAINSPRING_CHECK(1 > 2), InvariantBroken); }

}  // namespace
}  // namespace mainspring::sim
