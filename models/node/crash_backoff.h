// The kubelet's back-off for a container that ended, and for an image that could not be pulled:
// 10 s, doubled up to 300 s, forgotten after ten quiet minutes.
// Source: client-go util/flowcontrol/backoff.go as kuberuntime_manager.go doBackOff uses it.
#pragma once

#include <algorithm>

#include "sim/time.h"

namespace mainspring::node {

struct BackoffLimits {
  sim::Duration initial = sim::Duration::seconds(10);
  sim::Duration max = sim::Duration::seconds(300);
  sim::Duration forget = sim::Duration::seconds(600);
};

class Backoff {
 public:
  // Whether a new attempt now is refused, the last one having ended at `ended`.
  bool refuses(const BackoffLimits& limits, sim::SimTime ended, sim::SimTime now) const {
    if (ended - last_update_ > limits.forget) return false;
    return now - ended < current_;
  }
  // The same, counted from the last attempt instead of an end (image pulls).
  bool refuses_since_update(const BackoffLimits& limits, sim::SimTime now) const {
    return refuses(limits, last_update_, now);
  }
  // Counts an attempt that starts now.
  void next(const BackoffLimits& limits, sim::SimTime ended, sim::SimTime now) {
    current_ = current_ == sim::Duration() || ended - last_update_ > limits.forget
                   ? limits.initial
                   : std::min(current_ * 2, limits.max);
    last_update_ = now;
  }
  sim::Duration current() const { return current_; }
  void reset() { *this = Backoff(); }

 private:
  sim::Duration current_;  // zero: no attempt counted
  sim::SimTime last_update_;
};

}  // namespace mainspring::node
