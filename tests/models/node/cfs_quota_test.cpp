// Tables by hand. Times in milliseconds from the start of the process; a period is 100 ms.
#include "models/node/cfs_quota.h"

#include <gtest/gtest.h>

#include <vector>

namespace mainspring::node {
namespace {

using sim::Duration;
using sim::SimTime;

SimTime ms(int64_t t) { return SimTime() + Duration::millis(t); }

// One container on a machine that gives it what it asks for.
struct Container {
  explicit Container(int64_t limit_milli) {
    quota.start(MicroCores::from_milli(limit_milli), SimTime());
  }
  void look() {
    const MicroCores bound = quota.bound(own, requests);
    rate = std::min(own + requests, bound);
  }
  // Goes on to `until`, standing still and running as the quota says.
  void run_to(SimTime until) {
    for (;;) {
      const SimTime next = std::min(quota.next_change(now, rate), until);
      quota.advance(now, next, rate);
      burnt += rate.value * (next - now).ns();
      if (rate != last || edges.empty()) edges.push_back({now, rate});
      last = rate;
      now = next;
      look();
      if (now == until) return;
    }
  }
  // The requests want `threads` cores until they have burnt `work`: when is that?
  SimTime work(Duration work, int64_t threads = 1) {
    requests = MicroCores::from_milli(1000 * threads);
    look();
    const int64_t target = burnt + work.ns() * kOneCore.value;
    while (burnt < target) {
      const SimTime done =
          rate.value > 0 ? now + Duration::nanos((target - burnt) / rate.value) : SimTime::max();
      run_to(std::min(quota.next_change(now, rate), done));
    }
    requests = {};
    look();
    return now;
  }
  void rest_to(SimTime until) { run_to(until); }

