#include "models/traffic/bucket.h"

#include <algorithm>
#include <utility>

namespace mainspring::traffic {

using sim::Duration;

std::string_view to_string(Failure failure) {
  static constexpr std::string_view kNames[kFailureCount] = {"refused", "timeout", "error", "reset",
                                                             "overload"};
  return kNames[static_cast<size_t>(failure)];
}

namespace {

// Little-endian base 128, as Protobuf's varints.
void put(std::string& out, uint64_t v) {
  while (v >= 0x80) {
    out.push_back(static_cast<char>(v | 0x80));
    v >>= 7;
  }
  out.push_back(static_cast<char>(v));
}

bool take(std::string_view& in, uint64_t& v) {
  v = 0;
  for (int shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    v |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

constexpr uint64_t kVersion = 1;

}  // namespace

uint64_t LatencyHistogram::lower_bound(uint32_t index) {
  constexpr uint32_t kFirst = uint32_t{1} << kBits;
  if (index < 2 * kFirst) return index;
  const uint32_t shift = (index >> kBits) - 1;
  return uint64_t{index - (shift << kBits)} << shift;
}

void LatencyHistogram::add(Duration value, uint64_t n) {
  if (n == 0) return;
  const int64_t ns = std::max<int64_t>(value.ns(), 0);
  if (counts_.empty()) counts_.resize(kSize);
  const uint32_t index = index_of(static_cast<uint64_t>(ns));
  counts_[index] += n;
  first_ = std::min(first_, index);
  last_ = std::max(last_, index);
  count_ += n;
  sum_ += ns * static_cast<int64_t>(n);
  min_ = std::min(min_, ns);
  max_ = std::max(max_, ns);
}

void LatencyHistogram::merge(const LatencyHistogram& other) {
  if (other.count_ == 0) return;
  if (counts_.empty()) counts_.resize(kSize);
  for (uint32_t i = other.first_; i <= other.last_; ++i) counts_[i] += other.counts_[i];
  first_ = std::min(first_, other.first_);
  last_ = std::max(last_, other.last_);
  count_ += other.count_;
  sum_ += other.sum_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

void LatencyHistogram::clear() {
  if (count_ > 0) {
    std::fill(counts_.begin() + first_, counts_.begin() + last_ + 1, 0);
  }
  count_ = 0;
  sum_ = 0;
  min_ = INT64_MAX;
  max_ = 0;
  first_ = UINT32_MAX;
  last_ = 0;
}

Duration LatencyHistogram::mean() const {
  return Duration::nanos(count_ == 0 ? 0 : sum_ / static_cast<int64_t>(count_));
}

Duration LatencyHistogram::quantile(double q) const {
  if (count_ == 0) return {};
  const double exact = std::clamp(q, 0.0, 1.0) * static_cast<double>(count_);
  uint64_t rank = static_cast<uint64_t>(exact);
  if (static_cast<double>(rank) < exact) ++rank;
  rank = std::clamp<uint64_t>(rank, 1, count_);
  if (rank == 1) return min();
  if (rank == count_) return max();
  uint64_t seen = 0;
  for (uint32_t i = first_; i <= last_; ++i) {
    seen += counts_[i];
    if (rank > seen) continue;
    const uint64_t low = lower_bound(i);
    const auto middle = static_cast<int64_t>(low + (lower_bound(i + 1) - low) / 2);
    return Duration::nanos(std::clamp(middle, min_, max_));
  }
  return max();
}

uint64_t LatencyHistogram::count_at_most(Duration value) const {
  if (count_ == 0 || value.ns() < min_) return 0;
  if (value.ns() >= max_) return count_;
  const uint32_t index = index_of(static_cast<uint64_t>(value.ns()));
  uint64_t seen = 0;
  for (uint32_t i = first_; i <= std::min(index, last_); ++i) seen += counts_[i];
  return seen;
}

std::vector<std::pair<Duration, uint64_t>> LatencyHistogram::buckets() const {
  std::vector<std::pair<Duration, uint64_t>> out;
  if (count_ == 0) return out;
  for (uint32_t i = first_; i <= last_; ++i) {
    if (counts_[i] == 0) continue;
    out.emplace_back(Duration::nanos(static_cast<int64_t>(lower_bound(i))), counts_[i]);
  }
  return out;
}

// count; when not 0: sum, min, max, number of buckets, then (distance, count) of each.
void LatencyHistogram::append_to(std::string& out) const {
  put(out, count_);
  if (count_ == 0) return;
  put(out, static_cast<uint64_t>(sum_));
  put(out, static_cast<uint64_t>(min_));
  put(out, static_cast<uint64_t>(max_));
  uint64_t used = 0;
  for (uint32_t i = first_; i <= last_; ++i) used += counts_[i] != 0;
  put(out, used);
  uint32_t previous = 0;
  for (uint32_t i = first_; i <= last_; ++i) {
    if (counts_[i] == 0) continue;
    put(out, i - previous);
    put(out, counts_[i]);
    previous = i;
  }
}

bool LatencyHistogram::take_from(std::string_view& in) {
  LatencyHistogram h;
  uint64_t count = 0, sum = 0, low = 0, high = 0, used = 0;
  if (!take(in, count)) return false;
  if (count == 0) {
    *this = std::move(h);
    return true;
  }
  if (!take(in, sum) || !take(in, low) || !take(in, high) || !take(in, used)) return false;
  if (used == 0 || used > kSize) return false;
  h.counts_.resize(kSize);
  uint64_t index = 0, total = 0;
  for (uint64_t k = 0; k < used; ++k) {
    uint64_t step = 0, n = 0;
    if (!take(in, step) || !take(in, n) || step >= kSize) return false;
    index += step;
    if (index >= kSize || n == 0) return false;
    h.counts_[index] += n;
    total += n;
    if (k == 0) h.first_ = static_cast<uint32_t>(index);
    h.last_ = static_cast<uint32_t>(index);
  }
  if (total != count) return false;
  h.count_ = count;
  h.sum_ = static_cast<int64_t>(sum);
  h.min_ = static_cast<int64_t>(low);
  h.max_ = static_cast<int64_t>(high);
  *this = std::move(h);
  return true;
}

bool operator==(const LatencyHistogram& a, const LatencyHistogram& b) {
  if (a.count_ != b.count_ || a.sum_ != b.sum_ || a.min_ != b.min_ || a.max_ != b.max_ ||
      a.first_ != b.first_ || a.last_ != b.last_) {
    return false;
  }
  return a.count_ == 0 || std::equal(a.counts_.begin() + a.first_, a.counts_.begin() + a.last_ + 1,
                                     b.counts_.begin() + b.first_);
}

void Bucket::merge(const Bucket& later) {
  if (width == Duration()) begin = later.begin;
  width = later.begin + later.width - begin;
  sent += later.sent;
  ok += later.ok;
  for (size_t i = 0; i < kFailureCount; ++i) failed[i] += later.failed[i];
  retries += later.retries;
  in_flight = later.in_flight;
  latency.merge(later.latency);
}

std::string encode(const Bucket& b) {
  std::string out;
  put(out, kVersion);
  put(out, static_cast<uint64_t>(b.begin.ns()));
  put(out, static_cast<uint64_t>(b.width.ns()));
  put(out, b.sent);
  put(out, b.ok);
  for (const uint64_t n : b.failed) put(out, n);
  put(out, b.retries);
  put(out, b.in_flight);
  b.latency.append_to(out);
  return out;
}

bool decode(std::string_view in, Bucket& out) {
  Bucket b;
  uint64_t version = 0, begin = 0, width = 0;
  if (!take(in, version) || version != kVersion) return false;
  if (!take(in, begin) || !take(in, width) || !take(in, b.sent) || !take(in, b.ok)) return false;
  for (uint64_t& n : b.failed) {
    if (!take(in, n)) return false;
  }
  if (!take(in, b.retries) || !take(in, b.in_flight) || !b.latency.take_from(in)) return false;
  if (!in.empty()) return false;
  b.begin = sim::SimTime::from_ns(static_cast<int64_t>(begin));
  b.width = Duration::nanos(static_cast<int64_t>(width));
  out = std::move(b);
  return true;
}

}  // namespace mainspring::traffic
