// Processes: start and end, CPU, memory, OOM kills and eviction under memory pressure.
// Sources: pkg/kubelet/eviction (helpers.go rankMemoryPressure, eviction_manager.go),
// pkg/kubelet/qos/policy.go for oom scores.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "models/node/internal.h"
#include "models/node/node_fleet.h"
#include "sim/check.h"

namespace mainspring::node {

using sim::Duration;
using sim::SimTime;

namespace {

constexpr uint32_t kNobody = UINT32_MAX;

}  // namespace

// --- start and end
// --------------------------------------------------------------------------------

void NodeFleet::process_started(sim::World& world, uint32_t slot) {
  ContainerRuntime& c = containers_[slot];
  PodRuntime& pod = pods_[c.pod];
  Machine& m = machines_[pod.node];
  const SimTime now = world.now();
  const AppBehavior& app = *c.behavior;
  if (c.state == RunState::kTerminated) {
    c.last = c.ended;
  }
  c.id = {};
  if (c.incarnation++ > 0) ++c.restarts;
  c.state = RunState::kRunning;
  if (c.setbacks) {
    Setbacks& s = c.setbacks.edit();
    s.waiting_reason = s.waiting_message = s.next_reason = s.next_message = {};
  }
  c.started_at = now;
  c.listening = c.got_sigterm = c.stop_begun = c.kill_wanted = false;
  c.started = c.ready = false;
  c.in_flight = 0;
  c.request_demand = {};

  // A start that fails, or one that ends as planned.
  const auto sample = [&](const sim::Distribution& distribution, uint64_t purpose) {
    sim::Rng rng = app_rng(world, c, purpose);
    return distribution.sample_duration(rng);
  };
  const bool crashes = app.crash_per_mille > 0 && app_rng(world, c, 2).below(1000) <
                                                      static_cast<uint64_t>(app.crash_per_mille);
  if (crashes) {
    world.schedule(sample(app.crash_after, 3), id(), kAppExit, slot, c.process(), 1);
  } else if (app.run_for) {
    world.schedule(sample(*app.run_for, 4), id(), kAppExit, slot, c.process(), 0);
  }

  const ContainerResources r = resources_of(spec_of(c));
  CpuHost::Entry entry;
  entry.container = slot;
  entry.pod = c.pod;
  entry.qos = pod.qos;
  entry.shares = cpu_shares(r.cpu_request);
  c.cpu_position = m.cpu.add(entry);
  meter(now, c);
  if (r.cpu_limit > 0) {
    c.quota.edit().account.start(MicroCores::from_milli(r.cpu_limit), now);
  } else if (c.quota) {
    c.quota.edit().account.start(CfsQuota::kNoLimit, now);
  }
  c.cpu.at_start = c.cpu.core_ns;
  const Duration startup = sample(app.startup, 1);
  c.listening_at = now + startup;
  c.own_demand = startup > Duration() ? app.startup_cpu : app.idle_cpu;
  update_demand(world, slot);

  c.memory_limit = r.memory_limit;
  m.static_memory += app.base_memory;
  if (app.leak_per_second > 0) ++m.leaking;

  start_probes(world, slot);
  tell_container(world, slot, ContainerChange::kStarted);
  if (startup > Duration()) {
    world.schedule(startup, id(), kAppListening, slot, c.process());
  } else {
    app_listening(world, slot);
  }
  watch_memory(world, slot);
}

void NodeFleet::app_listening(sim::World& world, uint32_t slot) {
  ContainerRuntime& c = containers_[slot];
  if (c.state != RunState::kRunning) return;
  c.listening = true;
  c.own_demand = c.behavior->idle_cpu;
  update_demand(world, slot);
  tell_container(world, slot, ContainerChange::kListening);
}

void NodeFleet::process_ended(sim::World& world, uint32_t slot, int32_t exit_code,
                              std::string_view reason, bool machine_died) {
  ContainerRuntime& c = containers_[slot];
  const uint32_t p = c.pod;
  const NodeIndex n = pods_[p].node;
  Machine& m = machines_[n];
  const SimTime now = world.now();
  MAINSPRING_CHECK(c.state == RunState::kRunning, "a process ends twice");
  stop_probes(world, slot, true);
  world.cancel(c.oom_event);
  c.oom_event = {};
  if (c.stop) world.cancel(std::exchange(c.stop.edit().kill_event, {}));
  if (c.quota) world.cancel(std::exchange(c.quota.edit().event, {}));

  meter(now, c);
  const uint32_t position = c.cpu_position;
  const uint32_t moved = m.cpu.remove(position, changes_);
  if (moved != kNobody) containers_[moved].cpu_position = position;
  c.cpu_position = kNobody;
  c.own_demand = c.request_demand = {};
  c.cpu.rate = {};
  if (c.quota) c.quota.edit().account.bound({}, {});
  apply_changes(world, n, slot);
  m.static_memory -= c.behavior->base_memory + c.in_flight * c.behavior->memory_per_request;
  if (c.behavior->leak_per_second > 0) --m.leaking;
  c.in_flight = 0;

  c.state = RunState::kTerminated;
  c.ended = Termination{exit_code, reason, {}, c.started_at, now};
  c.listening = c.started = c.ready = false;
  c.kill_wanted = false;
  tell_container(world, slot,
                 machine_died ? ContainerChange::kVanished : ContainerChange::kStopped);
  if (machine_died) return;

  PodRuntime& pod = pods_[p];
  if (pod.op == Op::kRestartKill && pod.op_container == slot) {
    pod.op = Op::kNone;
    next_step(world, p);
  } else if (pod.terminating) {
    continue_termination(world, p);
  } else {
    relist_soon(world, p);
  }
}

void NodeFleet::crash_container(sim::World& world, ContainerHandle h, int32_t exit_code,
                                std::string_view reason) {
  if (!running(h)) return;
  process_ended(world, h.slot, exit_code, reason, false);
}

// --- CPU
// ------------------------------------------------------------------------------------------

// Brings the integral up to now, at the rate in force since the last change, and keeps its value
// at the instants at which the metrics server scraped meanwhile.
void NodeFleet::meter(SimTime now, ContainerRuntime& c) {
  CpuMeter& meter = c.cpu;
  const Duration dt = now - meter.since;
  if (dt <= Duration()) return;
  const int64_t scrape = now.ns() / kScrapePeriod.ns();
  if (scrape > meter.scrape) {
    const SimTime at = SimTime::from_ns(scrape * kScrapePeriod.ns());
    const SimTime before = at - kScrapePeriod;
    if (before >= meter.since) {
      meter.sample[0] = usage_at(meter, before);
      meter.memory_sample[0] = working_set(c, before);
    } else {
      meter.sample[0] = meter.sample[1];
      meter.memory_sample[0] = meter.memory_sample[1];
    }
    meter.sample[1] = usage_at(meter, at);
    meter.memory_sample[1] = working_set(c, at);
    meter.scrape = static_cast<int32_t>(scrape);
  }
  if (c.quota) c.quota.edit().account.advance(meter.since, now, meter.rate);
  __extension__ using Wide = __int128;
  const Wide micro = Wide{meter.rate.value} * dt.ns() + meter.remainder;
  meter.core_ns += static_cast<int64_t>(micro / CpuMeter::kMicro);
  meter.remainder = static_cast<int32_t>(micro % CpuMeter::kMicro);
  meter.since = now;
}

MicroCores NodeFleet::request_rate(const ContainerRuntime& c) const {
  const int64_t wanted = c.own_demand.value + c.request_demand.value;
  if (c.request_demand.value <= 0 || wanted <= 0) return {};
  // The program's own threads and its requests share what the container gets.
  __extension__ using Wide = __int128;
  return {static_cast<int64_t>(Wide{c.cpu.rate.value} * c.request_demand.value / wanted)};
}

// Tells the machine what the container wants and what its quota lets it use.
void NodeFleet::update_demand(sim::World& world, uint32_t slot) {
  request_cpu(world, slot);
  apply_changes(world, pods_[containers_[slot].pod].node, slot);
  arm_quota(world, slot);
}

void NodeFleet::request_cpu(sim::World& world, uint32_t slot) {
  ContainerRuntime& c = containers_[slot];
  meter(world.now(), c);
  MicroCores bound = CfsQuota::kNoLimit;
  if (c.quota) {
    Quota& quota = c.quota.edit();
    quota.covers = false;
    bound = quota.account.bound(c.own_demand, c.request_demand);
  }
  machines_[pods_[c.pod].node].cpu.set_demand(c.cpu_position, c.own_demand + c.request_demand,
                                              bound, changes_);
}

// An event that comes too early finds nothing and looks again: requests that come and go within
// the quota need not move it.
void NodeFleet::arm_quota(sim::World& world, uint32_t slot) {
  ContainerRuntime& c = containers_[slot];
  if (!c.quota || c.quota->covers) return;
  const SimTime look = c.quota->account.next_change(world.now(), c.cpu.rate);
  if (look == kNever || (c.quota->event.valid() && c.quota->look <= look)) return;
  Quota& quota = c.quota.edit();
  world.cancel(quota.event);
  quota.look = look;
  quota.event = world.schedule(look, id(), kQuota, slot, c.process());
}

// The quota is used up, or there is a new one.
void NodeFleet::look_at_quota(sim::World& world, uint32_t slot) {
  ContainerRuntime& c = containers_[slot];
  c.quota.edit().event = {};
  request_cpu(world, slot);
  apply_changes(world, pods_[c.pod].node, kNobody);
  arm_quota(world, slot);
}

void NodeFleet::apply_changes(sim::World& world, NodeIndex n, uint32_t except) {
  Machine& m = machines_[n];
  bool others = false;
  for (const CpuHost::Change& change : changes_) {
    ContainerRuntime& c = containers_[change.container];
    if (change.container == except) {
      c.cpu.rate = c.cpu_position == kNobody ? MicroCores{} : change.rate;
      continue;
    }
    meter(world.now(), c);
    c.cpu.rate = change.rate;
    arm_quota(world, change.container);
    if (c.request_demand.value > 0) {
      m.rate_changes.push_back(change);
      others = true;
    }
  }
  changes_.clear();
  if (!others || m.rates_announced) return;
  m.rates_announced = true;
  for (const Listener& l : listeners_) {
    if (l.rates_changed != Listener::kNone) {
      world.schedule(Duration(), l.component, l.rates_changed, n);
    }
  }
}

MicroCores NodeFleet::set_demand(sim::World& world, ContainerHandle h, MicroCores demand,
                                 Duration burst) {
  if (!running(h)) return {};
  ContainerRuntime& c = containers_[h.slot];
  if (c.request_demand == demand && !(c.quota && c.quota->account.limited())) {
    return request_rate(c);
  }
  c.request_demand = demand;
  request_cpu(world, h.slot);
  if (c.quota) {
    Quota& quota = c.quota.edit();
    quota.covers = quota.account.covers(c.own_demand, demand, burst);
  }
  apply_changes(world, pods_[c.pod].node, h.slot);
  arm_quota(world, h.slot);
  return request_rate(c);
}

MicroCores NodeFleet::demand(ContainerHandle h) const {
  return alive(h) ? containers_[h.slot].request_demand : MicroCores{};
}

MicroCores NodeFleet::rate(ContainerHandle h) const {
  return alive(h) ? request_rate(containers_[h.slot]) : MicroCores{};
}

std::vector<std::pair<ContainerHandle, MicroCores>> NodeFleet::rate_changes(NodeIndex n) {
  Machine& m = machines_[n];
  std::vector<std::pair<ContainerHandle, MicroCores>> out;
  std::vector<uint32_t> slots;
  for (const CpuHost::Change& change : m.rate_changes) slots.push_back(change.container);
  std::sort(slots.begin(), slots.end());
  slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
  for (const uint32_t slot : slots) {
    const ContainerRuntime& c = containers_[slot];
    if (!c.in_use || c.state != RunState::kRunning || pods_[c.pod].node != n) continue;
    out.emplace_back(ContainerHandle{slot, c.generation}, request_rate(c));
  }
  m.rate_changes.clear();
  m.rates_announced = false;
  return out;
}

Duration NodeFleet::cpu_used(const sim::World& world, ContainerHandle h) const {
  if (!alive(h)) return {};
  return Duration::nanos(usage_at(containers_[h.slot].cpu, world.now()));
}

CfsQuota NodeFleet::quota_now(const sim::World& world, ContainerHandle h) const {
  if (!alive(h)) return {};
  const ContainerRuntime& c = containers_[h.slot];
  if (!c.quota) return {};
  CfsQuota quota = c.quota->account;
  quota.advance(c.cpu.since, world.now(), c.cpu.rate);
  return quota;
}

Duration NodeFleet::throttled(const sim::World& world, ContainerHandle h) const {
  return quota_now(world, h).throttled();
}

int64_t NodeFleet::throttled_periods(const sim::World& world, ContainerHandle h) const {
  return quota_now(world, h).throttled_periods();
}

void NodeFleet::set_cpu_capacity(sim::World& world, NodeIndex n, MicroCores capacity) {
  machines_[n].cpu.set_capacity(capacity, changes_);
  apply_changes(world, n, kNobody);
}

// --- memory
// ---------------------------------------------------------------------------------------

int64_t NodeFleet::working_set(const ContainerRuntime& c, SimTime at) const {
  if (c.state != RunState::kRunning || at < c.started_at) return 0;
  const AppBehavior& app = *c.behavior;
  int64_t bytes = app.base_memory + c.in_flight * app.memory_per_request;
  if (app.leak_per_second > 0) {
    __extension__ using Wide = __int128;
    bytes +=
        static_cast<int64_t>(Wide{app.leak_per_second} * (at - c.started_at).ns() / 1'000'000'000);
  }
  return bytes;
}

int64_t NodeFleet::pod_memory(const PodRuntime& pod, SimTime at) const {
  int64_t sum = 0;
  for (const uint32_t c : pod.containers) sum += working_set(containers_[c], at);
  return sum;
}

void NodeFleet::set_in_flight(sim::World& world, ContainerHandle h, int64_t requests) {
  if (!running(h)) return;
  ContainerRuntime& c = containers_[h.slot];
  if (requests == c.in_flight) return;
  // The memory samples depend on it.
  meter(world.now(), c);
  const bool more = requests > c.in_flight;
  Machine& m = machines_[pods_[c.pod].node];
  m.static_memory += (requests - c.in_flight) * c.behavior->memory_per_request;
  c.in_flight = requests;
  // Called for every request: nothing more to do while nothing is short.
  const bool calm =
      m.leaking == 0 &&
      m.static_memory <= m.spec.memory_bytes - options_.config.eviction_memory_available &&
      (c.memory_limit == 0 || working_set(c, world.now()) <= c.memory_limit);
  if (!calm && (more || c.behavior->leak_per_second > 0)) watch_memory(world, h.slot);
}

int64_t NodeFleet::memory(const sim::World& world, ContainerHandle h) const {
  return alive(h) ? working_set(containers_[h.slot], world.now()) : 0;
}

int64_t NodeFleet::node_memory_used(const sim::World& world, NodeIndex n) const {
  const Machine& m = machines_[n];
  if (m.leaking == 0) return m.static_memory;
  int64_t sum = 0;
  for (const uint32_t p : m.pods) sum += pod_memory(pods_[p], world.now());
  return sum;
}

// Kills the container if it is over its limit, or foresees when it will be.
void NodeFleet::watch_memory(sim::World& world, uint32_t slot) {
  ContainerRuntime& c = containers_[slot];
  const NodeIndex n = pods_[c.pod].node;
  const SimTime now = world.now();
  world.cancel(c.oom_event);
  c.oom_event = {};
  const int64_t limit = c.memory_limit;
  if (limit > 0) {
    const int64_t used = working_set(c, now);
    const int64_t leak = c.behavior->leak_per_second;
    if (used > limit) {
      note(world,
           pod_key(pods_[c.pod].object->metadata.namespace_, pods_[c.pod].object->metadata.name),
           fmt::format("Container {} of pod {} was killed for using more than its memory limit.",
                       spec_of(c).name.view(), pods_[c.pod].object->metadata.name.view()));
      process_ended(world, slot, 137, "OOMKilled", false);
      return;
    }
    if (leak > 0) {
      __extension__ using Wide = __int128;
      const Wide ns = (Wide{limit - used} + 1) * 1'000'000'000 / leak + 1;
      if (ns < INT64_MAX / 2) {
        c.oom_event = world.schedule(Duration::nanos(static_cast<int64_t>(ns)), id(), kOom, slot,
                                     c.process());
      }
    }
  }
  check_pressure(world, n);
}

// The kernel kills when the machine has no memory left: the highest badness dies, which is its
// share of memory in thousandths plus its oom_score_adj.
void NodeFleet::kernel_oom(sim::World& world, NodeIndex n) {
  const Machine& m = machines_[n];
  uint32_t victim = kNobody;
  int64_t worst = INT64_MIN;
  for (const uint32_t p : m.pods) {
    const PodRuntime& pod = pods_[p];
    for (const uint32_t slot : pod.containers) {
      const ContainerRuntime& c = containers_[slot];
      if (c.state != RunState::kRunning) continue;
      const ContainerResources r = resources_of(spec_of(c));
      int64_t adjust = 1000;
      if (pod.qos == QosClass::kGuaranteed || critical(*pod.object)) {
        adjust = -997;
      } else if (pod.qos == QosClass::kBurstable) {
        adjust = std::clamp<int64_t>(1000 - 1000 * r.memory_request / m.spec.memory_bytes, 3, 999);
      }
      const int64_t badness = working_set(c, world.now()) * 1000 / m.spec.memory_bytes + adjust;
      if (badness > worst) {
        worst = badness;
        victim = slot;
      }
    }
  }
  if (victim == kNobody) return;
  node_event(world, n, "Warning", "SystemOOM",
             fmt::format("System OOM encountered, victim process: {}",
                         spec_of(containers_[victim]).name.view()));
  process_ended(world, victim, 137, "OOMKilled", false);
}

// The eviction manager looks every 10 s; only a look that would find something is an event.
void NodeFleet::check_pressure(sim::World& world, NodeIndex n) {
  Machine& m = machines_[n];
  if (m.state != MachineState::kUp) return;
  const int64_t threshold = m.spec.memory_bytes - options_.config.eviction_memory_available;
  const int64_t used = node_memory_used(world, n);
  if (used > m.spec.memory_bytes) kernel_oom(world, n);
  if (used > threshold) {
    const SimTime look = tick_at_or_after(m.up_since, options_.config.eviction_period,
                                          world.now() + Duration::nanos(1));
    if (m.eviction_event.valid() && m.eviction_at <= look) return;
    world.cancel(m.eviction_event);
    m.eviction_at = look;
    m.eviction_event = world.schedule(look, id(), kEviction, n, m.boots);
    return;
  }
  world.cancel(m.memory_event);
  m.memory_event = {};
  if (m.leaking == 0) return;
  int64_t leak = 0;
  for (const uint32_t p : m.pods) {
    for (const uint32_t c : pods_[p].containers) {
      if (containers_[c].state == RunState::kRunning) {
        leak += containers_[c].behavior->leak_per_second;
      }
    }
  }
  if (leak <= 0) return;
  __extension__ using Wide = __int128;
  const Wide ns = (Wide{threshold - used} + 1) * 1'000'000'000 / leak + 1;
  if (ns < INT64_MAX / 2) {
    m.memory_event =
        world.schedule(Duration::nanos(static_cast<int64_t>(ns)), id(), kMemoryCheck, n, m.boots);
  }
}

void NodeFleet::eviction_round(sim::World& world, NodeIndex n) {
  Machine& m = machines_[n];
  const KubeletConfig& config = options_.config;
  const SimTime now = world.now();
  const std::string_view name = m.spec.name;
  const int64_t available = m.spec.memory_bytes - node_memory_used(world, n);
  SimTime next;
  if (available >= config.eviction_memory_available) {
    if (!m.memory_pressure) return;
    if (now - m.pressure_seen >= config.pressure_hold) {
      m.memory_pressure = false;
      node_event(world, n, "Normal", "NodeHasSufficientMemory",
                 fmt::format("Node {} status is now: NodeHasSufficientMemory", name));
      send_node_status(world, n);
      return;
    }
    next = tick_at_or_after(m.up_since, config.eviction_period,
                            m.pressure_seen + config.pressure_hold);
  } else {
    m.pressure_seen = now;
    if (!m.memory_pressure) {
      m.memory_pressure = true;
      node_event(world, n, "Normal", "NodeHasInsufficientMemory",
                 fmt::format("Node {} status is now: NodeHasInsufficientMemory", name));
      note(world, fmt::format("Node/{}", name), fmt::format("Node {} is short of memory.", name));
      send_node_status(world, n);
    }
    node_event(world, n, "Warning", "EvictionThresholdMet", "Attempting to reclaim memory");
    // Rank: over its request first, then lower priority, then more over the request.
    uint32_t victim = kNobody;
    std::tuple<int, int32_t, int64_t> best;
    for (const uint32_t p : m.pods) {
      const PodRuntime& pod = pods_[p];
      if (!pod.admitted || pod.terminating || critical(*pod.object)) continue;
      const int64_t used = pod_memory(pod, now);
      const int64_t over = used - requests_of(*pod.object).memory_request;
      const std::tuple<int, int32_t, int64_t> rank{over > 0 ? 0 : 1,
                                                   pod.object->spec.priority.value_or(0), -over};
      if (used > 0 && (victim == kNobody || rank < best)) {
        best = rank;
        victim = p;
      }
    }
    if (victim != kNobody) {
      PodRuntime& pod = pods_[victim];
      const auto mi = [](int64_t bytes) { return fmt::format("{}Ki", bytes / 1024); };
      std::string message = fmt::format(
          "The node was low on resource: memory. Threshold quantity: {}Mi, available: {}. ",
          config.eviction_memory_available >> 20, mi(available));
      for (const uint32_t slot : pod.containers) {
        const ContainerRuntime& c = containers_[slot];
        const int64_t used = working_set(c, now);
        const int64_t request = resources_of(spec_of(c)).memory_request;
        if (used <= request) continue;
        message += fmt::format(
            "Container {} was using {}, request is {}, has larger consumption of memory. ",
            spec_of(c).name.view(), mi(used), request == 0 ? "0" : mi(request));
      }
      pod_event(world, pod, "Warning", "Evicted", message);
      note(world, pod_key(pod.object->metadata.namespace_, pod.object->metadata.name),
           fmt::format("Pod {} was evicted from node {}, which is short of memory.",
                       pod.object->metadata.name.view(), name));
      pod.disruption = true;
      end_pod(world, victim, "Evicted", message, Duration::seconds(1));
    }
    next = now + config.eviction_period;
  }
  machines_[n].eviction_at = next;
  machines_[n].eviction_event = world.schedule(next, id(), kEviction, n, machines_[n].boots);
}

}  // namespace mainspring::node
