#include "sim/statistics.h"

#include <algorithm>
#include <bit>

#include "sim/check.h"

namespace mainspring::sim {

TimeSeries::TimeSeries(double initial, SimTime start, Duration resolution)
    : start_(start), at_(start), width_(resolution), value_(initial), min_(initial), max_(initial) {
  MAINSPRING_CHECK(resolution > Duration(), "resolution of {} ns", resolution.ns());
}

// Makes intervals twice as wide, two of them one.
void TimeSeries::halve() {
  width_ = width_ * 2;
  const size_t n = (intervals_.size() + 1) / 2;
  for (size_t i = 0; i < n; ++i) {
    Interval merged = intervals_[2 * i];
    if (2 * i + 1 < intervals_.size()) {
      const Interval& second = intervals_[2 * i + 1];
      merged = {merged.integral + second.integral, std::min(merged.min, second.min),
                std::max(merged.max, second.max), second.last};
    }
    intervals_[i] = merged;
  }
  intervals_.resize(n);
}

// Accounts for the time up to `now`, during which the value stayed as it is.
void TimeSeries::advance(SimTime now) {
  MAINSPRING_CHECK(now >= at_, "time series at {} ns after {} ns", now.ns(), at_.ns());
  while ((now - start_) / width_ >= static_cast<int64_t>(kMaxPoints)) halve();
  integral_ += value_ * static_cast<double>((now - at_).ns());
  for (;;) {
    const size_t index = static_cast<size_t>((at_ - start_) / width_);
    if (index == intervals_.size()) intervals_.push_back({0, value_, value_, value_});
    const SimTime end = start_ + width_ * static_cast<int64_t>(index + 1);
    Interval& interval = intervals_[index];
    interval.integral += value_ * static_cast<double>((std::min(end, now) - at_).ns());
    if (now < end) break;
    at_ = end;
  }
  at_ = now;
}

void TimeSeries::set(SimTime now, double value) {
  advance(now);
  value_ = value;
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
  Interval& interval = intervals_.back();
  interval.min = std::min(interval.min, value);
  interval.max = std::max(interval.max, value);
  interval.last = value;
}

double TimeSeries::integral(SimTime now) const {
  MAINSPRING_CHECK(now >= at_, "time series read at {} ns after {} ns", now.ns(), at_.ns());
  return (integral_ + value_ * static_cast<double>((now - at_).ns())) * 1e-9;
}

double TimeSeries::mean(SimTime now) const {
  const Duration span = now - start_;
  return span == Duration() ? value_ : integral(now) / (static_cast<double>(span.ns()) * 1e-9);
}

std::vector<TimeSeries::Point> TimeSeries::history(SimTime now) const {
  TimeSeries copy = *this;
  copy.advance(now);
  std::vector<Point> points;
  for (size_t i = 0; i < copy.intervals_.size(); ++i) {
    const Interval& interval = copy.intervals_[i];
    const SimTime begin = start_ + copy.width_ * static_cast<int64_t>(i);
    const Duration span = std::min(now, begin + copy.width_) - begin;
    const double mean =
        span == Duration() ? interval.last : interval.integral / static_cast<double>(span.ns());
    points.push_back({begin, mean, interval.min, interval.max, interval.last});
  }
  return points;
}

void RateSeries::add(SimTime at, uint64_t n) {
  MAINSPRING_CHECK(at >= start_, "occurrence at {} ns, before {} ns", at.ns(), start_.ns());
  while ((at - start_) / width_ >= static_cast<int64_t>(kMaxPoints)) {
    width_ = width_ * 2;
    for (size_t i = 0; i < counts_.size(); i += 2) {
      counts_[i / 2] = counts_[i] + (i + 1 < counts_.size() ? counts_[i + 1] : 0);
    }
    counts_.resize((counts_.size() + 1) / 2);
  }
  const size_t index = static_cast<size_t>((at - start_) / width_);
  if (index >= counts_.size()) counts_.resize(index + 1);
  counts_[index] += n;
  total_ += n;
}

// Exponent and the first bits of the mantissa: they rise with the value, and cut every factor of
// two into 128 parts of equal width.
uint32_t QuantileSketch::index_of(double value) {
  return static_cast<uint32_t>(std::bit_cast<uint64_t>(value) >> (52 - kBucketBits));
}

double QuantileSketch::midpoint(uint32_t index) {
  const uint64_t half = uint64_t{1} << (52 - kBucketBits - 1);
  return std::bit_cast<double>((uint64_t{index} << (52 - kBucketBits)) | half);
}

uint64_t& QuantileSketch::bucket(uint32_t index) {
  if (counts_.empty()) {
    first_ = index;
    counts_.push_back(0);
  } else if (index < first_) {
    counts_.insert(counts_.begin(), first_ - index, 0);
    first_ = index;
  } else if (index - first_ >= counts_.size()) {
    counts_.resize(index - first_ + 1);
  }
  return counts_[index - first_];
}

void QuantileSketch::add(double value, uint64_t n) {
  if (n == 0) return;
  MAINSPRING_CHECK(value - value == 0.0, "a value that is not finite");
  if (!(value > 0.0)) value = 0.0;
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = count_ == 0 ? value : std::max(max_, value);
  sum_ += value * static_cast<double>(n);
  count_ += n;
  (value == 0.0 ? zeros_ : bucket(index_of(value))) += n;
}

void QuantileSketch::merge(const QuantileSketch& other) {
  if (other.count_ == 0) return;
  min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = count_ == 0 ? other.max_ : std::max(max_, other.max_);
  sum_ += other.sum_;
  count_ += other.count_;
  zeros_ += other.zeros_;
  if (other.counts_.empty()) return;
  // Both ends first, so that there is room for all between.
  bucket(other.first_);
  bucket(other.first_ + static_cast<uint32_t>(other.counts_.size()) - 1);
  for (size_t i = 0; i < other.counts_.size(); ++i) {
    counts_[other.first_ - first_ + i] += other.counts_[i];
  }
}

double QuantileSketch::quantile(double q) const {
  if (count_ == 0) return 0.0;
  q = std::clamp(q, 0.0, 1.0);
  const double exact_rank = q * static_cast<double>(count_);
  uint64_t rank = static_cast<uint64_t>(exact_rank);
  if (static_cast<double>(rank) < exact_rank) ++rank;
  rank = std::clamp<uint64_t>(rank, 1, count_);
  if (rank == 1) return min_;
  if (rank == count_) return max_;
  uint64_t seen = zeros_;
  if (rank <= seen) return 0.0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (rank <= seen) {
      return std::clamp(midpoint(first_ + static_cast<uint32_t>(i)), min_, max_);
    }
  }
  return max_;
}

uint64_t QuantileSketch::count_at_most(double value) const {
  if (value < 0.0) return 0;
  if (value >= max_) return count_;
  uint64_t seen = zeros_;
  if (value == 0.0) return seen;
  const uint32_t index = index_of(value);
  for (size_t i = 0; i < counts_.size() && first_ + i <= index; ++i) seen += counts_[i];
  return seen;
}

}  // namespace mainspring::sim
