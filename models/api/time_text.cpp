#include "models/api/time_text.h"

namespace mainspring::api {

namespace {

// Days since 1970-01-01 in the proleptic Gregorian calendar and back (Howard Hinnant, "chrono-
// Compatible Low-Level Date Algorithms").
constexpr int64_t days_from_civil(int64_t y, int64_t m, int64_t d) {
  y -= m <= 2 ? 1 : 0;
  const int64_t era = (y >= 0 ? y : y - 399) / 400;
  const int64_t yoe = y - era * 400;
  const int64_t doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
  const int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + doe - 719468;
}

struct Date {
  int64_t year, month, day;
};

constexpr Date civil_from_days(int64_t z) {
  z += 719468;
  const int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const int64_t doe = z - era * 146097;
  const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const int64_t mp = (5 * doy + 2) / 153;
  const int64_t month = mp < 10 ? mp + 3 : mp - 9;
  return {yoe + era * 400 + (month <= 2 ? 1 : 0), month, doy - (153 * mp + 2) / 5 + 1};
}
static_assert(days_from_civil(2000, 3, 1) == 11017 && civil_from_days(11017).month == 3);

constexpr int64_t days_of_month(int64_t y, int64_t m) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
  return m == 2 && leap ? 29 : kDays[m - 1];
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}
  // Exactly n digits; -1 and failed() otherwise.
  int64_t digits(size_t n) {
    int64_t v = 0;
    for (size_t i = 0; i < n; ++i) {
      const char c = peek();
      if (c < '0' || c > '9') {
        failed_ = true;
        return -1;
      }
      v = v * 10 + (c - '0');
      ++at_;
    }
    return v;
  }
  void expect(char c, char or_c = '\0') {
    if (peek() == c || (or_c != '\0' && peek() == or_c)) {
      ++at_;
    } else {
      failed_ = true;
    }
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip() { ++at_; }
  bool done() const { return !failed_ && at_ == text_.size(); }
  bool failed() const { return failed_; }

 private:
  std::string_view text_;
  size_t at_ = 0;
  bool failed_ = false;
};

void put(std::string& out, int64_t v, int width) {
  char digits[20];
  for (int i = width; i-- > 0; v /= 10) digits[i] = static_cast<char>('0' + v % 10);
  out.append(digits, static_cast<size_t>(width));
}

std::string format_seconds(Time t) {
  const int64_t s = t.unix_seconds();
  const int64_t days = s / 86400 - (s % 86400 < 0 ? 1 : 0);
  const int64_t rest = s - days * 86400;
  const Date date = civil_from_days(days);
  std::string out;
  out.reserve(28);
  put(out, date.year, 4);
  out += '-';
  put(out, date.month, 2);
  out += '-';
  put(out, date.day, 2);
  out += 'T';
  put(out, rest / 3600, 2);
  out += ':';
  put(out, rest / 60 % 60, 2);
  out += ':';
  put(out, rest % 60, 2);
  return out;
}

}  // namespace

std::optional<Time> parse_time(std::string_view text) {
  Scanner in(text);
  const int64_t year = in.digits(4);
  in.expect('-');
  const int64_t month = in.digits(2);
  in.expect('-');
  const int64_t day = in.digits(2);
  in.expect('T');
  const int64_t hour = in.digits(2);
  in.expect(':');
  const int64_t minute = in.digits(2);
  in.expect(':');
  const int64_t second = in.digits(2);
  int64_t nanos = 0;
  if (in.peek() == '.' || in.peek() == ',') {
    in.skip();
    int64_t unit = 100'000'000;
    nanos = in.digits(1) * unit;
    while (in.peek() >= '0' && in.peek() <= '9') {
      unit /= 10;
      nanos += in.digits(1) * unit;
    }
  }
  int64_t offset = 0;
  if (in.peek() == 'Z') {
    in.skip();
  } else {
    const bool west = in.peek() == '-';
    in.expect('+', '-');
    const int64_t offset_hours = in.digits(2);
    in.expect(':');
    const int64_t offset_minutes = in.digits(2);
    if (offset_hours > 23 || offset_minutes > 59) return std::nullopt;
    offset = (offset_hours * 60 + offset_minutes) * (west ? -60 : 60);
  }
  if (!in.done() || year < 1678 || year > 2261 || month < 1 || month > 12 || day < 1 ||
      day > days_of_month(year, month) || hour > 23 || minute > 59 || second > 59) {
    return std::nullopt;
  }
  const int64_t seconds =
      days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
  return Time::from_unix_ns(seconds * 1'000'000'000 + nanos);
}

std::string format_time(Time t) {
  if (t.is_zero()) return {};
  return format_seconds(t) + 'Z';
}

std::string format_micro_time(Time t) {
  if (t.is_zero()) return {};
  std::string out = format_seconds(t) + '.';
  put(out, (t.unix_ns() - t.unix_seconds() * 1'000'000'000) / 1000, 6);
  return out + 'Z';
}

}  // namespace mainspring::api
