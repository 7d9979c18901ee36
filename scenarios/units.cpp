#include "scenarios/units.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

#include "models/api/quantity.h"

namespace mainspring::scenarios {

namespace {
constexpr double kMostNanoseconds = 0x1p63;  // 292 years

std::optional<double> nanoseconds_of(std::string_view text) {
  sim::Distribution d;
  if (!sim::parse_distribution(text, d).empty()) return std::nullopt;
  if (d.kind != sim::Distribution::Kind::kConstant) return std::nullopt;
  // A bare number is not a duration, except 0.
  if (d.unit != sim::Distribution::Unit::kNanoseconds && d.p[0] != 0) return std::nullopt;
  return d.p[0];
}
}  // namespace

std::optional<sim::Duration> parse_duration(std::string_view text) {
  const std::optional<double> ns = nanoseconds_of(text);
  if (!ns || !(std::abs(*ns) < kMostNanoseconds)) return std::nullopt;
  return sim::Duration::nanos(static_cast<int64_t>(*ns));
}

bool is_too_long(std::string_view text) {
  const std::optional<double> ns = nanoseconds_of(text);
  return ns && std::abs(*ns) >= kMostNanoseconds;
}

std::optional<double> parse_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (!std::isfinite(value) || value < 0) return std::nullopt;
  return value;
}

std::optional<int64_t> parse_probability(std::string_view text) {
  std::optional<double> value;
  const size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    const std::optional<double> above = parse_number(text.substr(0, slash));
    const std::optional<double> below = parse_number(text.substr(slash + 1));
    if (!above || !below || *below == 0) return std::nullopt;
    value = *above / *below;
  } else if (text.ends_with('%')) {
    value = parse_number(text.substr(0, text.size() - 1));
    if (value) *value /= 100;
  } else {
    value = parse_number(text);
  }
  if (!value || *value > 1) return std::nullopt;
  return nearest_integer(*value * 1e9);
}

std::optional<int64_t> parse_bandwidth(std::string_view text) {
  if (text.ends_with("/s")) text.remove_suffix(2);
  if (text.ends_with("B")) text.remove_suffix(1);
  const auto quantity = api::Quantity::parse(text);
  if (!quantity || quantity->value() <= 0) return std::nullopt;
  return quantity->value();
}

int64_t nearest_integer(double x) { return static_cast<int64_t>(std::floor(x + 0.5)); }

std::string format_duration(sim::Duration d) {
  if (d < sim::Duration()) return "-" + format_duration(-d);
  const int64_t ms = d.ns() / 1'000'000;
  if (ms < 1000) return fmt::format("{}ms", ms);
  const int64_t s = ms / 1000;
  if (s < 60) {
    return ms % 1000 == 0 ? fmt::format("{}s", s) : fmt::format("{}.{}s", s, ms % 1000 / 100);
  }
  const std::array<int64_t, 3> part = {s / 3600, s / 60 % 60, s % 60};
  std::string out;
  if (part[0] > 0) out += fmt::format("{}h", part[0]);
  if (part[1] > 0) out += fmt::format("{}m", part[1]);
  if (part[2] > 0) out += fmt::format("{}s", part[2]);
  return out;
}

std::string format_exactly(sim::Duration d) {
  if (d < sim::Duration()) return "-" + format_exactly(-d);
  const int64_t ns = d.ns() % 60'000'000'000;
  const int64_t minutes = d.ns() / 60'000'000'000;
  std::string out;
  if (minutes >= 60) out += fmt::format("{}h", minutes / 60);
  if (minutes % 60 > 0) out += fmt::format("{}m", minutes % 60);
  if (ns == 0 && !out.empty()) return out;
  // Below a second in milliseconds.
  const bool small = out.empty() && ns < 1'000'000'000;
  const int64_t unit = small ? 1'000'000 : 1'000'000'000;
  std::string fraction = fmt::format("{:0{}}", ns % unit, small ? 6 : 9);
  fraction.resize(fraction.find_last_not_of('0') + 1);
  out += std::to_string(ns / unit);
  if (!fraction.empty()) out += "." + fraction;
  return out + (small ? "ms" : "s");
}

}  // namespace mainspring::scenarios
