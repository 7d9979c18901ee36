#include "models/controllers/cron_schedule.h"

#include <gtest/gtest.h>

#include "models/api/time_text.h"

namespace mainspring::controllers {
namespace {

std::string next(std::string_view schedule, std::string_view from) {
  const auto s = CronSchedule::parse(schedule);
  if (!s) return "unparseable";
  const api::Time t = s->next(*api::parse_time(from));
  return t ? api::format_time(t) : "never";
}

TEST(CronSchedule, FindsTheNextTime) {
  struct Case {
    std::string_view schedule;
    std::string_view from;
    std::string_view expected;
  };
  const Case cases[] = {
      {"* * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"},
      {"*/5 * * * *", "2026-01-01T00:04:59Z", "2026-01-01T00:05:00Z"},
      {"0 3 * * *", "2026-01-01T03:00:00Z", "2026-01-02T03:00:00Z"},
      {"30 9-17/4 * * mon-fri", "2026-01-02T18:00:00Z", "2026-01-05T09:30:00Z"},
      {"0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
      {"0 0 31 * *", "2026-04-01T00:00:00Z", "2026-05-31T00:00:00Z"},
      // Both day fields: either is enough. 13 March 2026 is a Friday, the 6th as well.
      {"0 0 13 * fri", "2026-03-01T00:00:00Z", "2026-03-06T00:00:00Z"},
      {"@hourly", "2026-01-01T00:30:00Z", "2026-01-01T01:00:00Z"},
      {"@weekly", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"},
      {"@every 90s", "2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z"},
      {"@every 1.5s", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"},
      {"@every -5h", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"},
      {"@every 2000000h", "2026-01-01T00:00:00Z", "2254-02-28T08:00:00Z"},
      {"@every 2500000h", "2026-01-01T00:00:00Z", "never"},
      {"@every 3000000h", "2026-01-01T00:00:00Z", "unparseable"},
      {"@every 7777777777777777m", "2026-01-01T00:00:00Z", "unparseable"},
      {"0 12 1 jan *", "2026-01-01T12:00:00Z", "2027-01-01T12:00:00Z"},
      {"60 * * * *", "2026-01-01T00:00:00Z", "unparseable"},
      {"* * * *", "2026-01-01T00:00:00Z", "unparseable"},
      {"a * * * *", "2026-01-01T00:00:00Z", "unparseable"},
  };
  for (const Case& c : cases) EXPECT_EQ(next(c.schedule, c.from), c.expected) << c.schedule;
}

}  // namespace
}  // namespace mainspring::controllers
