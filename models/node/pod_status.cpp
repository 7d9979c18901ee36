// What the kubelet writes into pods: phase, conditions, container statuses; when it writes.
// Source: pkg/kubelet/kubelet_pods.go getPhase, convertToAPIContainerStatuses;
// pkg/kubelet/status/generate.go; status_manager.go.
#include <fmt/format.h>

#include <algorithm>

#include "models/node/internal.h"
#include "models/node/node_fleet.h"
#include "sim/hash.h"

namespace mainspring::node {

using sim::SimTime;

namespace {

enum Condition : size_t { kReadyToStart, kInitialized, kReady, kContainersReady };

std::string join(const std::vector<std::string_view>& names) {
  std::string out = "[";
  for (const std::string_view name : names) {
    if (out.size() > 1) out += ' ';
    out += name;
  }
  return out + "]";
}

// Two versions hold what they have in common once.
template <class T>
void share_equal(const T& old, T& now) {
  if (now == old) now = old;
}

}  // namespace

std::string_view NodeFleet::compute_phase(const PodRuntime& pod) const {
  if (pod.forced_failed) return "Failed";
  if (terminal_phase(pod.phase)) return pod.phase;
  const bool ending = pod.terminating || pod.stopped;
  int running = 0;
  int waiting = 0;
  int stopped = 0;
  int failed = 0;
  int restarting = 0;
  bool init_pending = false;
  for (uint32_t i = 0; i < pod.init_count; ++i) {
    const ContainerRuntime& c = containers_[pod.containers[i]];
    if (c.role == Role::kSidecar) {
      if (c.state == RunState::kRunning) ++running;
      if (!c.started && !pod.initialized) init_pending = true;
      continue;
    }
    if (pod.initialized || (c.state == RunState::kTerminated && c.ended->exit_code == 0)) continue;
    if (c.state == RunState::kTerminated && (!wants_start(pod, c))) return "Failed";
    init_pending = true;
  }
  for (size_t i = pod.init_count; i < pod.containers.size(); ++i) {
    const ContainerRuntime& c = containers_[pod.containers[i]];
    switch (c.state) {
      case RunState::kRunning:
        ++running;
        break;
      case RunState::kWaiting:
        ++waiting;
        break;
      case RunState::kTerminated:
        ++stopped;
        if (c.ended->exit_code != 0) ++failed;
        if (wants_start(pod, c)) ++restarting;
        break;
    }
  }
  if (pod.stopped && pod.admitted) {
    // Nothing runs and nothing will: a container that never ran counts as failed.
    return failed > 0 || waiting > 0 || init_pending ? "Failed" : "Succeeded";
  }
  if (init_pending) return "Pending";
  if (waiting > 0) return "Pending";
  if (running > 0) return "Running";
  if (stopped > 0) {
    if (restarting > 0 && !ending) return "Running";
    if (ending && !pod.stopped) return "Running";
    return failed > 0 ? "Failed" : "Succeeded";
  }
  return "Pending";
}

void NodeFleet::refresh(const sim::World& world, PodRuntime& pod) {
  if (const std::string_view phase = compute_phase(pod); pod.phase != phase) {
    pod.phase = texts_(phase);
  }
  bool ready = true;
  for (const uint32_t slot : pod.containers) {
    const ContainerRuntime& c = containers_[slot];
    if (c.role != Role::kInit && !c.ready) ready = false;
  }
  const bool over = terminal_phase(pod.phase);
  const auto set = [&](size_t i, bool on) {
    ConditionStates& c = pod.conditions;
    if (c.known[i] && c.status[i] == on) return;
    c.known[i] = true;
    c.status[i] = on;
    c.since[i] = world.now();
  };
  set(kReadyToStart, pod.has_sandbox);
  set(kInitialized, pod.initialized || pod.phase == "Succeeded" ||
                        (pod.init_count == 0 && (pod.admitted || over)));
  set(kContainersReady, ready && !over);
  bool gates = true;
  for (const api::PodReadinessGate& gate : pod.object->spec.readiness_gates) {
    bool open = false;
    for (const api::PodCondition& c : pod.object->status.conditions) {
      if (c.type == gate.condition_type) open = c.status == "True";
    }
    gates &= open;
  }
  set(kReady, ready && gates && !over);
}

void NodeFleet::status_changed(sim::World& world, uint32_t p) {
  PodRuntime& pod = pods_[p];
  refresh(world, pod);
  if (pod.api_gone || pod.status_queued) return;
  pod.status_queued = true;
  machines_[pod.node].status_queue.push_back(p);
  pump_status(world, pod.node);
}

// The status manager writes one pod after the other.
void NodeFleet::pump_status(sim::World& world, NodeIndex n) {
  Machine& m = machines_[n];
  while (!m.status_busy && !m.status_queue.empty()) {
    const uint32_t p = m.status_queue.front();
    m.status_queue.pop_front();
    PodRuntime& pod = pods_[p];
    if (!pod.in_use || pod.node != n || !pod.status_queued) continue;
    pod.status_queued = false;
    m.status_busy = true;
    const sim::Duration read =
        options_.config.status_get.at(pod_draw(world, pod, 30, pod.statuses++));
    world.schedule(read, id(), kStatusSend, p, pod.generation, n);
  }
}

void NodeFleet::send_status(sim::World& world, uint32_t p) {
  PodRuntime& pod = pods_[p];
  const NodeIndex n = pod.node;
  const api::ObjectMeta& meta = pod.object->metadata;
  const api::Pod* stored = server(world).get<api::Pod>(meta.namespace_, meta.name);
  if (!stored || stored->metadata.uid != meta.uid || pod.api_gone) {
    machines_[n].status_busy = false;
    pump_status(world, n);
    return;
  }
  api::Ref<api::Pod> body = api::make<api::Pod>();
  body->metadata.name = meta.name;
  body->metadata.namespace_ = meta.namespace_;
  body->metadata.uid = meta.uid;
  fill_status(world, pod, body->status);
  share_equal(stored->status.container_statuses, body->status.container_statuses);
  share_equal(stored->status.init_container_statuses, body->status.init_container_statuses);
  // Conditions of others stay: the server merges by type. What would change nothing is not sent.
  api::PodStatus merged = body->status;
  std::vector<api::PodCondition> conditions;
  conditions.reserve(stored->status.conditions.size() + merged.conditions.size());
  for (const api::PodCondition& old : stored->status.conditions) {
    const auto mine = std::find_if(merged.conditions.begin(), merged.conditions.end(),
                                   [&](const api::PodCondition& c) { return c.type == old.type; });
    conditions.push_back(mine != merged.conditions.end() ? *mine : old);
  }
  for (const api::PodCondition& c : merged.conditions) {
    const bool known = std::any_of(conditions.begin(), conditions.end(),
                                   [&](const api::PodCondition& o) { return o.type == c.type; });
    if (!known) conditions.push_back(c);
  }
  merged.conditions = api::List<api::PodCondition>(std::move(conditions));
  if (merged == stored->status) {
    machines_[n].status_busy = false;
    pump_status(world, n);
    return;
  }
  client::Request request;
  request.verb = client::Verb::kPatchStatus;
  request.kind = api::Kind::Pod;
  request.ns = meta.namespace_;
  request.name = meta.name;
  request.uid = meta.uid;
  request.body = body;
  server(world).submit(world, machines_[n].client, std::move(request),
                       cookie(Purpose::kStatus, n, p));
}

void NodeFleet::fill_status(const sim::World& world, PodRuntime& pod, api::PodStatus& status) {
  status.phase = pod.phase;
  if (pod.ending) {
    status.reason = pod.ending->reason;
    status.message = pod.ending->message;
  }
  status.qos_class = texts_(qos_name(pod.qos));
  status.observed_generation = pod.object->metadata.generation;
  if (pod.has_start_time) {
    status.start_time = server(world).wall(pod.start_time).truncated_to_second();
    fill_addresses(pod, status);
  }
  if (pod.admitted) {
    status.init_container_statuses = container_statuses(world, pod, true);
    status.container_statuses = container_statuses(world, pod, false);
  }
  fill_conditions(world, pod, status);
}

void NodeFleet::fill_addresses(PodRuntime& pod, api::PodStatus& status) {
  const Machine& m = machines_[pod.node];
  status.host_ip = m.ip;
  status.host_ips = m.ips;
  if (pod.ips.empty()) {
    if (pod.object->spec.host_network) {
      if (pod.ever_sandbox) pod.ips = {api::PodIP{m.ip, {}}};
    } else if (pod.ip_host != 0) {
      pod.ips = {api::PodIP{pod_address(pod.node, pod.ip_host), {}}};
    }
  }
  if (pod.ips.empty()) return;
  status.pod_ip = pod.ips[0].ip;
  status.pod_ips = pod.ips;
}

std::string NodeFleet::container_id(const ContainerRuntime& c, uint32_t incarnation) const {
  const uint64_t which = uint64_t{c.spec_index} << 1 | (c.role != Role::kApp ? 1 : 0);
  return fmt::format("containerd://{:016x}{:016x}", sim::hash_combine(pods_[c.pod].entity, which),
                     sim::mix64(incarnation));
}

api::List<api::ContainerStatus> NodeFleet::container_statuses(const sim::World& world,
                                                              const PodRuntime& pod, bool init) {
  const apiserver::ApiServer& api = server(world);
  const auto at = [&](SimTime t) { return api.wall(t).truncated_to_second(); };
  std::vector<api::ContainerStatus> out;
  out.reserve(init ? pod.init_count : pod.containers.size() - pod.init_count);
  for (const uint32_t slot : pod.containers) {
    ContainerRuntime& c = containers_[slot];
    if ((c.role != Role::kApp) != init) continue;
    const api::Container& spec = spec_of(c);
    const auto terminated = [&](const Termination& t, uint32_t incarnation) {
      api::ContainerStateTerminated s;
      s.exit_code = t.exit_code;
      s.reason = t.reason;
      s.message = t.message;
      s.started_at = at(t.started_at);
      s.finished_at = at(t.finished_at);
      s.container_id = container_id(c, incarnation);
      return s;
    };
    api::ContainerStatus s;
    s.name = spec.name;
    s.image = spec.image;
    s.restart_count = c.restarts;
    s.started = c.state == RunState::kRunning && c.started;
    s.ready = c.role == Role::kInit ? c.state == RunState::kTerminated && c.ended->exit_code == 0
                                    : c.ready;
    if (c.incarnation > 0) {
      if (c.id.empty()) c.id = container_id(c, c.incarnation);
      const uint64_t image = sim::hash64(spec.image);
      s.image_id = texts_(fmt::format("sha256:{:016x}{:016x}", image, sim::mix64(image)));
      s.container_id = c.id;
    }
    if (c.last) s.last_state.terminated = terminated(*c.last, c.incarnation - 1);
    switch (c.state) {
      case RunState::kRunning: {
        api::ContainerStateRunning r;
        r.started_at = at(c.started_at);
        s.state.running = r;
        break;
      }
      case RunState::kTerminated:
        if (c.setbacks && !c.setbacks->waiting_reason.empty() && !pod.terminating) {
          s.state.waiting = api::ContainerStateWaiting{
              c.setbacks->waiting_reason, c.setbacks->waiting_message, {}};
          s.last_state.terminated = terminated(*c.ended, c.incarnation);
        } else {
          s.state.terminated = terminated(*c.ended, c.incarnation);
        }
        break;
      case RunState::kWaiting: {
        api::ContainerStateWaiting w;
        if (c.setbacks) {
          w.reason = c.setbacks->waiting_reason;
          w.message = c.setbacks->waiting_message;
        }
        if (w.reason.empty()) {
          w.reason = texts_(pod.init_count > 0 ? "PodInitializing" : "ContainerCreating");
        }
        s.state.waiting = w;
        break;
      }
    }
    out.push_back(std::move(s));
  }
  return api::List<api::ContainerStatus>(std::move(out));
}

void NodeFleet::fill_conditions(const sim::World& world, const PodRuntime& pod,
                                api::PodStatus& status) {
  const apiserver::ApiServer& api = server(world);
  const auto at = [&](SimTime t) { return api.wall(t).truncated_to_second(); };
  std::vector<std::string_view> unready;
  std::vector<std::string_view> incomplete;
  for (const uint32_t slot : pod.containers) {
    const ContainerRuntime& c = containers_[slot];
    if (c.role != Role::kInit && !c.ready) unready.push_back(spec_of(c).name);
    const bool done = c.role == Role::kInit
                          ? c.state == RunState::kTerminated && c.ended->exit_code == 0
                          : c.started;
    if (c.role != Role::kApp && !done) incomplete.push_back(spec_of(c).name);
  }
  std::vector<api::PodCondition> conditions;
  conditions.reserve(5);
  const auto add = [&](std::string_view type, size_t i, std::string_view reason,
                       std::string_view message) {
    const bool on = pod.conditions.status[i];
    api::PodCondition c;
    c.type = texts_(type);
    c.status = texts_(on ? "True" : "False");
    c.last_transition_time = at(pod.conditions.since[i]);
    c.observed_generation = pod.object->metadata.generation;
    c.reason = texts_(reason);
    if (!on) c.message = message;
    conditions.push_back(std::move(c));
  };
  const bool succeeded = pod.phase == "Succeeded";
  const bool failed = pod.phase == "Failed";
  const std::string_view ended = succeeded ? "PodCompleted" : failed ? "PodFailed" : "";
  add("PodReadyToStartContainers", kReadyToStart, {}, {});
  if (pod.conditions.status[kInitialized]) {
    add("Initialized", kInitialized, succeeded ? "PodCompleted" : "", {});
  } else if (failed) {
    add("Initialized", kInitialized, "PodFailed", {});
  } else {
    add("Initialized", kInitialized, "ContainersNotInitialized",
        fmt::format("containers with incomplete status: {}", join(incomplete)));
  }
  const std::string unready_text = fmt::format("containers with unready status: {}", join(unready));
  const bool containers_ready = pod.conditions.status[kContainersReady];
  if (pod.conditions.status[kReady]) {
    add("Ready", kReady, {}, {});
  } else if (!ended.empty()) {
    add("Ready", kReady, ended, {});
  } else if (!containers_ready) {
    add("Ready", kReady, "ContainersNotReady", unready_text);
  } else {
    add("Ready", kReady, "ReadinessGatesNotReady",
        "corresponding condition of pod readiness gate does not exist.");
  }
  if (containers_ready) {
    add("ContainersReady", kContainersReady, {}, {});
  } else if (!ended.empty()) {
    add("ContainersReady", kContainersReady, ended, {});
  } else {
    add("ContainersReady", kContainersReady, "ContainersNotReady", unready_text);
  }
  if (pod.disruption) {
    api::PodCondition c;
    c.type = "DisruptionTarget";
    c.status = "True";
    c.reason = "TerminationByKubelet";
    if (pod.ending) c.message = pod.ending->message;
    c.last_transition_time = at(pod.conditions.since[kReady]);
    c.observed_generation = pod.object->metadata.generation;
    conditions.push_back(std::move(c));
  }
  status.conditions = api::List<api::PodCondition>(std::move(conditions));
}

}  // namespace mainspring::node
