// Cron schedules as Kubernetes reads them: five fields (lists, ranges, steps, names), the macros
// @hourly ... @yearly, and "@every 90s". Times are UTC, to the second.
// Source: github.com/robfig/cron v3 (parser.go, spec.go).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "models/api/value.h"

namespace mainspring::controllers {

class CronSchedule {
 public:
  static std::optional<CronSchedule> parse(std::string_view text);
  // The first time after `t`; absent if there is none within five years.
  api::Time next(api::Time t) const;

 private:
  uint64_t minutes_ = 0;
  uint64_t hours_ = 0;
  uint64_t days_ = 0;
  uint64_t months_ = 0;
  uint64_t weekdays_ = 0;
  bool any_day_ = false;
  bool any_weekday_ = false;
  int64_t every_ = 0;  // seconds, for @every
};

}  // namespace mainspring::controllers