  struct Edge {
    SimTime at;
    MicroCores rate;
  };
  CfsQuota quota;
  MicroCores own, requests, rate, last;
  SimTime now;
  int64_t burnt = 0;
  std::vector<Edge> edges;
};

TEST(CfsQuota, ARequestWithinTheQuotaRunsAtFullSpeed) {
  Container c(200);  // 20 ms a period
  c.rest_to(ms(30));
  EXPECT_EQ(c.work(Duration::millis(1)), ms(31));
  EXPECT_EQ(c.work(Duration::millis(19)), ms(50));  // exactly the quota
  EXPECT_EQ(c.quota.throttled(), Duration());
  EXPECT_EQ(c.quota.throttled_periods(), 0);
}

TEST(CfsQuota, ARequestBeyondTheQuotaStandsStillToTheEndOfThePeriod) {
  Container c(200);
  c.rest_to(ms(30));
  // 30 to 50: 20 ms; stop to 100; 100 to 120; stop to 200; 5 ms.
  EXPECT_EQ(c.work(Duration::millis(45)), ms(205));
  EXPECT_EQ(c.quota.throttled(), Duration::millis(50 + 80));
  EXPECT_EQ(c.quota.throttled_periods(), 2);
}

TEST(CfsQuota, BackToBackRequestsShareThePeriodsQuota) {
  Container c(200);
  std::vector<SimTime> ends;
  for (int i = 0; i < 6; ++i) ends.push_back(c.work(Duration::millis(8)));
  // 8, 16, then 4 ms to 20, stop, 4 ms from 100; 112; 120 uses the quota up; stop to 200.
  const std::vector<SimTime> expected = {ms(8), ms(16), ms(104), ms(112), ms(120), ms(208)};
  EXPECT_EQ(ends, expected);
}

TEST(CfsQuota, IdleTimeIsNotSavedUp) {
  Container c(200);
  c.rest_to(ms(950));
  // 950 to 970, 1000 to 1020, 1100 to 1105.
  EXPECT_EQ(c.work(Duration::millis(45)), ms(1105));
}

TEST(CfsQuota, APeriodsEndBringsTheWholeQuota) {
  Container c(200);
  c.rest_to(ms(90));
  // 10 ms of the first period's quota, then 20 ms of the second's, without a stop.
  EXPECT_EQ(c.work(Duration::millis(30)), ms(120));
  EXPECT_EQ(c.quota.throttled(), Duration());
}

TEST(CfsQuota, TwoThreadsUnderALimitOfOneCoreRunHalfOfTheTime) {
  Container c(1000);
  EXPECT_EQ(c.work(Duration::millis(250), 2), ms(225));
  EXPECT_EQ(c.quota.throttled(), Duration::millis(100));
  ASSERT_EQ(c.edges.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(c.edges[i].at, ms(50 * static_cast<int64_t>(i)));
    EXPECT_EQ(c.edges[i].rate, MicroCores::from_milli(i % 2 == 0 ? 2000 : 0));
  }
}

TEST(CfsQuota, NoMoreThreadsThanQuotaAreNeverHeldBackAndNeedNoEvent) {
  Container c(1000);
  c.requests = kOneCore;
  c.look();
  EXPECT_EQ(c.quota.next_change(c.now, c.rate), SimTime::max());
  c.run_to(ms(10'000));
  EXPECT_EQ(c.burnt, Duration::seconds(10).ns() * kOneCore.value);
  EXPECT_EQ(c.quota.throttled_periods(), 0);
}

TEST(CfsQuota, OnAverageAlwaysWantingMoreGetsExactlyTheLimit) {
  for (const int64_t limit : {10, 33, 100, 777, 1500}) {
    for (const int64_t threads : {2, 3, 7, 64}) {
      Container c(limit);
      c.requests = MicroCores::from_milli(1000 * threads + 1);  // quotas that do not divide
      c.look();
      c.run_to(ms(100'000));
      // What was burnt beyond a quota is paid back: less than one nanosecond's is open at the end.
      const int64_t exact = limit * 1000 * Duration::seconds(100).ns();
      EXPECT_GE(c.burnt, exact) << limit << ' ' << threads;
      EXPECT_LT(c.burnt, exact + c.requests.value) << limit << ' ' << threads;
      EXPECT_EQ(c.quota.throttled_periods(), 1000);
    }
  }
}

TEST(CfsQuota, LimitsBelowTheKernelsSmallestQuotaActAsThat) {
  Container c(1);
  EXPECT_EQ(c.work(Duration::millis(2)), ms(101));  // 1 ms a period
}

TEST(CfsQuota, WhatTheProgramBurnsItselfActsAsARateAndCountsAsThrottled) {
  Container c(100);
  c.own = MicroCores::from_milli(400);
  c.look();
  EXPECT_EQ(c.rate, MicroCores::from_milli(100));
  EXPECT_EQ(c.quota.next_change(c.now, c.rate), SimTime::max());
  c.run_to(ms(1000));
  // At 0.4 cores, 10 ms of processor time take 25 ms of each period.
  EXPECT_EQ(c.quota.throttled(), Duration::millis(750));
  EXPECT_EQ(c.quota.throttled_periods(), 10);
}

TEST(CfsQuota, WhatTheProgramBurnsItselfIsTakenFromTheQuota) {
  Container c(200);
  c.own = MicroCores::from_milli(100);
  c.look();
  c.run_to(ms(50));  // 5 of 20 ms
  c.requests = kOneCore;
  c.look();
  // 1.1 cores use up the 15 ms in 13.636 364 ms, rounded up.
  EXPECT_EQ(c.quota.next_change(c.now, c.rate), ms(50) + Duration::nanos(13'636'364));
}

TEST(CfsQuota, ANewProcessBeginsWithAnUntouchedQuotaAndKeepsTheCounts) {
  Container c(200);
  c.requests = kOneCore;
  c.look();
  c.run_to(ms(60));
  EXPECT_EQ(c.rate, MicroCores());
  c.quota.start(MicroCores::from_milli(200), ms(60));
  c.look();
  EXPECT_EQ(c.quota.next_change(c.now, c.rate), ms(80));
  EXPECT_EQ(c.quota.throttled(), Duration::millis(40));
  EXPECT_EQ(c.quota.throttled_periods(), 1);
}

TEST(CfsQuota, WithoutALimitNothingIsHeldBack) {
  CfsQuota q;
  EXPECT_FALSE(q.limited());
  q.advance(SimTime(), ms(1000), {64'000'000});
  EXPECT_EQ(q.bound({1000}, {64'000'000}), CfsQuota::kNoLimit);
  EXPECT_EQ(q.next_change(ms(1000), {64'000'000}), SimTime::max());
}

}  // namespace
}  // namespace mainspring::node
