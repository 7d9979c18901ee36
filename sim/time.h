// Virtual time: strong types over int64 nanoseconds.
//
// Duration is a span, SimTime an instant counted from the start of the run. Neither ever holds a
// floating-point value; the range is +-292 years. The wall-clock date of a run (api::Time) is its
// epoch, a scenario field, plus SimTime.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace mainspring::sim {

class Duration {
 public:
  constexpr Duration() = default;
  static constexpr Duration nanos(int64_t n) { return Duration(n); }
  static constexpr Duration micros(int64_t n) { return Duration(n * 1'000); }
  static constexpr Duration millis(int64_t n) { return Duration(n * 1'000'000); }
  // At most 146 years either way, so that whatever a user gives adds up with any time of a run.
  static constexpr Duration seconds(int64_t n) {
    constexpr int64_t kMost = (int64_t{1} << 62) / 1'000'000'000;
    return Duration((n > kMost ? kMost : n < -kMost ? -kMost : n) * 1'000'000'000);
  }
  static constexpr Duration minutes(int64_t n) { return Duration(n * 60'000'000'000); }
  static constexpr Duration hours(int64_t n) { return minutes(n * 60); }
  static constexpr Duration max() { return Duration(std::numeric_limits<int64_t>::max()); }

  constexpr int64_t ns() const { return ns_; }
  // Seconds as a double, for reports and statistics; never for deciding an event's time.
  constexpr double to_seconds() const { return static_cast<double>(ns_) * 1e-9; }

  friend constexpr auto operator<=>(Duration, Duration) = default;
  friend constexpr Duration operator+(Duration a, Duration b) { return Duration(a.ns_ + b.ns_); }
  friend constexpr Duration operator-(Duration a, Duration b) { return Duration(a.ns_ - b.ns_); }
  friend constexpr Duration operator-(Duration a) { return Duration(-a.ns_); }
  friend constexpr Duration operator*(Duration a, int64_t k) { return Duration(a.ns_ * k); }
  friend constexpr Duration operator*(int64_t k, Duration a) { return Duration(a.ns_ * k); }
  friend constexpr Duration operator/(Duration a, int64_t k) { return Duration(a.ns_ / k); }
  friend constexpr int64_t operator/(Duration a, Duration b) { return a.ns_ / b.ns_; }
  friend constexpr Duration operator%(Duration a, Duration b) { return Duration(a.ns_ % b.ns_); }
  constexpr Duration& operator+=(Duration b) { return *this = *this + b; }
  constexpr Duration& operator-=(Duration b) { return *this = *this - b; }

 private:
  constexpr explicit Duration(int64_t ns) : ns_(ns) {}
  int64_t ns_ = 0;
};

class SimTime {
 public:
  constexpr SimTime() = default;  // the start of the run
  static constexpr SimTime from_ns(int64_t n) { return SimTime(n); }
  static constexpr SimTime max() { return SimTime(std::numeric_limits<int64_t>::max()); }

  constexpr int64_t ns() const { return ns_; }
  constexpr Duration since_start() const { return Duration::nanos(ns_); }
  constexpr double to_seconds() const { return static_cast<double>(ns_) * 1e-9; }

  friend constexpr auto operator<=>(SimTime, SimTime) = default;
  friend constexpr SimTime operator+(SimTime t, Duration d) { return SimTime(t.ns_ + d.ns()); }
  friend constexpr SimTime operator-(SimTime t, Duration d) { return SimTime(t.ns_ - d.ns()); }
  friend constexpr Duration operator-(SimTime a, SimTime b) {
    return Duration::nanos(a.ns_ - b.ns_);
  }
  constexpr SimTime& operator+=(Duration d) { return *this = *this + d; }

 private:
  constexpr explicit SimTime(int64_t ns) : ns_(ns) {}
  int64_t ns_ = 0;
};

}  // namespace mainspring::sim
