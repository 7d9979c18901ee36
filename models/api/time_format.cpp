#include "models/api/time_format.h"

#include "models/api/json.h"

namespace mainspring::api {
namespace {

__extension__ typedef unsigned __int128 Uint128;

struct Unit {
  std::string_view name;
  uint64_t ns;
};
// The long names first, so that "ms" is not read as "m".
constexpr Unit kUnits[] = {{"ns", 1},
                           {"us", 1'000},
                           {"\xC2\xB5s", 1'000},  // micro sign
                           {"\xCE\xBCs", 1'000},  // Greek mu
                           {"ms", 1'000'000},
                           {"s", 1'000'000'000},
                           {"m", 60'000'000'000},
                           {"h", 3'600'000'000'000}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string quoted(std::string_view text) {
  std::string out;
  write_json_string(text, &out);
  return out;
}

// value / unit with at most `digits` decimals, without trailing zeros.
std::string decimal(uint64_t value, int digits) {
  std::string fraction;
  bool significant = false;
  for (int i = 0; i < digits; ++i) {
    const char c = static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
    significant |= c != '0';
    if (significant) fraction.insert(fraction.begin(), c);
  }
  std::string out = std::to_string(value);
  if (!fraction.empty()) out += "." + fraction;
  return out;
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text, std::string* error) {
  const auto fail = [&](std::string message) {
    if (error) *error = std::move(message) + quoted(text);
    return std::nullopt;
  };
  constexpr std::string_view kInvalid = "time: invalid duration ";
  std::string_view s = text;
  const bool negative = s.starts_with('-');
  if (negative || s.starts_with('+')) s.remove_prefix(1);
  if (s == "0") return Duration();
  if (s.empty()) return fail(std::string(kInvalid));
  constexpr uint64_t kLimit = uint64_t{1} << 63;
  uint64_t total = 0;
  while (!s.empty()) {
    uint64_t whole = 0;
    size_t i = 0;
    for (; i < s.size() && is_digit(s[i]); ++i) {
      if (whole > kLimit / 10) return fail(std::string(kInvalid));
      whole = whole * 10 + static_cast<uint64_t>(s[i] - '0');
      if (whole > kLimit) return fail(std::string(kInvalid));
    }
    bool any = i > 0;
    // Digits of the fraction beyond what a nanosecond needs are dropped.
    uint64_t fraction = 0;
    uint64_t scale = 1;
    if (i < s.size() && s[i] == '.') {
      for (++i; i < s.size() && is_digit(s[i]); ++i) {
        any = true;
        if (scale >= 1'000'000'000'000'000) continue;
        fraction = fraction * 10 + static_cast<uint64_t>(s[i] - '0');
        scale *= 10;
      }
    }
    if (!any) return fail(std::string(kInvalid));
    s.remove_prefix(i);
    size_t n = 0;
    while (n < s.size() && s[n] != '.' && !is_digit(s[n])) ++n;
    if (n == 0) return fail("time: missing unit in duration ");
    const std::string_view name = s.substr(0, n);
    s.remove_prefix(n);
    const Unit* unit = nullptr;
    for (const Unit& u : kUnits) {
      if (u.name == name) unit = &u;
    }
    if (!unit) return fail("time: unknown unit " + quoted(name) + " in duration ");
    if (whole > kLimit / unit->ns) return fail(std::string(kInvalid));
    const uint64_t part = static_cast<uint64_t>(static_cast<Uint128>(fraction) * unit->ns / scale);
    const uint64_t value = whole * unit->ns + part;
    if (value > kLimit || total + value > kLimit) return fail(std::string(kInvalid));
    total += value;
  }
  if (negative) return Duration::nanos(static_cast<int64_t>(~total + 1));
  if (total >= kLimit) return fail(std::string(kInvalid));
  return Duration::nanos(static_cast<int64_t>(total));
}

std::string format_duration(Duration d) {
  const bool negative = d.ns() < 0;
  uint64_t ns = negative ? ~static_cast<uint64_t>(d.ns()) + 1 : static_cast<uint64_t>(d.ns());
  std::string out = negative ? "-" : "";
  if (ns == 0) return "0s";
  if (ns < 1'000) return out + std::to_string(ns) + "ns";
  if (ns < 1'000'000) return out + decimal(ns, 3) + "\xC2\xB5s";
  if (ns < 1'000'000'000) return out + decimal(ns, 6) + "ms";
  const uint64_t minutes = ns / 60'000'000'000;
  if (minutes >= 60) out += std::to_string(minutes / 60) + "h";
  if (minutes > 0) out += std::to_string(minutes % 60) + "m";
  return out + decimal(ns % 60'000'000'000, 9) + "s";
}

std::string human_duration(Duration d) {
  const auto number = [](int64_t n, const char* unit) { return std::to_string(n) + unit; };
  const auto two = [&](int64_t a, const char* unit_a, int64_t b, const char* unit_b) {
    return number(a, unit_a) + (b == 0 ? "" : number(b, unit_b));
  };
  const int64_t seconds = d.ns() / 1'000'000'000;
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return number(seconds, "s");
  const int64_t minutes = seconds / 60;
  if (minutes < 10) return two(minutes, "m", seconds % 60, "s");
  if (minutes < 180) return number(minutes, "m");
  const int64_t hours = minutes / 60;
  if (hours < 8) return two(hours, "h", minutes % 60, "m");
  if (hours < 48) return number(hours, "h");
  const int64_t days = hours / 24;
  if (days < 8) return two(days, "d", hours % 24, "h");
  if (days < 2 * 365) return number(days, "d");
  if (days < 8 * 365) return two(days / 365, "y", days % 365, "d");
  return number(days / 365, "y");
}

}  // namespace mainspring::api
