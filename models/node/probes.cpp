// Startup, readiness and liveness probes of the containers, by computed ticks.
// Source: pkg/kubelet/prober (worker.go, prober_manager.go).
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "models/node/internal.h"
#include "models/node/node_fleet.h"

namespace mainspring::node {

using sim::Duration;
using sim::SimTime;

namespace {

constexpr std::array kKinds = {ProbeKind::kStartup, ProbeKind::kReadiness, ProbeKind::kLiveness};
// A source may record 25 events about an object at once, then one every 300 s (client-go's spam
// filter): failures beyond that leave no trace and need no tick of their own.
constexpr int32_t kReportedFailures = 25;
constexpr Duration kReportPeriod = Duration::seconds(300);

const api::Opt<api::Probe>& probe_of(const api::Container& spec, ProbeKind kind) {
  switch (kind) {
    case ProbeKind::kStartup:
      return spec.startup_probe;
    case ProbeKind::kReadiness:
      return spec.readiness_probe;
    case ProbeKind::kLiveness:
      break;
  }
  return spec.liveness_probe;
}

std::string_view title(ProbeKind kind) {
  switch (kind) {
    case ProbeKind::kStartup:
      return "Startup";
    case ProbeKind::kReadiness:
      return "Readiness";
    case ProbeKind::kLiveness:
      break;
  }
  return "Liveness";
}

ProbeRule rule_of(const api::Probe& probe) {
  ProbeRule rule;
  rule.period = Duration::seconds(std::max(probe.period_seconds, 1));
  rule.success_threshold = std::max(probe.success_threshold, 1);
  rule.failure_threshold = std::max(probe.failure_threshold, 1);
  return rule;
}

Duration seconds(int32_t n) { return Duration::seconds(n); }

}  // namespace

// How the program answers this probe, as a step function of time.
size_t NodeFleet::probe_steps(const ContainerRuntime& c, ProbeKind kind,
                              ProbeStep (&out)[5]) const {
  const AppBehavior& app = *c.behavior;
  const bool readiness = kind == ProbeKind::kReadiness;
  size_t n = 0;
  out[n++] = {SimTime(), false};
  out[n++] = {c.ready_at, true};
  if (!readiness) out[n - 1].from = c.listening_at;
  const auto& fails = readiness ? app.readiness_fails_after : app.liveness_fails_after;
  if (fails) out[n++] = {std::max(c.started_at + *fails, out[1].from), false};
  const auto cut = [&](SimTime at, bool ok) {
    while (n > 0 && out[n - 1].from >= at) --n;
    out[n++] = {n == 0 ? SimTime() : at, ok};
  };
  if (readiness && c.got_sigterm && app.closes_on_sigterm) cut(c.stop->sigterm_at, false);
  if (c.setbacks) {
    const ForcedProbe& forced = c.setbacks->forced[static_cast<size_t>(kind)];
    if (forced.ok) cut(std::max(forced.since, c.started_at), *forced.ok);
  }
  return n;
}

void NodeFleet::start_probes(sim::World& world, uint32_t slot) {
  ContainerRuntime& c = containers_[slot];
  const api::Container& spec = spec_of(c);
  sim::Rng rng = app_rng(world, c, 6);
  c.ready_at = c.listening_at + c.behavior->warmup.sample_duration(rng);
  for (const ProbeKind kind : kKinds) {
    ProbeRuntime& probe = c.probes[static_cast<size_t>(kind)];
    probe = ProbeRuntime();
    probe.used = probe_of(spec, kind).has_value();
  }
  c.started = !c.probes[static_cast<size_t>(ProbeKind::kStartup)].used;
  c.ready = c.started && !c.probes[static_cast<size_t>(ProbeKind::kReadiness)].used;
  for (const ProbeKind kind : kKinds) {
    if ((kind == ProbeKind::kStartup) != c.started) activate_probe(world, slot, kind);
  }
}

// How late the probe's worker wakes up; it keeps the ticks of different probes apart.
Duration NodeFleet::probe_lag(const sim::World& world, const ContainerRuntime& c,
                              ProbeKind kind) const {
  const uint64_t which = uint64_t{40} << 24 | uint64_t{c.role == Role::kApp} << 20 |
                         uint64_t{c.spec_index} << 2 | static_cast<uint64_t>(kind);
  return options_.config.probe_lag.at(pod_draw(world, pods_[c.pod], which, c.incarnation));
}

// From now on the probe runs: at its worker's ticks, the first one when the initial delay is over.
void NodeFleet::activate_probe(sim::World& world, uint32_t slot, ProbeKind kind) {
  ContainerRuntime& c = containers_[slot];
  ProbeRuntime& probe = c.probes[static_cast<size_t>(kind)];
  if (!probe.used || probe.active) return;
  const api::Probe& spec = *probe_of(spec_of(c), kind);
  probe.active = true;
  probe.state = ProbeState();
  probe.state.result = kind == ProbeKind::kReadiness  ? ProbeResult::kFailure
                       : kind == ProbeKind::kLiveness ? ProbeResult::kSuccess
                                                      : ProbeResult::kUnknown;
  const SimTime from = std::max(c.started_at + seconds(spec.initial_delay_seconds), world.now());
  probe.state.next_tick = tick_at_or_after(pods_[c.pod].probe_phase + probe_lag(world, c, kind),
                                           rule_of(spec).period, from);
  arm_probe(world, slot, kind);
}

void NodeFleet::stop_probes(sim::World& world, uint32_t slot, bool readiness_too) {
  ContainerRuntime& c = containers_[slot];
  for (const ProbeKind kind : kKinds) {
    if (kind == ProbeKind::kReadiness && !readiness_too) continue;
    ProbeRuntime& probe = c.probes[static_cast<size_t>(kind)];
    probe.active = false;
    world.cancel(probe.event);
    probe.event = {};
  }
}

// Schedules the next tick that matters: the one at which the result flips, or the next failure that
// is worth an event.
void NodeFleet::arm_probe(sim::World& world, uint32_t slot, ProbeKind kind) {
  ContainerRuntime& c = containers_[slot];
  ProbeRuntime& probe = c.probes[static_cast<size_t>(kind)];
  world.cancel(probe.event);
  probe.event = {};
  if (!probe.active) return;
  const api::Probe& spec = *probe_of(spec_of(c), kind);
  const ProbeRule rule = rule_of(spec);
  ProbeStep steps[5];
  const size_t n = probe_steps(c, kind, steps);
  const std::span<const ProbeStep> all(steps, n);

  SimTime tick = kNever;
  if (options_.config.simulate_every_beat) {
    tick = probe.state.next_tick;
  } else {
    if (const auto flip = next_flip(rule, probe.state, all)) tick = flip->tick;
    const SimTime from =
        probe.reported < kReportedFailures
            ? probe.state.next_tick
            : tick_at_or_after(probe.state.next_tick, rule.period,
                               c.setbacks->reported_at[static_cast<size_t>(kind)] + kReportPeriod);
    for (size_t i = 0; i < n && from < tick; ++i) {
      const SimTime end = i + 1 < n ? steps[i + 1].from : kNever;
      if (steps[i].ok || end <= from) continue;
      const SimTime first = tick_at_or_after(from, rule.period, std::max(from, steps[i].from));
      if (first < end) {
        tick = std::min(tick, first);
        break;
      }
    }
  }
  if (tick == kNever) return;
  probe.tick = tick;
  // A program that hangs is found out when the probe times out; one that is not there yet, or has
  // closed its port, refuses at once.
  const bool hangs = tick >= c.ready_at && !(steps[n - 1].from <= tick && steps[n - 1].ok) &&
                     !c.got_sigterm && probe_fails_at(all, tick);
  const Duration answer = hangs ? seconds(std::max(spec.timeout_seconds, 1)) : Duration();
  probe.event = world.schedule(std::max(tick + answer, world.now()), id(), kProbe, slot,
                               c.process(), static_cast<uint32_t>(kind));
}

void NodeFleet::probe_event(sim::World& world, uint32_t slot, ProbeKind kind) {
  ContainerRuntime& c = containers_[slot];
  ProbeRuntime& probe = c.probes[static_cast<size_t>(kind)];
  if (!probe.active) return;
  probe.event = {};
  const SimTime tick = probe.tick;
  ProbeStep steps[5];
  const size_t n = probe_steps(c, kind, steps);
  const bool late = world.now() > tick;
  if (probe.state.next_tick <= tick && probe_fails_at({steps, n}, tick)) {
    const size_t i = static_cast<size_t>(kind);
    const bool report = probe.reported < kReportedFailures ||
                        world.now() - c.setbacks->reported_at[i] >= kReportPeriod;
    if (report) {
      if (++probe.reported >= kReportedFailures) c.setbacks.edit().reported_at[i] = tick;
      pod_event(world, pods_[c.pod], "Warning", "Unhealthy",
                fmt::format("{} probe failed: {}", title(kind), probe_failure(c, kind, late)));
    }
  }
  const uint32_t incarnation = c.incarnation;
  settle_probe(world, slot, kind, tick);
  if (containers_[slot].incarnation == incarnation &&
      containers_[slot].probes[static_cast<size_t>(kind)].active) {
    arm_probe(world, slot, kind);
  }
}

// Counts the ticks until then and acts on a changed result.
void NodeFleet::settle_probe(sim::World& world, uint32_t slot, ProbeKind kind, SimTime until) {
  ContainerRuntime& c = containers_[slot];
  ProbeRuntime& probe = c.probes[static_cast<size_t>(kind)];
  if (!probe.active) return;
  ProbeStep steps[5];
  const size_t n = probe_steps(c, kind, steps);
  const ProbeResult before = probe.state.result;
  advance(rule_of(*probe_of(spec_of(c), kind)), probe.state, {steps, n}, until);
  if (probe.state.result != before) probe_result(world, slot, kind, probe.state.result);
}

void NodeFleet::probe_result(sim::World& world, uint32_t slot, ProbeKind kind, ProbeResult result) {
  ContainerRuntime& c = containers_[slot];
  const uint32_t p = c.pod;
  const bool ok = result == ProbeResult::kSuccess;
  if (kind == ProbeKind::kReadiness) {
    c.ready = ok && c.started;
    status_changed(world, p);
    return;
  }
  if (ok) {
    if (kind == ProbeKind::kLiveness) return;
    c.probes[static_cast<size_t>(ProbeKind::kStartup)].active = false;
    c.started = true;
    c.ready = !c.probes[static_cast<size_t>(ProbeKind::kReadiness)].used;
    activate_probe(world, slot, ProbeKind::kReadiness);
    activate_probe(world, slot, ProbeKind::kLiveness);
    sync(world, p);
    return;
  }
  // Held until the container is another one.
  stop_probes(world, slot, false);
  c.kill_wanted = true;
  c.kill_by_startup = kind == ProbeKind::kStartup;
  sync(world, p);
}

// A sync of a pod that is not ready has its readiness probe run at once, and its ticks counted from
// there.
void NodeFleet::trigger_readiness(sim::World& world, uint32_t slot) {
  ContainerRuntime& c = containers_[slot];
  ProbeRuntime& probe = c.probes[static_cast<size_t>(ProbeKind::kReadiness)];
  if (!probe.active || c.ready || !c.started) return;
  const SimTime now = world.now();
  if (probe.event.valid() && probe.tick == now) return;  // it runs at this very instant
  settle_probe(world, slot, ProbeKind::kReadiness, now);
  const api::Probe& spec = *probe_of(spec_of(c), ProbeKind::kReadiness);
  const Duration period = rule_of(spec).period;
  const bool ran_now = probe.state.next_tick == now + period;
  if (!c.ready && !ran_now) {
    probe.state.next_tick =
        tick_at_or_after(now + probe_lag(world, c, ProbeKind::kReadiness), period,
                         c.started_at + seconds(spec.initial_delay_seconds));
  }
  arm_probe(world, slot, ProbeKind::kReadiness);
}

void NodeFleet::force_probe(sim::World& world, ContainerHandle h, ProbeKind kind,
                            std::optional<bool> ok) {
  if (!alive(h)) return;
  ContainerRuntime& c = containers_[h.slot];
  const uint32_t incarnation = c.incarnation;
  settle_probe(world, h.slot, kind, world.now());
  c.setbacks.edit().forced[static_cast<size_t>(kind)] = {world.now(), ok};
  const ProbeRuntime& probe = c.probes[static_cast<size_t>(kind)];
  if (c.incarnation == incarnation && probe.active) arm_probe(world, h.slot, kind);
}

std::string NodeFleet::probe_failure(const ContainerRuntime& c, ProbeKind kind, bool hangs) const {
  const api::Probe& probe = *probe_of(spec_of(c), kind);
  const PodRuntime& pod = pods_[c.pod];
  const std::string ip =
      pod.ip_host != 0 ? pod_address(pod.node, pod.ip_host) : machines_[pod.node].ip.str();
  const auto port = [&](const api::IntOrString& p) {
    if (p.is_int()) return fmt::format("{}", p.int_value());
    for (const api::ContainerPort& declared : spec_of(c).ports) {
      if (declared.name == p.string_value()) return fmt::format("{}", declared.container_port);
    }
    return p.string_value().str();
  };
  if (probe.http_get) {
    const std::string scheme = probe.http_get->scheme == "HTTPS" ? "https" : "http";
    const std::string at = fmt::format("{}:{}", ip, port(probe.http_get->port));
    const std::string url = fmt::format("{}://{}{}", scheme, at, probe.http_get->path.view());
    if (hangs) {
      return fmt::format(
          "Get \"{}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
          url);
    }
    if (c.listening) return "HTTP probe failed with statuscode: 503";
    return fmt::format("Get \"{}\": dial tcp {}: connect: connection refused", url, at);
  }
  if (probe.tcp_socket) {
    const std::string at = fmt::format("{}:{}", ip, port(probe.tcp_socket->port));
    return fmt::format("dial tcp {}: {}", at,
                       hangs ? "i/o timeout" : "connect: connection refused");
  }
  if (probe.grpc) {
    return fmt::format(
        "timeout: failed to connect service \"{}:{}\" within {}s: context deadline "
        "exceeded",
        ip, probe.grpc->port, std::max(probe.timeout_seconds, 1));
  }
  return hangs ? fmt::format("command timed out after {}s", std::max(probe.timeout_seconds, 1))
               : std::string("command exited with 1");
}

}  // namespace mainspring::node
