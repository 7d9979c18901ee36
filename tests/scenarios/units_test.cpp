#include "scenarios/units.h"

#include <gtest/gtest.h>

#include <optional>

namespace mainspring::scenarios {
namespace {

TEST(Units, DurationsThatNoClockHoldsAreRefused) {
  EXPECT_EQ(parse_duration("2000000h"), sim::Duration::hours(2'000'000));
  EXPECT_EQ(parse_duration("13006250.h"), std::nullopt);
  EXPECT_EQ(parse_duration("1e300s"), std::nullopt);
}

}  // namespace
}  // namespace mainspring::scenarios
