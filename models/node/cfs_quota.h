// The CFS quota of one container: what it may burn in a period of 100 ms, and when it stands still.
//
// A container with a limit runs as fast as its threads and the machine allow until it has burnt
// limit * 100 ms of processor time in the present period; then it is throttled to the end of the
// period. Periods follow each other without a gap, from the start of the process on. What is left
// of a quota is lost; what was burnt beyond it (less than one nanosecond at the container's rate)
// counts in the next period. So a container that always wants more gets its limit on average.
//
// What a program burns by itself, without requests, acts as a rate that is never above the limit:
// the same over whole periods, and no event each period for the sake of start-up work.
//
// Sources: Linux kernel/sched/fair.c: init_cfs_bandwidth (each group's periods begin at an offset
// of their own, there a random one), start_cfs_bandwidth (a timer that stopped while the group was
// idle goes on in the same grid), do_sched_cfs_period_timer and __refill_cfs_bandwidth_runtime (the
// quota is set anew, not added up); Kubernetes v1.35 pkg/kubelet/cm/helpers_linux.go,
// QuotaPeriod and MilliCPUToQuota.
// Not modelled: the slices of 5 ms in which each processor draws on the quota, CFS burst.
//
// Units: processor time in millionths of a core times nanoseconds, integers.
#pragma once

#include <cstdint>

#include "models/node/types.h"
#include "sim/time.h"

namespace mainspring::node {

class CfsQuota {
 public:
  static constexpr sim::Duration kPeriod = sim::Duration::millis(100);
  // The kernel takes no quota below 1 ms: smaller limits act as this one.
  static constexpr MicroCores kMinLimit = MicroCores::from_milli(10);
  // More than any machine has: no limit, and quotas that fit into 64 bits.
  static constexpr MicroCores kNoLimit{10'000 * kOneCore.value};

  // A process starts: its periods begin, with an untouched quota. The counts go on.
  void start(MicroCores limit, sim::SimTime now);
  bool limited() const { return limit_ < kNoLimit; }

  // Brings the account from `since`, the time of the last call, to `now`, at the rate in force
  // meanwhile.
  void advance(sim::SimTime since, sim::SimTime now, MicroCores rate) {
    if (limited() && now > since) account(since, now, rate);
  }
  // The most that the container may use from now on, given what its program and its requests want:
  // nothing when the quota is used up. `now` of the last advance().
  MicroCores bound(MicroCores own, MicroCores requests) {
    return limited() ? bound_now(own, requests) : kNoLimit;
  }
  // Whether the requests can burn this much without using up the quota, whatever they get when. Own
  // demand and requests as told to bound().
  bool covers(MicroCores own, MicroCores requests, sim::Duration burst) const {
    return !limited() || has_left_for(own, requests, burst);
  }
  // When the bound changes, if the container gets `rate` all the time: the end of a stop, or when
  // the quota of this period or of the next one is used up. max(): never.
  sim::SimTime next_change(sim::SimTime now, MicroCores rate) const;

  // For how long it was throttled up to the last advance(), and in how many periods.
  sim::Duration throttled() const { return throttled_; }
  int64_t throttled_periods() const { return throttled_periods_; }

 private:
  void account(sim::SimTime since, sim::SimTime now, MicroCores rate);
  MicroCores bound_now(MicroCores own, MicroCores requests);
  bool has_left_for(MicroCores own, MicroCores requests, sim::Duration burst) const;

  MicroCores limit_ = kNoLimit;
  int64_t quota_ = INT64_MAX;
  int64_t used_ = 0;  // in the present period
  sim::SimTime period_end_ = sim::SimTime::max();
  bool stopped_ = false;
  // Millionths of the time that a program would stand still which wants more than the limit.
  int64_t held_ = 0;
  sim::Duration throttled_;
  int64_t throttled_periods_ = 0;
  sim::SimTime counted_;  // the end of the last one
};

}  // namespace mainspring::node
