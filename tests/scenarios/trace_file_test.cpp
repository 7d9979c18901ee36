#include "scenarios/trace_file.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace mainspring::scenarios {
namespace {

TEST(RateTrace, TimesRiseAndStayWithinTheClock) {
  for (const char* times : {"0,1\n5,2\n5,3\n", "0,1\n1e77,2\n"}) {
    std::vector<traffic::RatePoint> rows;
    std::string error;
    EXPECT_FALSE(parse_rate_trace(times, "", rows, error)) << times;
    EXPECT_TRUE(error.ends_with(": times must rise")) << error;
  }
}

}  // namespace
}  // namespace mainspring::scenarios
