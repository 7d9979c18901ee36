// The pod worker: from a bound pod to a running one, and back.
//
// A worker does one thing at a time (Op); each ends with a kPodOp event. A sync is a round: it
// shows what happened, then starts what should run, one container after the other; what happens
// meanwhile makes the next round. Source: pkg/kubelet/pod_workers.go, kubelet.go SyncPod,
// kuberuntime/kuberuntime_manager.go SyncPod, computePodActions, killPodWithSyncResult.
#include <fmt/format.h>

#include <algorithm>

#include "models/api/claim_helpers.h"
#include "models/api/pod_helpers.h"
#include "models/node/internal.h"
#include "models/node/node_fleet.h"
#include "sim/check.h"
#include "sim/hash.h"

namespace mainspring::node {

using sim::Duration;
using sim::SimTime;

namespace {

// What a draw is for; part of its key.
enum Draw : uint64_t {
  kDrawDispatch = 1,
  kDrawDirs,
  kDrawVolume,
  kDrawVolumeLoop,
  kDrawDisk,
  kDrawSandbox,
  kDrawCreate,
  kDrawStart,
  kDrawRetry,
  kDrawSandboxStop,
  kDrawCleanup,
  kDrawRelist,
};

std::string full_name(const api::Pod& pod) {
  return fmt::format("{}_{}({})", pod.metadata.name.view(), pod.metadata.namespace_.view(),
                     pod.metadata.uid.view());
}

bool made_by_job(const api::Pod& pod) {
  for (const api::OwnerReference& owner : pod.metadata.owner_references) {
    if (owner.controller.value_or(false) && owner.kind == "Job") return true;
  }
  return false;
}

Duration hook_time(const api::LifecycleHandler& hook, Duration otherwise) {
  return hook.sleep ? Duration::seconds(hook.sleep->seconds) : otherwise;
}

}  // namespace

const api::Container& NodeFleet::spec_of(const ContainerRuntime& c) const {
  const api::PodSpec& spec = pods_[c.pod].object->spec;
  return c.role == Role::kApp ? spec.containers[c.spec_index] : spec.init_containers[c.spec_index];
}

sim::Rng NodeFleet::app_rng(const sim::World& world, const ContainerRuntime& c,
                            uint64_t purpose) const {
  const uint64_t which = uint64_t{c.role == Role::kApp ? 1u : 0u} << 16 | c.spec_index;
  const uint64_t entity = sim::hash_combine(pods_[c.pod].entity, which << 8 | purpose);
  return world.stream("app").rng(sim::hash_combine(entity, c.incarnation));
}

uint64_t NodeFleet::pod_draw(const sim::World& world, const PodRuntime& pod, uint64_t purpose,
                             uint64_t attempt) const {
  return draw("kubelet", world, pod.entity, purpose, attempt);
}

// --- what the watch brings
// ------------------------------------------------------------------------

void NodeFleet::on_pod(sim::World& world, const api::ObjectRef& ref, bool deleted) {
  api::Ref<const api::Pod> object = api::cast<api::Pod>(ref);
  const api::ObjectMeta& meta = object->metadata;
  const uint32_t known = pod_slot(meta.namespace_, meta.name);
  const bool same = known != kNoPod && pods_[known].object->metadata.uid == meta.uid;
  if (!same) {
    if (deleted) return;
    const NodeIndex n = find_machine(object->spec.node_name);
    if (n == kNoNode || machines_[n].state != MachineState::kUp || !machines_[n].registered) {
      return;  // seen when the kubelet starts
    }
    if (terminal_phase(object->status.phase)) return;
    const uint32_t p = new_pod(world, std::move(object), n);
    if (pods_[p].object->metadata.deletion_timestamp) {
      pods_[p].terminating = true;
      pods_[p].stopped = true;
      begin(world, p, Op::kCleanup, options_.config.pod_cleanup.base);
      return;
    }
    begin(world, p, Op::kDispatch,
          options_.config.pod_dispatch.at(pod_draw(world, pods_[p], kDrawDispatch, 0)));
    return;
  }

  const uint32_t p = known;
  if (!deleted && api::version_of(*object) < api::version_of(*pods_[p].object)) return;
  pods_[p].object = object;
  const bool up = machines_[pods_[p].node].state == MachineState::kUp;
  if (deleted) {
    pods_[p].api_gone = true;
    pod_by_name_.erase(client::name_hash(*object), p);
    if (!up || (pods_[p].stopped && pods_[p].op == Op::kNone)) {
      free_pod(world, p);
      return;
    }
    // Removed by force: what still runs gets the least grace there is.
    terminate(world, p, Duration());
    return;
  }
  if (!up) return;
  if (meta.deletion_timestamp) {
    const int64_t seconds = meta.deletion_grace_period_seconds.value_or(spec_grace(*object));
    if (pods_[p].stopped && pods_[p].op == Op::kNone) {
      finish_pod(world, p);
    } else {
      terminate(world, p, Duration::seconds(seconds));
    }
  } else if (!object->spec.readiness_gates.empty()) {
    status_changed(world, p);  // somebody may have opened a gate
  }
}

void NodeFleet::adopt_pods(sim::World& world, NodeIndex n) {
  apiserver::ApiServer& api = server(world);
  const std::vector<uint32_t> known = machines_[n].pods;
  for (const uint32_t p : known) {
    PodRuntime& pod = pods_[p];
    const api::ObjectMeta& meta = pod.object->metadata;
    const api::ObjectRef* stored = api.store().find(api::Kind::Pod, meta.namespace_, meta.name);
    if (!stored || (*stored)->metadata.uid != meta.uid) {
      free_pod(world, p);
      continue;
    }
    pod.object = api::cast<api::Pod>(*stored);
    if (terminal_phase(pod.object->status.phase)) continue;
    if (pod.object->metadata.deletion_timestamp || pod.terminating) {
      pod.terminating = true;
      continue_termination(world, p);
      continue;
    }
    // The sandbox is gone: everything starts over, init containers too.
    pod.initialized = false;
    pod.volumes_mounted = false;
    for (const uint32_t c : pod.containers) {
      if (containers_[c].role == Role::kInit && containers_[c].state == RunState::kTerminated) {
        containers_[c].last = containers_[c].ended;
        containers_[c].state = RunState::kWaiting;
      }
    }
    begin(world, p, pod.admitted ? Op::kDirs : Op::kDispatch,
          options_.config.pod_dispatch.at(pod_draw(world, pod, kDrawDispatch, machines_[n].boots)));
  }
  std::vector<api::ObjectRef> mine;
  for (const api::ObjectRef& object : api.store().list(api::Kind::Pod)) {
    if (api::as<api::Pod>(*object).spec.node_name == machines_[n].spec.name) {
      mine.push_back(object);
    }
  }
  for (const api::ObjectRef& object : mine) {
    const uint32_t p = pod_slot(object->metadata.namespace_, object->metadata.name);
    if (p == kNoPod || pods_[p].object->metadata.uid != object->metadata.uid) {
      on_pod(world, object, false);
    }
  }
}

uint32_t NodeFleet::pod_slot(std::string_view ns, std::string_view name) const {
  return pod_by_name_.find(client::name_hash(ns, name), [&](uint32_t p) {
    return client::is_named(*pods_[p].object, ns, name);
  });
}

uint32_t NodeFleet::new_pod(sim::World&, api::Ref<const api::Pod> object, NodeIndex n) {
  // A pod that had the name before may still be on its way out; the name means the new one.
  const uint64_t name = client::name_hash(*object);
  const uint32_t before = pod_slot(object->metadata.namespace_, object->metadata.name);
  if (before != kNoPod) pod_by_name_.erase(name, before);
  uint32_t p;
  if (free_pods_.empty()) {
    p = static_cast<uint32_t>(pods_.size());
    pods_.emplace_back();
  } else {
    p = free_pods_.back();
    free_pods_.pop_back();
  }
  const uint32_t generation = pods_[p].generation;
  PodRuntime& pod = pods_[p] = PodRuntime();
  pod.generation = generation;
  pod.in_use = true;
  pod.object = std::move(object);
  pod.node = n;
  pod.entity = sim::hash64(pod.object->metadata.uid);
  pod.qos = qos_of(*pod.object);
  machines_[n].pods.push_back(p);
  const api::ObjectMeta& meta = pod.object->metadata;
  pod_by_name_.insert(name, p);

  const api::PodSpec& spec = pod.object->spec;
  const std::string_view workload = workload_of(*pod.object);
  const bool job = made_by_job(*pod.object);
  const auto add = [&](const api::Container& container, Role role, size_t index) {
    uint32_t c;
    if (free_containers_.empty()) {
      c = static_cast<uint32_t>(containers_.size());
      containers_.emplace_back();
    } else {
      c = free_containers_.back();
      free_containers_.pop_back();
    }
    const uint32_t old = containers_[c].generation;
    ContainerRuntime& runtime = containers_[c] = ContainerRuntime();
    runtime.generation = old;
    runtime.in_use = true;
    runtime.role = role;
    runtime.spec_index = static_cast<uint16_t>(index);
    runtime.pod = p;
    runtime.behavior = options_.apps.find(meta.namespace_, workload, container.name,
                                          role == Role::kInit || (job && role == Role::kApp));
    pod.containers.push_back(c);
  };
  pod.containers.edit().reserve(spec.init_containers.size() + spec.containers.size());
  for (size_t i = 0; i < spec.init_containers.size(); ++i) {
    const api::Container& init = spec.init_containers[i];
    add(init, api::is_sidecar(init) ? Role::kSidecar : Role::kInit, i);
  }
  pod.init_count = static_cast<uint16_t>(spec.init_containers.size());
  for (size_t i = 0; i < spec.containers.size(); ++i) add(spec.containers[i], Role::kApp, i);
  return p;
}

// Takes the pod's requests out of the machine's sums.
void NodeFleet::release(PodRuntime& pod) {
  if (!pod.counted) return;
  pod.counted = false;
  const ContainerResources r = requests_of(*pod.object);
  machines_[pod.node].requested_cpu -= r.cpu_request;
  machines_[pod.node].requested_memory -= r.memory_request;
}

void NodeFleet::free_pod(sim::World& world, uint32_t p) {
  PodRuntime& pod = pods_[p];
  Machine& m = machines_[pod.node];
  world.cancel(pod.op_event);
  world.cancel(pod.retry_event);
  release(pod);
  if (pod.ip_host != 0) m.ip_owner[pod.ip_host] = UINT32_MAX;
  for (const uint32_t c : pod.containers) {
    ContainerRuntime& container = containers_[c];
    MAINSPRING_CHECK(container.state != RunState::kRunning, "a pod goes while it runs");
    const uint32_t generation = container.generation + 1;
    container = ContainerRuntime();
    container.generation = generation;
    free_containers_.push_back(c);
  }
  m.pods.erase(std::find(m.pods.begin(), m.pods.end(), p));
  const api::ObjectMeta& meta = pod.object->metadata;
  if (pod_slot(meta.namespace_, meta.name) == p) {
    pod_by_name_.erase(client::name_hash(*pod.object), p);
  }
  const uint32_t generation = pod.generation + 1;
  pod = PodRuntime();
  pod.generation = generation;
  free_pods_.push_back(p);
}

// --- operations
// -----------------------------------------------------------------------------------

void NodeFleet::begin(sim::World& world, uint32_t p, Op op, Duration after) {
  PodRuntime& pod = pods_[p];
  pod.op = op;
  pod.op_event = world.schedule(after, id(), kPodOp, p, pod.generation);
}

void NodeFleet::op_done(sim::World& world, uint32_t p) {
  PodRuntime& pod = pods_[p];
  const Op op = pod.op;
  const uint32_t c = pod.op_container;
  const KubeletConfig& config = options_.config;
  pod.op = Op::kNone;
  pod.op_event = {};
  switch (op) {
    case Op::kDispatch:
      if (!admit(world, p)) return;
      pod.start_time = world.now();
      pod.has_start_time = true;
      if (const auto deadline = pod.object->spec.active_deadline_seconds) {
        world.schedule(Duration::seconds(*deadline), id(), kDeadline, p, pod.generation);
      }
      status_changed(world, p);
      begin(world, p, Op::kDirs, config.cgroup_and_dirs.at(pod_draw(world, pod, kDrawDirs, 0)));
      return;
    case Op::kDirs:
      mount_volumes(world, p);
      return;
    case Op::kVolumes:
      if (!pod.volumes_mounted) {
        mount_volumes(world, p);
        return;
      }
      pod.probe_phase = world.now();
      sync(world, p);
      return;
    case Op::kSandbox: {
      pod.has_sandbox = true;
      pod.ever_sandbox = true;
      ++pod.sandboxes;
      if (!pod.object->spec.host_network && pod.ip_host == 0) {
        // As the host-local allocator: the next free address after the last one given.
        Machine& m = machines_[pod.node];
        m.ip_owner.resize(255, UINT32_MAX);
        for (int tries = 0; tries < 253 && pod.ip_host == 0; ++tries) {
          m.last_ip = m.last_ip >= 254 ? uint16_t{2} : static_cast<uint16_t>(m.last_ip + 1);
          if (m.ip_owner[m.last_ip] == UINT32_MAX) pod.ip_host = m.last_ip;
        }
        if (pod.ip_host != 0) m.ip_owner[pod.ip_host] = p;
      }
      relist_soon(world, p);
      break;
    }
    case Op::kImage: {
      // The image is there.
      begin(world, p, Op::kCreate,
            config.container_create.at(
                pod_draw(world, pod, kDrawCreate << 16 | c, containers_[c].attempts)));
      return;
    }
    case Op::kCreate: {
      const std::string missing = missing_env(world, *pod.object, spec_of(containers_[c]));
      if (!missing.empty()) {
        pod_event(world, pod, "Warning", "Failed", fmt::format("Error: {}", missing));
        start_failed(world, p, c, "CreateContainerConfigError", missing);
        break;
      }
      pod_event(world, pod, "Normal", "Created",
                fmt::format("Created container: {}", spec_of(containers_[c]).name.view()));
      begin(world, p, Op::kStart,
            config.container_start.at(
                pod_draw(world, pod, kDrawStart << 16 | c, containers_[c].attempts)));
      return;
    }
    case Op::kStart: {
      pod_event(world, pod, "Normal", "Started",
                fmt::format("Started container {}", spec_of(containers_[c]).name.view()));
      process_started(world, c);
      relist_soon(world, p);
      const api::Opt<api::Lifecycle>& lifecycle = spec_of(containers_[c]).lifecycle;
      if (lifecycle && lifecycle->post_start && !pod.terminating) {
        begin(world, p, Op::kPostStart,
              hook_time(*lifecycle->post_start, containers_[c].behavior->post_start));
        return;
      }
      break;
    }
    case Op::kPostStart:
      break;
    case Op::kSandboxStop:
      pod.has_sandbox = false;
      pod.stopped = true;
      if (pod.ip_host != 0) {
        machines_[pod.node].ip_owner[pod.ip_host] = UINT32_MAX;
      }
      release(pod);
      status_changed(world, p);
      begin(world, p, Op::kCleanup, config.pod_cleanup.at(pod_draw(world, pod, kDrawCleanup, 0)));
      return;
    case Op::kCleanup:
      finish_pod(world, p);
      return;
    case Op::kNone:
    case Op::kRestartKill:
    case Op::kStopping:
      return;
  }
  if (pods_[p].terminating) {
    continue_termination(world, p);
  } else {
    next_step(world, p);
  }
}

bool NodeFleet::admit(sim::World& world, uint32_t p) {
  PodRuntime& pod = pods_[p];
  Machine& m = machines_[pod.node];
  const ContainerResources r = requests_of(*pod.object);
  const Allocatable a = allocatable(m.spec, options_.config);
  int64_t running = 0;
  for (const uint32_t other : m.pods) running += pods_[other].counted;
  std::string reason;
  std::string message;
  const auto lacks = [&](std::string_view what, int64_t asked, int64_t used, int64_t capacity) {
    if (!reason.empty()) return;
    reason = fmt::format("OutOf{}", what);
    message = fmt::format(
        "Pod was rejected: Node didn't have enough resource: {}, requested: {}, used: {}, "
        "capacity: {}",
        what, asked, used, capacity);
  };
  if (running + 1 > m.spec.max_pods) lacks("pods", 1, running, m.spec.max_pods);
  if (r.cpu_request > 0 && m.requested_cpu + r.cpu_request > a.cpu_milli) {
    lacks("cpu", r.cpu_request, m.requested_cpu, a.cpu_milli);
  }
  if (r.memory_request > 0 && m.requested_memory + r.memory_request > a.memory_bytes) {
    lacks("memory", r.memory_request, m.requested_memory, a.memory_bytes);
  }
  if (reason.empty() && m.memory_pressure && pod.qos == QosClass::kBestEffort &&
      !critical(*pod.object)) {
    reason = "Evicted";
    message = "Pod was rejected: The node had condition: [MemoryPressure]. ";
  }
  if (!reason.empty()) {
    Ending& ending = pod.ending.edit();
    ending.reason = reason;
    ending.message = message;
    pod.forced_failed = true;
    pod.terminating = true;
    pod.stopped = true;
    pod_event(world, pod, "Warning", reason, message);
    status_changed(world, p);
    return false;
  }
  pod.admitted = true;
  pod.counted = true;
  m.requested_cpu += r.cpu_request;
  m.requested_memory += r.memory_request;
  return true;
}

void NodeFleet::mount_volumes(sim::World& world, uint32_t p) {
  PodRuntime& pod = pods_[p];
  const KubeletConfig& config = options_.config;
  const api::PodSpec& spec = pod.object->spec;
  if (spec.volumes.empty()) {
    pod.volumes_mounted = true;
    begin(world, p, Op::kVolumes, Duration());
    return;
  }
  const uint32_t attempt = pod.volume_tries++;
  const std::string missing = missing_volume(world, *pod.object);
  if (!missing.empty()) {
    pod_event(world, pod, "Warning", "FailedMount", missing);
    const Duration wait =
        std::min(config.volume_backoff_initial * (int64_t{1} << std::min(attempt, 10u)),
                 config.volume_backoff_max);
    begin(world, p, Op::kVolumes, wait);
    return;
  }
  Duration took =
      Delay{{}, config.volume_loop}.at(pod_draw(world, pod, kDrawVolumeLoop, 2 * attempt)) +
      Delay{{}, config.volume_loop}.at(pod_draw(world, pod, kDrawVolumeLoop, 2 * attempt + 1)) +
      config.volume_mount.at(pod_draw(world, pod, kDrawVolume, attempt));
  for (const api::Volume& volume : spec.volumes) {
    if (!volume.persistent_volume_claim && !volume.ephemeral) continue;
    took += config.disk_attach.at(pod_draw(world, pod, kDrawDisk, attempt));
    break;  // disks are attached side by side
  }
  // The worker looks every 300 ms.
  const int64_t polls = (took.ns() + config.volume_poll.ns() - 1) / config.volume_poll.ns();
  pod.volumes_mounted = true;
  begin(world, p, Op::kVolumes, config.volume_poll * polls);
}

std::string NodeFleet::missing_volume(const sim::World& world, const api::Pod& pod) const {
  const apiserver::ApiServer& api = server(world);
  const std::string_view ns = pod.metadata.namespace_;
  const auto failed = [&](const api::Volume& volume, std::string_view kind, std::string_view name) {
    return fmt::format("MountVolume.SetUp failed for volume \"{}\" : {} \"{}\" not found",
                       volume.name.view(), kind, name);
  };
  for (const api::Volume& v : pod.spec.volumes) {
    if (v.config_map && !v.config_map->optional.value_or(false) &&
        !api.get<api::ConfigMap>(ns, v.config_map->name)) {
      return failed(v, "configmap", v.config_map->name);
    }
    if (v.secret && !v.secret->optional.value_or(false) &&
        !api.get<api::Secret>(ns, v.secret->secret_name)) {
      return failed(v, "secret", v.secret->secret_name);
    }
  }
  return {};
}

// Why the pod may not use one of its resource claims yet; empty if it may use all.
std::string NodeFleet::barred_claim(const sim::World& world, const api::Pod& given) const {
  if (given.spec.resource_claims.empty()) return {};
  const apiserver::ApiServer& api = server(world);
  const std::string_view ns = given.metadata.namespace_;
  const auto* newest = api.get<api::Pod>(ns, given.metadata.name);
  const api::Pod& pod = newest ? *newest : given;
  for (const api::PodResourceClaim& entry : pod.spec.resource_claims) {
    const std::optional<api::Str> name = api::claim_name_of(pod, entry);
    if (!name) {
      return fmt::format("pod \"{}/{}\": ResourceClaim not created yet", ns,
                         pod.metadata.name.view());
    }
    if (name->empty()) continue;
    const auto* claim = api.get<api::ResourceClaim>(ns, *name);
    if (!claim) {
      return fmt::format("fetch ResourceClaim {}: resourceclaims.resource.k8s.io \"{}\" not found",
                         name->view(), name->view());
    }
    if (api::is_from_template(entry) && !api::is_controlled_by(*claim, pod)) {
      return api::not_owner(pod, *claim);
    }
    if (!api::is_reserved_for(*claim, pod)) {
      return fmt::format("pod {} ({}) is not allowed to use ResourceClaim {} ({})",
                         pod.metadata.name.view(), pod.metadata.uid.view(), name->view(),
                         claim->metadata.uid.view());
    }
  }
  return {};
}

std::string NodeFleet::missing_env(const sim::World& world, const api::Pod& pod,
                                   const api::Container& spec) const {
  const apiserver::ApiServer& api = server(world);
  const std::string_view ns = pod.metadata.namespace_;
  const auto absent = [](std::string_view kind, std::string_view name) {
    return fmt::format("{} \"{}\" not found", kind, name);
  };
  const auto no_key = [&](std::string_view kind, std::string_view key, std::string_view name) {
    return fmt::format("couldn't find key {} in {} {}/{}", key, kind, ns, name);
  };
  for (const api::EnvFromSource& from : spec.env_from) {
    if (from.config_map_ref && !from.config_map_ref->optional.value_or(false) &&
        !api.get<api::ConfigMap>(ns, from.config_map_ref->name)) {
      return absent("configmap", from.config_map_ref->name);
    }
    if (from.secret_ref && !from.secret_ref->optional.value_or(false) &&
        !api.get<api::Secret>(ns, from.secret_ref->name)) {
      return absent("secret", from.secret_ref->name);
    }
  }
  for (const api::EnvVar& env : spec.env) {
    if (!env.value_from) continue;
    if (const auto& ref = env.value_from->config_map_key_ref;
        ref && !ref->optional.value_or(false)) {
      const auto* map = api.get<api::ConfigMap>(ns, ref->name);
      if (!map) return absent("configmap", ref->name);
      if (!map->data.contains(ref->key) && !map->binary_data.contains(ref->key)) {
        return no_key("ConfigMap", ref->key, ref->name);
      }
    }
    if (const auto& ref = env.value_from->secret_key_ref; ref && !ref->optional.value_or(false)) {
      const auto* secret = api.get<api::Secret>(ns, ref->name);
      if (!secret) return absent("secret", ref->name);
      if (!secret->data.contains(ref->key) && !secret->string_data.contains(ref->key)) {
        return no_key("Secret", ref->key, ref->name);
      }
    }
  }
  return {};
}

// --- a sync round
// ---------------------------------------------------------------------------------

void NodeFleet::sync(sim::World& world, uint32_t p) {
  PodRuntime& pod = pods_[p];
  if (pod.terminating || !pod.admitted) return;
  if (pod.op != Op::kNone) {
    pod.dirty = true;
    return;
  }
  if (!pod.volumes_mounted) return;
  if (!machines_[pod.node].network && !pod.object->spec.host_network) {
    pod_event(world, pod, "Warning", "NetworkNotReady",
              "network is not ready: container runtime network not ready: NetworkReady=false "
              "reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not "
              "initialized");
    return;  // network_up() syncs again
  }
  world.cancel(pod.retry_event);
  pod.retry_event = {};
  pod.dirty = false;
  ++pod.round;
  pod.round_failed = false;
  pod.round_in_backoff = false;
  pod.round_retry_at = kNever;
  for (const uint32_t c : pod.containers) {
    ContainerRuntime& container = containers_[c];
    if (container.state == RunState::kRunning) {
      trigger_readiness(world, c);
    } else if (container.setbacks && !container.setbacks->next_reason.empty()) {
      Setbacks& setbacks = container.setbacks.edit();
      setbacks.waiting_reason = setbacks.next_reason;
      setbacks.waiting_message = setbacks.next_message;
    }
  }
  status_changed(world, p);
  next_step(world, p);
}

bool NodeFleet::wants_start(const PodRuntime& pod, const ContainerRuntime& c) const {
  if (c.state == RunState::kRunning) return false;
  if (c.state == RunState::kWaiting || c.role == Role::kSidecar) return true;
  const std::string_view policy = pod.object->spec.restart_policy;
  if (policy == "Never") return false;
  // Init containers are restarted until they succeed, app containers as the policy says.
  if (c.role == Role::kInit || policy == "OnFailure") return c.ended->exit_code != 0;
  return true;
}

// Whether every container that counts has ended for good: all app containers, or an init container
// without another chance.
bool NodeFleet::finished(const PodRuntime& pod) const {
  for (uint32_t i = 0; i < pod.init_count; ++i) {
    const ContainerRuntime& c = containers_[pod.containers[i]];
    if (c.role == Role::kInit && !pod.initialized && c.state == RunState::kTerminated &&
        c.ended->exit_code != 0 && !wants_start(pod, c)) {
      return true;
    }
  }
  for (size_t i = pod.init_count; i < pod.containers.size(); ++i) {
    const ContainerRuntime& c = containers_[pod.containers[i]];
    if (c.state != RunState::kTerminated || wants_start(pod, c)) return false;
  }
  return true;
}

// The next container to start in this round; UINT32_MAX: none.
uint32_t NodeFleet::pick_start(PodRuntime& pod) {
  for (uint32_t i = 0; i < pod.init_count; ++i) {
    const uint32_t slot = pod.containers[i];
    ContainerRuntime& c = containers_[slot];
    const bool untried = c.round != pod.round;
    if (c.role == Role::kInit) {
      if (pod.initialized) continue;
      if (c.state == RunState::kTerminated && c.ended->exit_code == 0) continue;
      return untried && wants_start(pod, c) ? slot : UINT32_MAX;
    }
    if (c.state != RunState::kRunning && untried) return slot;
    if (!c.started && !pod.initialized) return UINT32_MAX;
  }
  pod.initialized = true;
  for (size_t i = pod.init_count; i < pod.containers.size(); ++i) {
    const uint32_t slot = pod.containers[i];
    if (containers_[slot].round != pod.round && wants_start(pod, containers_[slot])) return slot;
  }
  return UINT32_MAX;
}

void NodeFleet::next_step(sim::World& world, uint32_t p) {
  PodRuntime& pod = pods_[p];
  // First what has to be restarted is stopped.
  for (const uint32_t c : pod.containers) {
    ContainerRuntime& container = containers_[c];
    if (!container.kill_wanted || container.state != RunState::kRunning) continue;
    container.kill_wanted = false;
    const api::Container& spec = spec_of(container);
    const std::string_view which = container.kill_by_startup ? "startup" : "liveness";
    const api::Opt<api::Probe>& probe =
        container.kill_by_startup ? spec.startup_probe : spec.liveness_probe;
    int64_t grace = spec_grace(*pod.object);
    if (probe && probe->termination_grace_period_seconds) {
      grace = *probe->termination_grace_period_seconds;
    }
    pod.op = Op::kRestartKill;
    pod.op_container = c;
    stop_container(
        world, c, Duration::seconds(grace),
        fmt::format("Container {} failed {} probe, will be restarted", spec.name.view(), which));
    return;
  }
  const bool was_initialized = pod.initialized;
  const uint32_t c = pick_start(pod);
  if (pod.initialized && !was_initialized) status_changed(world, p);
  if (c == UINT32_MAX) {
    end_round(world, p);
    return;
  }
  if (!pod.has_sandbox) {
    if (pod.ever_sandbox) {
      pod_event(world, pod, "Normal", "SandboxChanged",
                "Pod sandbox changed, it will be killed and re-created.");
    }
    const std::string barred = barred_claim(world, *pod.object);
    if (!barred.empty()) {
      pod_event(world, pod, "Warning", "FailedPrepareDynamicResources",
                "Failed to prepare dynamic resources: prepare dynamic resources: " + barred);
      // For the kubelet the round has not failed.
      if (pod.dirty) relist_soon(world, p);
      sync_later(world, p, options_.config.sync_frequency);
      return;
    }
    begin(world, p, Op::kSandbox,
          options_.config.sandbox.at(pod_draw(world, pod, kDrawSandbox, pod.sandboxes)));
    return;
  }
  try_start(world, p, c);
}

void NodeFleet::end_round(sim::World& world, uint32_t p) {
  PodRuntime& pod = pods_[p];
  // The next sync waits for a relist that is younger than this one (pod_workers.go podWorkerLoop,
  // GetNewerThan).
  if (pod.dirty) relist_soon(world, p);
  // A pod whose containers have all ended for good is over; its sidecars end now.
  if (finished(pod)) {
    terminate(world, p, Duration::seconds(spec_grace(*pod.object)));
    return;
  }
  if (!pod.round_failed && !pod.round_in_backoff) return;
  Duration wait = options_.config.sync_retry;
  if (pod.round_retry_at != kNever) {
    wait = std::clamp(pod.round_retry_at - world.now(), Duration(), options_.config.sync_frequency);
  }
  sync_later(world, p, wait);
}

// After the time given or up to half as much again.
void NodeFleet::sync_later(sim::World& world, uint32_t p, Duration wait) {
  PodRuntime& pod = pods_[p];
  wait += Delay{{}, wait / 2}.at(pod_draw(world, pod, kDrawRetry, pod.retries++));
  pod.retry_event = world.schedule(wait, id(), kPodRetry, p, pod.generation);
}

void NodeFleet::try_start(sim::World& world, uint32_t p, uint32_t slot) {
  PodRuntime& pod = pods_[p];
  ContainerRuntime& c = containers_[slot];
  const KubeletConfig& config = options_.config;
  c.round = pod.round;
  ++c.attempts;
  pod.op_container = slot;
  if (c.state == RunState::kTerminated) {
    const BackoffLimits limits{config.crash_backoff_initial, config.crash_backoff_max,
                               config.crash_backoff_forget};
    const SimTime ended = c.ended->finished_at;
    const Backoff backoff = c.setbacks ? c.setbacks->crash_backoff : Backoff();
    if (backoff.refuses(limits, ended, world.now())) {
      const std::string_view name = spec_of(c).name;
      const std::string full = full_name(*pod.object);
      pod_event(world, pod, "Warning", "BackOff",
                fmt::format("Back-off restarting failed container {} in pod {}", name, full));
      Setbacks& setbacks = c.setbacks.edit();
      setbacks.next_reason = "CrashLoopBackOff";
      setbacks.next_message = fmt::format("back-off {} restarting failed container={} pod={}",
                                          go_duration(backoff.current()), name, full);
      pod.round_in_backoff = true;
      pod.round_retry_at = std::min(pod.round_retry_at, ended + backoff.current());
      next_step(world, p);
      return;
    }
    c.setbacks.edit().crash_backoff.next(limits, ended, world.now());
  }
  ensure_image(world, p, slot);
}

void NodeFleet::start_failed(sim::World&, uint32_t p, uint32_t slot, std::string_view reason,
                             std::string_view message) {
  Setbacks& setbacks = containers_[slot].setbacks.edit();
  setbacks.next_reason = reason;
  setbacks.next_message = message;
  pods_[p].round_failed = true;
}

SimTime NodeFleet::next_relist(const sim::World& world, NodeIndex n) const {
  const Machine& m = machines_[n];
  const Duration period = options_.config.pleg_period;
  const SimTime phase =
      m.up_since + Delay{{}, period}.at(draw("node", world, m.entity, 5, m.boots));
  return tick_at_or_after(phase, period, world.now() + Duration::nanos(1));
}

void NodeFleet::relist_soon(sim::World& world, uint32_t p) {
  PodRuntime& pod = pods_[p];
  if (pod.pleg_pending) return;
  pod.pleg_pending = true;
  world.schedule(next_relist(world, pod.node), id(), kPleg, p, pod.generation);
}

// --- termination
// ----------------------------------------------------------------------------------

void NodeFleet::terminate(sim::World& world, uint32_t p, Duration grace) {
  PodRuntime& pod = pods_[p];
  const SimTime now = world.now();
  if (pod.terminating) {
    // A later request may only shorten.
    Ending& ending = pod.ending.edit();
    if (pod.stopped || grace >= ending.grace) return;
    ending.grace = grace;
    ending.kill_at = std::min(ending.kill_at, now + std::max(grace, options_.config.minimum_grace));
    for (const uint32_t c : pod.containers) {
      ContainerRuntime& container = containers_[c];
      if (container.state != RunState::kRunning || !container.got_sigterm) continue;
      Stop& stop = container.stop.edit();
      world.cancel(stop.kill_event);
      stop.kill_event =
          world.schedule(std::max(ending.kill_at, now), id(), kSigkill, c, container.process());
    }
    return;
  }
  pod.terminating = true;
  Ending& ending = pod.ending.edit();
  ending.grace = grace;
  ending.kill_at = now + std::max(grace, options_.config.minimum_grace);
  world.cancel(pod.retry_event);
  pod.retry_event = {};
  for (const uint32_t c : pod.containers) stop_probes(world, c, false);
  switch (pod.op) {
    case Op::kSandbox:
    case Op::kCreate:
    case Op::kStart:
    case Op::kPostStart:
      return;  // op_done() goes on with the termination
    default:
      world.cancel(pod.op_event);
      pod.op_event = {};
      pod.op = Op::kNone;
      continue_termination(world, p);
  }
}

void NodeFleet::continue_termination(sim::World& world, uint32_t p) {
  PodRuntime& pod = pods_[p];
  if (pod.stopped || pod.op == Op::kSandboxStop || pod.op == Op::kCleanup) return;
  if (pod.op != Op::kNone && pod.op != Op::kStopping) return;
  pod.op = Op::kStopping;
  const SimTime now = world.now();
  const Duration left = std::max(pod.ending.edit().kill_at - now, options_.config.minimum_grace);
  const auto stop = [&](uint32_t c) {
    if (containers_[c].stop_begun) return;
    stop_container(world, c, left,
                   fmt::format("Stopping container {}", spec_of(containers_[c]).name.view()));
  };
  // App and init containers together; then sidecars, the last one first.
  bool running = false;
  const api::List<uint32_t> members = pod.containers;
  for (const uint32_t c : members) {
    if (containers_[c].role == Role::kSidecar) continue;
    if (containers_[c].state != RunState::kRunning) continue;
    running = true;
    stop(c);
  }
  for (size_t i = members.size(); !running && i-- > 0;) {
    const uint32_t c = members[i];
    if (containers_[c].role != Role::kSidecar) continue;
    if (containers_[c].state != RunState::kRunning) continue;
    running = true;
    stop(c);
  }
  if (running) return;
  if (pods_[p].has_sandbox) {
    begin(world, p, Op::kSandboxStop,
          options_.config.sandbox_stop.at(pod_draw(world, pods_[p], kDrawSandboxStop, 0)));
    return;
  }
  PodRuntime& rest = pods_[p];
  rest.stopped = true;
  if (rest.ip_host != 0) machines_[rest.node].ip_owner[rest.ip_host] = UINT32_MAX;
  release(rest);
  status_changed(world, p);
  begin(world, p, Op::kCleanup,
        options_.config.pod_cleanup.at(pod_draw(world, rest, kDrawCleanup, 0)));
}

void NodeFleet::stop_container(sim::World& world, uint32_t slot, Duration grace,
                               std::string message) {
  ContainerRuntime& c = containers_[slot];
  PodRuntime& pod = pods_[c.pod];
  c.stop_begun = true;
  pod_event(world, pod, "Normal", "Killing", std::move(message));
  Duration hook;
  const api::Opt<api::Lifecycle>& lifecycle = spec_of(c).lifecycle;
  if (lifecycle && lifecycle->pre_stop) {
    hook = std::min(hook_time(*lifecycle->pre_stop, c.behavior->pre_stop), grace);
  }
  // Whole seconds of the hook count against the grace period.
  const Duration used = Duration::seconds(hook / Duration::seconds(1));
  c.stop.edit().grace = std::max(grace - used, options_.config.minimum_grace);
  if (hook <= Duration()) {
    sigterm(world, slot);
  } else {
    world.schedule(hook, id(), kSigterm, slot, c.process());
  }
}

void NodeFleet::sigterm(sim::World& world, uint32_t slot) {
  ContainerRuntime& c = containers_[slot];
  if (c.state != RunState::kRunning || c.got_sigterm) return;
  const bool watched = c.probes[static_cast<size_t>(ProbeKind::kReadiness)].active;
  if (watched) settle_probe(world, slot, ProbeKind::kReadiness, world.now());
  c.got_sigterm = true;
  Stop& stop = c.stop.edit();
  stop.sigterm_at = world.now();
  if (watched) arm_probe(world, slot, ProbeKind::kReadiness);
  stop.kill_event = world.schedule(stop.grace, id(), kSigkill, slot, c.process());
  if (!c.behavior->ignores_sigterm) {
    sim::Rng rng = app_rng(world, c, 5);
    const Duration takes = c.behavior->shutdown.sample_duration(rng);
    world.schedule(takes, id(), kAppExit, slot, c.process(), 2);
  }
  tell_container(world, slot, ContainerChange::kTerminating);
}

void NodeFleet::end_pod(sim::World& world, uint32_t p, std::string_view reason,
                        std::string_view message, Duration grace) {
  PodRuntime& pod = pods_[p];
  Ending& ending = pod.ending.edit();
  ending.reason = reason;
  ending.message = message;
  pod.forced_failed = true;
  status_changed(world, p);
  terminate(world, p, grace);
}

void NodeFleet::finish_pod(sim::World& world, uint32_t p) {
  PodRuntime& pod = pods_[p];
  pod.op = Op::kNone;
  if (pod.api_gone) {
    free_pod(world, p);
    return;
  }
  if (!pod.object->metadata.deletion_timestamp) return;  // ended by itself; the object stays
  pod.deleting = true;
  client::Request request;
  request.verb = client::Verb::kDelete;
  request.kind = api::Kind::Pod;
  request.ns = pod.object->metadata.namespace_;
  request.name = pod.object->metadata.name;
  request.uid = pod.object->metadata.uid;
  request.grace_period_seconds = 0;
  server(world).submit(world, machines_[pod.node].client, std::move(request),
                       cookie(Purpose::kDelete, pod.node, p));
}

}  // namespace mainspring::node
