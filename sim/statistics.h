// Statistics of a run that are part of its state: counters, values over virtual time, rates over
// virtual time, and quantiles of latencies. Plain values: copied with the world, the same on every
// machine, bounded in memory whatever the length of the run.
//
// Units are the caller's, except for time: instants are SimTime, integrals are value times seconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/time.h"

namespace mainspring::sim {

class Counter {
 public:
  void add(uint64_t n = 1) { value_ += n; }
  uint64_t value() const { return value_; }
  void merge(const Counter& other) { value_ += other.value_; }
  friend bool operator==(const Counter&, const Counter&) = default;

 private:
  uint64_t value_ = 0;
};

// A value that holds until it is changed: replicas, queue length, allocated memory. Statistics are
// weighted by how long each value held. The history is kept in at most kMaxPoints intervals of
// equal width, which doubles whenever the run outgrows them.
class TimeSeries {
 public:
  static constexpr size_t kMaxPoints = 1024;

  struct Point {
    SimTime begin;
    double mean = 0;  // over the part of the interval that has passed
    double min = 0;
    double max = 0;
    double last = 0;
  };

  // The value from `start` on; statistics begin there. `resolution` is the first interval's width.
  explicit TimeSeries(double initial = 0, SimTime start = SimTime(),
                      Duration resolution = Duration::seconds(1));

  // From `now` on the value is this. Time must not go back.
  void set(SimTime now, double value);
  void add(SimTime now, double delta) { set(now, value_ + delta); }

  double value() const { return value_; }
  // Over the time from the start to `now`, which must not be before the last change.
  double integral(SimTime now) const;
  // Of no time at all, the value.
  double mean(SimTime now) const;
  double min() const { return min_; }
  double max() const { return max_; }
  SimTime start() const { return start_; }
  SimTime last_change() const { return at_; }

  Duration resolution() const { return width_; }
  // One point per interval that has begun by `now`.
  std::vector<Point> history(SimTime now) const;

 private:
  struct Interval {
    double integral = 0;  // value times nanoseconds
    double min = 0;
    double max = 0;
    double last = 0;
  };
  void advance(SimTime now);
  void halve();

  SimTime start_;
  SimTime at_;  // all statistics are up to here
  Duration width_;
  double value_;
  double min_;
  double max_;
  double integral_ = 0;  // value times nanoseconds
  std::vector<Interval> intervals_;
};

// Occurrences over time: requests, restarts, scheduling attempts. Kept as counts per interval, as
// TimeSeries keeps its history.
class RateSeries {
 public:
  static constexpr size_t kMaxPoints = TimeSeries::kMaxPoints;

  explicit RateSeries(SimTime start = SimTime(), Duration resolution = Duration::seconds(1))
      : start_(start), width_(resolution) {}

  // `n` occurrences at a time not before the start. Order does not matter.
  void add(SimTime at, uint64_t n = 1);
  uint64_t total() const { return total_; }
  SimTime start() const { return start_; }
  Duration resolution() const { return width_; }
  // Occurrences per interval, from the start on.
  const std::vector<uint64_t>& counts() const { return counts_; }

 private:
  SimTime start_;
  Duration width_;
  uint64_t total_ = 0;
  std::vector<uint64_t> counts_;
};

// Quantiles of a stream of positive values in bounded memory: an exponential histogram of 128
// buckets per factor of two. A quantile is off by at most 1/256 (0.4 %) of the true value. The
// index of a bucket is cut from the bits of the value, without a logarithm.
//
// Counts are integers: merging is exact, and the order of merging does not matter, except for the
// last bits of sum(). Values that are zero or negative are counted as zero.
class QuantileSketch {
 public:
  static constexpr double kRelativeError = 1.0 / 256;

  void add(double value, uint64_t n = 1);
  // In nanoseconds.
  void add(Duration value, uint64_t n = 1) { add(static_cast<double>(value.ns()), n); }
  void merge(const QuantileSketch& other);

  uint64_t count() const { return count_; }
  double sum() const { return sum_; }
  double mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }
  // Exact; 0 when empty.
  double min() const { return min_; }
  double max() const { return max_; }
  // The value below or at which a fraction q of all lie: the ceil(q count)-th smallest. 0 when
  // empty; q is clamped to [0, 1].
  double quantile(double q) const;
  // How many values are at most `value`, as far as buckets tell: values that differ from it by less
  // than kRelativeError may fall on either side.
  uint64_t count_at_most(double value) const;

  friend bool operator==(const QuantileSketch&, const QuantileSketch&) = default;

 private:
  static constexpr int kBucketBits = 7;
  static uint32_t index_of(double value);
  static double midpoint(uint32_t index);
  uint64_t& bucket(uint32_t index);

  uint64_t count_ = 0;
  uint64_t zeros_ = 0;
  double sum_ = 0;
  double min_ = 0;
  double max_ = 0;
  uint32_t first_ = 0;  // index of counts_[0]
  std::vector<uint64_t> counts_;
};

}  // namespace mainspring::sim
