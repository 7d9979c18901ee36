#include "scenarios/report/run_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace mainspring::scenarios {
namespace {

using testing::ElementsAre;

TEST(Downsample, ShortSeriesStaysAsItIs) {
  Series s{.t_seconds = {0, 1, 2}, .value = {1, 1, 2}};
  downsample(s, 4);
  EXPECT_THAT(s.t_seconds, ElementsAre(0, 1, 2));
  EXPECT_THAT(s.value, ElementsAre(1, 1, 2));
}

TEST(Downsample, StepSeriesKeepsChangesAndTheEnd) {
  Series s{.kind = SeriesKind::kStep, .t_seconds = {0, 1, 2, 3, 4, 5}, .value = {1, 1, 3, 3, 3, 3}};
  downsample(s);
  EXPECT_THAT(s.t_seconds, ElementsAre(0, 2, 5));
  EXPECT_THAT(s.value, ElementsAre(1, 3, 3));
}

TEST(Downsample, KeepsExtremesAndEnds) {
  Series s;
  for (int i = 0; i < 100'000; ++i) {
    s.t_seconds.push_back(i);
    s.value.push_back(i == 54'321 ? 1000 : i == 77'777 ? -1000 : i % 7);
  }
  downsample(s, 400);
  EXPECT_LE(s.value.size(), 400U);
  EXPECT_GE(s.value.size(), 200U);
  EXPECT_TRUE(std::is_sorted(s.t_seconds.begin(), s.t_seconds.end()));
  EXPECT_EQ(s.t_seconds.front(), 0);
  EXPECT_EQ(s.t_seconds.back(), 99'999);
  const auto [low, high] = std::minmax_element(s.value.begin(), s.value.end());
  EXPECT_EQ(*low, -1000);
  EXPECT_EQ(*high, 1000);
}

TEST(Downsample, MissingValuesDoNotHideExtremes) {
  Series s;
  for (int i = 0; i < 1000; ++i) {
    s.t_seconds.push_back(i);
    s.value.push_back(i % 10 == 0 ? std::numeric_limits<double>::quiet_NaN() : i);
  }
  downsample(s, 100);
  EXPECT_LE(s.value.size(), 100U);
  EXPECT_TRUE(std::any_of(s.value.begin(), s.value.end(), [](double v) { return v == 999; }));
}

TEST(Passed, WhatFailedOrCouldNotBeEvaluatedFails) {
  RunReport r;
  EXPECT_TRUE(passed(r));
  r.expectations = {{.outcome = Outcome::kPassed}};
  EXPECT_TRUE(passed(r));
  r.expectations.push_back({.outcome = Outcome::kNotEvaluated});
  EXPECT_FALSE(passed(r));
  r.expectations.back().outcome = Outcome::kFailed;
  EXPECT_FALSE(passed(r));
}

}  // namespace
}  // namespace mainspring::scenarios
