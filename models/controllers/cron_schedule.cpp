#include "models/controllers/cron_schedule.h"

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <string>

#include "models/api/text.h"
#include "models/api/time_format.h"
#include "models/controllers/util.h"

namespace mainspring::controllers {

namespace {
constexpr int64_t kSecond = 1'000'000'000;  // in nanoseconds
constexpr std::string_view kMonths[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                        "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::string_view kDays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct Date {
  int64_t year;
  int64_t month;  // 1..12
  int64_t day;    // 1..31
};

// Days since 1970-01-01 of a civil date, and back (Gregorian, proleptic).
int64_t days_of(const Date& d) {
  const int64_t y = d.month <= 2 ? d.year - 1 : d.year;
  const int64_t era = (y >= 0 ? y : y - 399) / 400;
  const int64_t yoe = y - era * 400;
  const int64_t doy = (153 * (d.month + (d.month > 2 ? -3 : 9)) + 2) / 5 + d.day - 1;
  const int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + doe - 719468;
}

Date date_of(int64_t days) {
  days += 719468;
  const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const int64_t doe = days - era * 146097;
  const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const int64_t mp = (5 * doy + 2) / 153;
  const int64_t month = mp + (mp < 10 ? 3 : -9);
  return {yoe + era * 400 + (month <= 2 ? 1 : 0), month, doy - (153 * mp + 2) / 5 + 1};
}

std::optional<int64_t> number(std::string_view text, std::span<const std::string_view> names,
                              int64_t first) {
  if (const std::optional<int64_t> n = parse_int(text)) return n;
  const std::string lower = api::to_lower(text);
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == lower) return static_cast<int64_t>(i) + first;
  }
  return std::nullopt;
}

// One field as a set of bits. *any: it is "*" or "?".
bool field(std::string_view text, int64_t low, int64_t high,
           std::span<const std::string_view> names, uint64_t* bits, bool* any) {
  *any = false;
  while (true) {
    const size_t comma = text.find(',');
    std::string_view part = text.substr(0, comma);
    int64_t step = 1;
    const size_t slash = part.find('/');
    if (slash != std::string_view::npos) {
      const std::optional<int64_t> n = parse_int(part.substr(slash + 1));
      if (!n || *n <= 0) return false;
      step = *n;
      part = part.substr(0, slash);
    }
    int64_t first = low;
    int64_t last = high;
    if (part == "*" || part == "?") {
      *any = *any || step == 1;
    } else {
      const size_t dash = part.find('-');
      const std::optional<int64_t> a = number(part.substr(0, dash), names, low);
      if (!a) return false;
      first = *a;
      if (dash != std::string_view::npos) {
        const std::optional<int64_t> b = number(part.substr(dash + 1), names, low);
        if (!b) return false;
        last = *b;
      } else if (slash == std::string_view::npos) {
        last = first;
      }
    }
    if (first < low || last > high || first > last) return false;
    for (int64_t i = first; i <= last; i += step) *bits |= uint64_t{1} << i;
    if (comma == std::string_view::npos) return true;
    text = text.substr(comma + 1);
  }
}

}  // namespace

std::optional<CronSchedule> CronSchedule::parse(std::string_view text) {
  constexpr std::pair<std::string_view, std::string_view> kMacros[] = {
      {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
      {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
      {"@hourly", "0 * * * *"}};
  CronSchedule s;
  if (text.starts_with("@every ")) {
    const std::optional<api::Duration> every = api::parse_duration(text.substr(7));
    if (!every) return std::nullopt;
    s.every_ = std::max<int64_t>(1, every->ns() / kSecond);  // as cron.Every has it
    return s;
  }
  for (const auto& [name, spec] : kMacros) {
    if (text == name) text = spec;
  }
  std::array<std::string_view, 5> parts;
  size_t n = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t begin = text.find_first_not_of(" \t", i);
    if (begin == std::string_view::npos) break;
    const size_t end = std::min(text.find_first_of(" \t", begin), text.size());
    if (n == parts.size()) return std::nullopt;
    parts[n++] = text.substr(begin, end - begin);
    i = end;
  }
  if (n != parts.size()) return std::nullopt;
  bool any = false;
  const bool good = field(parts[0], 0, 59, {}, &s.minutes_, &any) &&
                    field(parts[1], 0, 23, {}, &s.hours_, &any) &&
                    field(parts[2], 1, 31, {}, &s.days_, &s.any_day_) &&
                    field(parts[3], 1, 12, kMonths, &s.months_, &any) &&
                    field(parts[4], 0, 6, kDays, &s.weekdays_, &s.any_weekday_);
  if (!good) return std::nullopt;
  return s;
}

api::Time CronSchedule::next(api::Time t) const {
  const int64_t now = t.unix_seconds();
  if (every_ > 0) {
    constexpr int64_t kLast = std::numeric_limits<int64_t>::max() / kSecond;
    return now > kLast - every_ ? api::Time() : api::Time::from_unix_seconds(now + every_);
  }
  constexpr int64_t kDay = 86400;
  const int64_t from = now / 60 * 60 + 60;
  for (int64_t day = from / kDay; day < from / kDay + 5 * 366; ++day) {
    const Date d = date_of(day);
    if (!(months_ >> d.month & 1)) {
      // On to the last day of the month; the loop takes the next one.
      const Date next_month{d.month == 12 ? d.year + 1 : d.year, d.month == 12 ? 1 : d.month + 1,
                            1};
      day = days_of(next_month) - 1;
      continue;
    }
    const int64_t weekday = (day % 7 + 11) % 7;  // 1970-01-01 was a Thursday
    const bool by_day = days_ >> d.day & 1;
    const bool by_weekday = weekdays_ >> weekday & 1;
    // Either of the two day fields is enough when both say something.
    if (!(any_day_ || any_weekday_ ? by_day && by_weekday : by_day || by_weekday)) continue;
    const int64_t start = std::max<int64_t>(0, from - day * kDay) / 60;
    for (int64_t minute = start; minute < 24 * 60; ++minute) {
      if (!(hours_ >> (minute / 60) & 1)) {
        minute += 59 - minute % 60;
        continue;
      }
      if (minutes_ >> (minute % 60) & 1) {
        return api::Time::from_unix_seconds(day * kDay + minute * 60);
      }
    }
  }
  return {};
}

}  // namespace mainspring::controllers
