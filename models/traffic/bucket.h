// Statistics of requests in one interval of time, as the journal keeps them: one record of type
// kBucketRecord a bucket and series in which anything happened.
//
// Keys: "service/NAMESPACE/NAME" for every attempt sent to a service, by users or by other
// services, as its caller saw it; "source/NAME" for the requests of one kind of users.
// Latencies: nanoseconds from sending to the answer at the caller, of successful requests.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/time.h"

namespace mainspring::traffic {

inline constexpr std::string_view kBucketRecord = "traffic.bucket";
inline constexpr std::string_view kServicePrefix = "service/";
inline constexpr std::string_view kSourcePrefix = "source/";

// Why a request failed, as its caller sees it.
enum class Failure : uint8_t {
  kRefused,   // no endpoint, or nobody listens at the one that was chosen
  kTimeout,   // no answer in time
  kError,     // the service answered with an error, its own or that of a service it called
  kReset,     // the pod ended while it had the request
  kOverload,  // the pod's queue was full
};
inline constexpr size_t kFailureCount = 5;
std::string_view to_string(Failure failure);  // "refused", "timeout", ...

// Quantiles of durations in bounded memory: 32 buckets per factor of two, by integers only. A
// quantile is off by at most 1/64 (1.6 %). Merging is exact and in any order.
class LatencyHistogram {
 public:
  void add(sim::Duration value) { add(value, 1); }
  void add(sim::Duration value, uint64_t n);
  void merge(const LatencyHistogram& other);
  void clear();

  uint64_t count() const { return count_; }
  sim::Duration mean() const;
  sim::Duration min() const { return sim::Duration::nanos(count_ == 0 ? 0 : min_); }
  sim::Duration max() const { return sim::Duration::nanos(max_); }
  // Exact, unless it is beyond 292 years.
  int64_t sum_ns() const { return sum_; }
  // The duration below or at which a fraction q of all lie.
  sim::Duration quantile(double q) const;
  // How many are at most `value`, as far as buckets tell.
  uint64_t count_at_most(sim::Duration value) const;
  // (lower bound, count) of the buckets in use, rising.
  std::vector<std::pair<sim::Duration, uint64_t>> buckets() const;

  void append_to(std::string& out) const;
  // Reads what append_to wrote from the front of `in` and takes it off. False: malformed.
  bool take_from(std::string_view& in);

  friend bool operator==(const LatencyHistogram& a, const LatencyHistogram& b);

 private:
  static constexpr int kBits = 5;
  static constexpr uint32_t kSize = (64 - kBits) << kBits;
  static uint32_t index_of(uint64_t ns) {
    if (ns < (uint64_t{1} << kBits)) return static_cast<uint32_t>(ns);
    const int shift = 63 - __builtin_clzll(ns) - kBits;
    return (static_cast<uint32_t>(shift) << kBits) + static_cast<uint32_t>(ns >> shift);
  }
  static uint64_t lower_bound(uint32_t index);

  uint64_t count_ = 0;
  int64_t sum_ = 0;
  int64_t min_ = INT64_MAX;
  int64_t max_ = 0;
  // Used part of counts_: [first_, last_]; empty when first_ > last_.
  uint32_t first_ = UINT32_MAX;
  uint32_t last_ = 0;
  std::vector<uint64_t> counts_;  // empty, or kSize
};

struct Bucket {
  sim::SimTime begin;
  sim::Duration width;
  // What happened in the bucket. A request that is sent in one and answered in a later one counts
  // in `sent` here and in `ok` there.
  uint64_t sent = 0;
  uint64_t ok = 0;
  std::array<uint64_t, kFailureCount> failed{};
  uint64_t retries = 0;  // of those sent: attempts after the first
  // Sent and not yet ended, at the end of the bucket.
  uint64_t in_flight = 0;
  LatencyHistogram latency;

  uint64_t failed_total() const {
    uint64_t sum = 0;
    for (const uint64_t n : failed) sum += n;
    return sum;
  }
  // Adds the counts of a later bucket; in_flight becomes that one's.
  void merge(const Bucket& later);
  friend bool operator==(const Bucket&, const Bucket&) = default;
};

// The payload of a record, and back. decode() leaves `out` alone and returns false when the
// payload is not one.
std::string encode(const Bucket& bucket);
bool decode(std::string_view payload, Bucket& out);

}  // namespace mainspring::traffic
