// client-go's work queue: a set of keys in order of first addition, never handed to two workers at
// once; delayed additions; and the default controller rate limiter.
//
// It holds no timers: the owner asks next_deadline() and calls promote(now). Deterministic: delayed
// keys due at the same instant come out in order of addition.
// Source: client-go util/workqueue (queue.go, delaying_queue.go, default_rate_limiters.go).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "models/api/value.h"
#include "models/client/token_bucket.h"

namespace mainspring::client {

using Key = api::Str;  // "namespace/name", or "name" for cluster-scoped kinds

struct RateLimits {
  api::Duration base = api::Duration::millis(5);     // per key: base * 2^failures
  api::Duration max = api::Duration::seconds(1000);  // up to this
  bool bucket = true;                                // and 10/s, burst 100 over all keys
  static RateLimits fixed(api::Duration every) { return {every, every, false}; }
};

class WorkQueue {
 public:
  explicit WorkQueue(RateLimits limits = {}) : limits_(limits) {}

  void add(const Key& key);
  // Not before `at`; an earlier deadline already set for the key stays.
  void add_at(const Key& key, api::Time at, api::Time now);
  void add_rate_limited(const Key& key, api::Time now);
  void forget(const Key& key) { failures_.erase(key); }
  // How often the key was added rate-limited since it was last forgotten.
  int32_t requeues(const Key& key) const;

  // The next key to work on, marked as being processed until done(key).
  std::optional<Key> get();
  void done(const Key& key);

  // Moves the delayed keys that are due into the queue.
  void promote(api::Time now);
  std::optional<api::Time> next_deadline() const;
  bool empty() const { return queue_.empty(); }
  size_t size() const { return queue_.size(); }

 private:
  RateLimits limits_;
  std::deque<Key> queue_;
  std::set<Key> dirty_;  // waiting, or to be queued again when done
  std::set<Key> processing_;
  std::map<Key, int32_t> failures_;
  std::map<std::pair<api::Time, uint64_t>, Key> delayed_;
  std::map<Key, std::pair<api::Time, uint64_t>> deadline_of_;
  uint64_t additions_ = 0;
  TokenBucket bucket_{10'000, 100};
};

}  // namespace mainspring::client
