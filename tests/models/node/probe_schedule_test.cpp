#include "models/node/probe_schedule.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace mainspring::node {
namespace {

using sim::Duration;
using sim::SimTime;

SimTime at(int64_t s) { return SimTime() + Duration::seconds(s); }

// One tick after the other, as the kubelet does.
struct Naive {
  ProbeRule rule;
  ProbeState state;
  void tick(bool ok) {
    if (state.run == 0 || state.last_ok != ok) state.run = 0;
    state.last_ok = ok;
    ++state.run;
    if (state.run >= (ok ? rule.success_threshold : rule.failure_threshold)) {
      state.result = ok ? ProbeResult::kSuccess : ProbeResult::kFailure;
    }
    state.next_tick += rule.period;
  }
};

TEST(ProbeSchedule, FindsTheTickThatReachesTheThreshold) {
  const ProbeRule rule{Duration::seconds(10), 1, 3};
  ProbeState state;
  state.result = ProbeResult::kSuccess;
  state.next_tick = at(3);
  // Fails from 25 on: ticks 33, 43, 53.
  const std::vector<ProbeStep> steps = {{at(0), true}, {at(25), false}};
  const auto flip = next_flip(rule, state, steps);
  ASSERT_TRUE(flip);
  EXPECT_EQ(flip->tick, at(53));
  EXPECT_EQ(flip->result, ProbeResult::kFailure);
}

TEST(ProbeSchedule, ForgetsFailuresAfterASuccess) {
  const ProbeRule rule{Duration::seconds(10), 1, 3};
  ProbeState state;
  state.result = ProbeResult::kSuccess;
  state.next_tick = at(0);
  // Two failures (0, 10), one success (20), then failures: 30, 40, 50.
  const std::vector<ProbeStep> steps = {{at(0), false}, {at(15), true}, {at(25), false}};
  EXPECT_EQ(next_flip(rule, state, steps)->tick, at(50));
}

TEST(ProbeSchedule, HasNoFlipWhenNothingChanges) {
  ProbeState state;
  state.result = ProbeResult::kSuccess;
  const std::vector<ProbeStep> steps = {{at(0), true}};
  EXPECT_FALSE(next_flip({}, state, steps));
}

TEST(ProbeSchedule, AgreesWithTickingForAnySteps) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 2000; ++round) {
    const auto pick = [&](uint64_t n) { return static_cast<int64_t>(random() % n); };
    ProbeRule rule{Duration::seconds(1 + pick(7)), static_cast<int32_t>(1 + pick(3)),
                   static_cast<int32_t>(1 + pick(4))};
    std::vector<ProbeStep> steps = {{at(0), pick(2) == 0}};
    for (int64_t n = pick(4); n > 0; --n) {
      steps.push_back({steps.back().from + Duration::seconds(1 + pick(40)), pick(2) == 0});
    }
    ProbeState start;
    start.result = static_cast<ProbeResult>(pick(3));
    start.next_tick = at(pick(20));

    Naive naive{rule, start};
    std::optional<SimTime> flipped;
    std::vector<ProbeState> history;
    for (int i = 0; i < 100; ++i) {
      const SimTime t = naive.state.next_tick;
      const ProbeResult before = naive.state.result;
      naive.tick(!probe_fails_at(steps, t));
      history.push_back(naive.state);
      if (!flipped && naive.state.result != before) flipped = t;
    }
    const auto flip = next_flip(rule, start, steps);
    EXPECT_EQ(flip ? std::optional(flip->tick) : std::nullopt, flipped);

    ProbeState lazy = start;
    const size_t n = static_cast<size_t>(pick(100));
    // Just after the n-th tick, and before the next.
    advance(rule, lazy, steps, history[n].next_tick + Duration::nanos(-1));
    EXPECT_EQ(lazy.next_tick, history[n].next_tick);
    EXPECT_EQ(lazy.result, history[n].result);
    EXPECT_EQ(lazy.run, history[n].run);
  }
}

}  // namespace
}  // namespace mainspring::node
