// The client-side rate limiter of client-go (flowcontrol token bucket; golang.org/x/time/rate):
// `qps` tokens a second, at most `burst` saved up, waiters served in order of asking.
// Integer arithmetic: one token is worth 1e9 / qps nanoseconds, qps in thousandths.
#pragma once

#include <algorithm>
#include <cstdint>

#include "models/api/value.h"

namespace mainspring::client {

class TokenBucket {
 public:
  // qps_milli: thousandths of a token per second; 0 means unlimited.
  TokenBucket(int64_t qps_milli, int64_t burst)
      : token_ns_(qps_milli > 0 ? 1'000'000'000'000 / qps_milli : 0), burst_(burst) {}

  // Takes one token and returns when it is there: now, or later when the bucket is empty.
  api::Time take(api::Time now) {
    if (token_ns_ == 0) return now;
    // `full_at_` is when the bucket would be full again if nobody took another token.
    const int64_t t = now.unix_ns();
    const int64_t base = std::max(full_at_, t);
    full_at_ = base + token_ns_;
    // A token is there once at most `burst` are outstanding.
    const int64_t ready = full_at_ - burst_ * token_ns_;
    return ready <= t ? now : api::Time::from_unix_ns(ready);
  }
  // Whether a token is there now; takes it if so (flowcontrol.TryAccept).
  bool try_take(api::Time now) {
    if (token_ns_ == 0) return true;
    const int64_t t = now.unix_ns();
    const int64_t full = std::max(full_at_, t) + token_ns_;
    if (full - burst_ * token_ns_ > t) return false;
    full_at_ = full;
    return true;
  }

 private:
  int64_t token_ns_;
  int64_t burst_;
  int64_t full_at_ = INT64_MIN;
};

}  // namespace mainspring::client
