#include "models/node/probe_schedule.h"

#include <algorithm>

namespace mainspring::node {

namespace {

constexpr int32_t kManyRuns = 1 << 20;  // where the count of equal outcomes stops

// Ticks of the state in [next_tick, end): how many.
int64_t ticks_before(const ProbeState& state, sim::Duration period, sim::SimTime end) {
  if (end <= state.next_tick) return 0;
  if (end == sim::SimTime::max()) return INT64_MAX;
  return ((end - state.next_tick).ns() - 1) / period.ns() + 1;
}

ProbeResult result_of(bool ok) { return ok ? ProbeResult::kSuccess : ProbeResult::kFailure; }

// Counts `n` ticks with one outcome.
void count(const ProbeRule& rule, ProbeState& state, bool ok, int64_t n) {
  if (n <= 0) return;
  if (state.run == 0 || state.last_ok != ok) state.run = 0;
  state.last_ok = ok;
  state.run = static_cast<int32_t>(std::min<int64_t>(state.run + n, kManyRuns));
  const int32_t threshold = ok ? rule.success_threshold : rule.failure_threshold;
  if (state.run >= threshold) state.result = result_of(ok);
  state.next_tick += rule.period * n;
}

sim::SimTime end_of(std::span<const ProbeStep> steps, size_t i) {
  return i + 1 < steps.size() ? steps[i + 1].from : sim::SimTime::max();
}

}  // namespace

sim::SimTime tick_at_or_after(sim::SimTime phase, sim::Duration period, sim::SimTime t) {
  if (t <= phase) return phase;
  const int64_t n = ((t - phase).ns() + period.ns() - 1) / period.ns();
  return phase + period * n;
}

bool probe_fails_at(std::span<const ProbeStep> steps, sim::SimTime t) {
  bool ok = steps.empty() || steps[0].ok;
  for (const ProbeStep& step : steps) {
    if (step.from <= t) ok = step.ok;
  }
  return !ok;
}

std::optional<ProbeFlip> next_flip(const ProbeRule& rule, const ProbeState& start,
                                   std::span<const ProbeStep> steps) {
  ProbeState state = start;
  for (size_t i = 0; i < steps.size(); ++i) {
    const bool ok = steps[i].ok;
    const int64_t ticks = ticks_before(state, rule.period, end_of(steps, i));
    if (ticks == 0) continue;
    const int32_t threshold = std::max(ok ? rule.success_threshold : rule.failure_threshold, 1);
    const int32_t run = state.run > 0 && state.last_ok == ok ? state.run : 0;
    const int64_t missing = std::max<int64_t>(threshold - run, 1);
    if (state.result != result_of(ok) && missing <= ticks) {
      return ProbeFlip{state.next_tick + rule.period * (missing - 1), result_of(ok)};
    }
    if (end_of(steps, i) == sim::SimTime::max()) return std::nullopt;
    count(rule, state, ok, ticks);
  }
  return std::nullopt;
}

void advance(const ProbeRule& rule, ProbeState& state, std::span<const ProbeStep> steps,
             sim::SimTime until) {
  const sim::SimTime stop = until + sim::Duration::nanos(1);
  for (size_t i = 0; i < steps.size(); ++i) {
    const sim::SimTime end = std::min(end_of(steps, i), stop);
    count(rule, state, steps[i].ok, ticks_before(state, rule.period, end));
    if (end == stop) return;
  }
}

}  // namespace mainspring::node
