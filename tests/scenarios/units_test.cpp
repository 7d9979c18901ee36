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

TEST(Units, ExactDurationsAreReadBackAsTheyWere) {
  const auto text = [](int64_t ns) {
    const sim::Duration d = sim::Duration::nanos(ns);
    EXPECT_EQ(parse_duration(format_exactly(d)), d);
    return format_exactly(d);
  };
  EXPECT_EQ(text(0), "0ms");
  EXPECT_EQ(text(1), "0.000001ms");
  EXPECT_EQ(text(27'300'000), "27.3ms");
  EXPECT_EQ(text(3'000'000'000), "3s");
  EXPECT_EQ(text(120'441'000'007), "2m0.441000007s");
  EXPECT_EQ(text(3'600'000'000'000), "1h");
  EXPECT_EQ(text(3'630'000'000'000), "1h30s");
  EXPECT_EQ(format_exactly(sim::Duration::millis(-1500)), "-1.5s");
}

}  // namespace
}  // namespace mainspring::scenarios
