#include "models/api/time_format.h"

#include <gtest/gtest.h>

namespace mainspring::api {
namespace {

TEST(TimeFormat, ReadsAndWritesGoDurations) {
  const struct {
    const char* in;
    int64_t ns;
    const char* out;
  } cases[] = {
      {"0", 0, "0s"},
      {"0s", 0, "0s"},
      {"1h30m", 5'400'000'000'000, "1h30m0s"},
      {"90s", 90'000'000'000, "1m30s"},
      {"500ms", 500'000'000, "500ms"},
      {"1.5s", 1'500'000'000, "1.5s"},
      {"60m", 3'600'000'000'000, "1h0m0s"},
      {"-1.25h", -4'500'000'000'000, "-1h15m0s"},
      {"+5s", 5'000'000'000, "5s"},
      {"1us", 1'000, "1µs"},
      {"1.001µs", 1'001, "1.001µs"},
      {"100ns", 100, "100ns"},
      {".5m", 30'000'000'000, "30s"},
      {"1.s", 1'000'000'000, "1s"},
      {"1h1s1ms", 3'601'001'000'000, "1h0m1.001s"},
      {"0.3333333333333333333h", 1'199'999'999'999, "19m59.999999999s"},
      {"9223372036854775807ns", INT64_MAX, "2562047h47m16.854775807s"},
      {"-9223372036854775808ns", INT64_MIN, "-2562047h47m16.854775808s"},
  };
  for (const auto& c : cases) {
    std::string error;
    const auto d = parse_duration(c.in, &error);
    ASSERT_TRUE(d) << c.in << error;
    EXPECT_EQ(d->ns(), c.ns) << c.in;
    EXPECT_EQ(format_duration(*d), c.out) << c.in;
    EXPECT_EQ(parse_duration(c.out), d);
  }
}

TEST(TimeFormat, DurationErrorsAreGosWords) {
  const struct {
    const char* in;
    const char* error;
  } cases[] = {
      {"", "time: invalid duration \"\""},
      {"5", "time: missing unit in duration \"5\""},
      {"5x", "time: unknown unit \"x\" in duration \"5x\""},
      {"1d", "time: unknown unit \"d\" in duration \"1d\""},
      {".s", "time: invalid duration \".s\""},
      {"-", "time: invalid duration \"-\""},
      {"s", "time: invalid duration \"s\""},
      {"1h 5m", "time: unknown unit \"h \" in duration \"1h 5m\""},
      {"9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\""},
      {"3000000h", "time: invalid duration \"3000000h\""},
  };
  for (const auto& c : cases) {
    std::string error;
    EXPECT_FALSE(parse_duration(c.in, &error)) << c.in;
    EXPECT_EQ(error, c.error);
  }
}

TEST(TimeFormat, AgesAreKubectls) {
  const struct {
    int64_t seconds;
    const char* text;
  } cases[] = {
      {-2, "<invalid>"}, {-1, "0s"},       {0, "0s"},
      {119, "119s"},     {120, "2m"},      {330, "5m30s"},
      {599, "9m59s"},    {600, "10m"},     {10799, "179m"},
      {10800, "3h"},     {12000, "3h20m"}, {28800, "8h"},
      {172799, "47h"},   {172800, "2d"},   {187200, "2d4h"},
      {691200, "8d"},    {63072000, "2y"}, {63072000 + 86400, "2y1d"},
      {252288000, "8y"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(human_duration(Duration::seconds(c.seconds)), c.text) << c.seconds;
  }
  EXPECT_EQ(human_duration(Duration::millis(-1999)), "0s");
}

}  // namespace
}  // namespace mainspring::api
