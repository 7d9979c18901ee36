#include "models/api/int_or_string.h"

#include <gtest/gtest.h>

namespace mainspring::api {
namespace {

TEST(IntOrString, ScalesPercentagesUpOrDown) {
  const struct {
    IntOrString value;
    int64_t total;
    int64_t up;
    int64_t down;
  } cases[] = {
      {5, 100, 5, 5},     {"25%", 10, 3, 2},                      // 2.5
      {"25%", 4, 1, 1},   {"1%", 3, 1, 0},                        // 0.03
      {"0%", 7, 0, 0},    {"100%", 7, 7, 7},  {"150%", 3, 5, 4},  // 4.5
      {"-5%", 10, 0, -1}, {"+30%", 10, 3, 3}, {"25%", 0, 0, 0},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(c.value.scaled(c.total, true), c.up) << c.value.to_string();
    EXPECT_EQ(c.value.scaled(c.total, false), c.down) << c.value.to_string();
  }
}

TEST(IntOrString, OtherTextIsAnError) {
  std::string error;
  EXPECT_FALSE(IntOrString("5").scaled(10, true, &error));
  EXPECT_EQ(error, "invalid value for IntOrString: invalid type: string is not a percentage");
  EXPECT_FALSE(IntOrString("a%").scaled(10, true, &error));
  EXPECT_EQ(error,
            "invalid value for IntOrString: invalid value \"a%\": strconv.Atoi: parsing \"a\": "
            "invalid syntax");
  EXPECT_FALSE(IntOrString("%").scaled(10, true));
  EXPECT_FALSE(IntOrString("9223372036854775807%").scaled(10, true));
}

TEST(IntOrString, ParsesWhatLooksLikeANumber) {
  EXPECT_EQ(IntOrString::parse("80"), IntOrString(80));
  EXPECT_EQ(IntOrString::parse("http"), IntOrString("http"));
  EXPECT_EQ(IntOrString::parse("25%"), IntOrString("25%"));
  EXPECT_EQ(IntOrString::parse("3000000000"), IntOrString("3000000000"));
  EXPECT_FALSE(IntOrString("80") == IntOrString(80));
  EXPECT_EQ(IntOrString(), IntOrString(0));
}

}  // namespace
}  // namespace mainspring::api
