// When a probe's result changes, computed instead of simulated tick by tick.
//
// A probe runs at fixed ticks (phase + k * period); between changes of the program's state each
// tick has the same outcome. The result flips at the tick where a run of equal outcomes reaches
// its threshold. Given the outcome as a step function of time, next_flip() finds that tick, and
// advance() counts the ticks up to an instant, both in O(steps).
// Source: kubelet prober/worker.go doProbe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "sim/time.h"

namespace mainspring::node {

struct ProbeRule {
  sim::Duration period = sim::Duration::seconds(10);
  int32_t success_threshold = 1;
  int32_t failure_threshold = 3;
};

// From `from` on (until the next step) a probe has this outcome. Steps are in order of time; the
// first one holds for everything before it too.
struct ProbeStep {
  sim::SimTime from;
  bool ok = false;
};

// The results of a probe so far. kUnknown is the initial result of startup probes.
enum class ProbeResult : uint8_t { kUnknown, kSuccess, kFailure };

struct ProbeState {
  ProbeResult result = ProbeResult::kUnknown;
  bool last_ok = false;    // outcome of the latest tick; meaningless while run is 0
  int32_t run = 0;         // how many ticks in a row had it (saturating)
  sim::SimTime next_tick;  // first tick not counted yet
};

struct ProbeFlip {
  sim::SimTime tick;
  ProbeResult result = ProbeResult::kUnknown;
};

// The first tick at which the result becomes another one; none if it never does.
std::optional<ProbeFlip> next_flip(const ProbeRule& rule, const ProbeState& state,
                                   std::span<const ProbeStep> steps);
// Counts every tick up to and including `until`.
void advance(const ProbeRule& rule, ProbeState& state, std::span<const ProbeStep> steps,
             sim::SimTime until);
// Whether a probe run at `t` fails.
bool probe_fails_at(std::span<const ProbeStep> steps, sim::SimTime t);
// The first tick of a grid at or after `t`.
sim::SimTime tick_at_or_after(sim::SimTime phase, sim::Duration period, sim::SimTime t);

}  // namespace mainspring::node
