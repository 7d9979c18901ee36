// Machines: power, registration, lease, node status, and the small accessors of the fleet.
#include "models/node/node_fleet.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/api/types/coordination.h"
#include "models/node/internal.h"
#include "sim/check.h"
#include "sim/hash.h"

namespace mainspring::node {

using sim::Duration;
using sim::SimTime;

// What the event recorder needs of a control context: the clock and a client.
class NodeFleet::EventContext final : public client::ControlContext {
 public:
  EventContext(NodeFleet& fleet, sim::World& world, NodeIndex n)
      : fleet_(fleet), world_(world), node_(n) {}

  api::Time now() const override { return fleet_.server(world_).wall(world_.now()); }
  void submit(client::Request request, client::Cookie cookie) override {
    fleet_.server(world_).submit(world_, fleet_.machines_[node_].client, std::move(request),
                                 cookie);
  }
  const client::Cache& cache(api::Kind) const override { refuse(); }
  client::TimerId set_timer(api::Time, client::Cookie) override { refuse(); }
  void cancel_timer(client::TimerId) override { refuse(); }
  std::vector<client::PodMetrics> pod_metrics(std::string_view) override { refuse(); }
  uint64_t random(std::string_view, uint64_t) const override { refuse(); }

 private:
  [[noreturn]] static void refuse() {
    sim::check_failed("event recorder", __FILE_NAME__, __LINE__, "asks for more than a client");
  }
  NodeFleet& fleet_;
  sim::World& world_;
  NodeIndex node_;
};

NodeFleet::NodeFleet(Options options) : options_(std::move(options)) {}

apiserver::ApiServer& NodeFleet::server(sim::World& world) const {
  return world.get(options_.server);
}
const apiserver::ApiServer& NodeFleet::server(const sim::World& world) const {
  return world.get(options_.server);
}

uint64_t NodeFleet::cookie(Purpose purpose, NodeIndex n, uint32_t slot) const {
  return uint64_t{static_cast<uint8_t>(purpose)} << 56 | uint64_t{n & 0xffffff} << 32 | slot;
}

uint64_t NodeFleet::draw(std::string_view stream, const sim::World& world, uint64_t entity,
                         uint64_t purpose, uint64_t attempt) const {
  return world.stream(stream).at(sim::hash_combine(entity, purpose), attempt);
}

void NodeFleet::note(sim::World& world, std::string_view key, std::string_view text) {
  world.record("model.note", key, text);
}

void NodeFleet::start(sim::World& world) {
  apiserver::ApiServer& api = server(world);
  watch_client_ = api.connect("kubelets", {0, 1}, {id(), kAnswer});
  api.watch(watch_client_, api::Kind::Pod, {id(), kPodWatch}, {.bound_pods_only = true});
}

void NodeFleet::handle(sim::World& world, const sim::Event& event) {
  const auto n = static_cast<NodeIndex>(event.a);
  const auto pod_fits = [&] {
    return pods_[event.a].in_use && pods_[event.a].generation == event.b;
  };
  // Events about a process name its container and incarnation; those of an earlier one, or of a
  // container that is gone, are void.
  const auto process_fits = [&] {
    const ContainerRuntime& c = containers_[event.a];
    return c.in_use && event.b == c.process();
  };
  const auto c = static_cast<uint32_t>(event.a);
  const auto p = static_cast<uint32_t>(event.a);
  switch (static_cast<EventKind>(event.kind)) {
    case kAnswer:
      answer(world, event.a, event.b);
      return;
    case kPodWatch: {
      const client::WatchEvent change = server(world).take_change(event.b);
      on_pod(world, change.object, change.type == client::WatchType::kDeleted);
      return;
    }
    case kBoot:
      if (machines_[n].boots == event.b && machines_[n].state == MachineState::kBooting) {
        boot(world, n);
      }
      return;
    case kRegister:
      if (machines_[n].boots == event.b && machines_[n].state == MachineState::kUp) {
        register_node(world, n);
      }
      return;
    case kNetworkUp:
      if (machines_[n].boots == event.b && machines_[n].state == MachineState::kUp) {
        network_up(world, n);
      }
      return;
    case kBeat: {
      Machine& m = machines_[n];
      if (m.boots != event.b || m.state != MachineState::kUp) return;
      m.beat = world.now();
      world.schedule(m.lease.period, id(), kBeat, n, m.boots);
      return;
    }
    case kPodOp:
      if (pod_fits()) op_done(world, p);
      return;
    case kPodRetry:
      if (pod_fits()) {
        pods_[p].retry_event = {};
        sync(world, p);
      }
      return;
    case kPleg:
      if (pod_fits()) {
        pods_[p].pleg_pending = false;
        if (pods_[p].terminating) {
          continue_termination(world, p);
        } else {
          sync(world, p);
        }
      }
      return;
    case kDeadline:
      if (pod_fits() && !pods_[p].terminating) {
        pod_event(world, pods_[p], "Normal", "DeadlineExceeded",
                  "Pod was active on the node longer than the specified deadline");
        end_pod(world, p, "DeadlineExceeded",
                "Pod was active on the node longer than the specified deadline",
                Duration::seconds(spec_grace(*pods_[p].object)));
      }
      return;
    case kStatusSend:
      if (event.c < machines_.size() && machines_[event.c].state == MachineState::kUp) {
        if (pod_fits()) {
          send_status(world, p);
        } else {
          machines_[event.c].status_busy = false;
          pump_status(world, event.c);
        }
      }
      return;
    case kPullDone:
      if (machines_[n].boots == event.b && machines_[n].state == MachineState::kUp) {
        pull_done(world, n);
      }
      return;
    case kAppListening:
      if (process_fits()) app_listening(world, c);
      return;
    case kAppExit:
      if (process_fits() && containers_[c].state == RunState::kRunning) {
        const AppBehavior& app = *containers_[c].behavior;
        const int32_t code = event.c == 2   ? app.sigterm_exit_code
                             : event.c == 1 ? app.crash_code
                                            : app.exit_code;
        process_ended(world, c, code, code == 0 ? "Completed" : "Error", false);
      }
      return;
    case kOom:
      if (process_fits() && containers_[c].state == RunState::kRunning) {
        containers_[c].oom_event = {};
        watch_memory(world, c);
      }
      return;
    case kQuota:
      if (process_fits() && containers_[c].state == RunState::kRunning) look_at_quota(world, c);
      return;
    case kProbe:
      if (process_fits()) probe_event(world, c, static_cast<ProbeKind>(event.c));
      return;
    case kSigterm:
      if (process_fits()) sigterm(world, c);
      return;
    case kSigkill:
      if (process_fits() && containers_[c].state == RunState::kRunning) {
        process_ended(world, c, 137, "Error", false);
      }
      return;
    case kEviction:
      if (machines_[n].boots == event.b && machines_[n].state == MachineState::kUp) {
        machines_[n].eviction_event = {};
        eviction_round(world, n);
      }
      return;
    case kMemoryCheck:
      if (machines_[n].boots == event.b && machines_[n].state == MachineState::kUp) {
        machines_[n].memory_event = {};
        check_pressure(world, n);
      }
      return;
    case kStatusRetry:
      if (pod_fits()) status_changed(world, p);
      return;
    case kDeleteRetry:
      if (pod_fits() && pods_[p].deleting) finish_pod(world, p);
      return;
    case kCreateNode:
      if (machines_[n].boots == event.b && machines_[n].state == MachineState::kUp) {
        create_node(world, n);
      }
      return;
    case kNodeStatus:
      if (machines_[n].boots == event.b && machines_[n].state == MachineState::kUp) {
        send_node_status(world, n);
      }
      return;
    case kImageList:
      if (machines_[n].boots == event.b && machines_[n].state == MachineState::kUp) {
        image_list_tick(world, n);
      }
      return;
    case kStatusLoop:
      if (machines_[n].boots == event.b && machines_[n].state == MachineState::kUp &&
          machines_[n].images_unreported) {
        send_node_status(world, n);
      }
      return;
  }
}

// --- machines
// -------------------------------------------------------------------------------------

NodeIndex NodeFleet::add_machine(sim::World& world, MachineSpec spec, Duration boot_after) {
  const auto n = static_cast<NodeIndex>(machines_.size());
  MAINSPRING_CHECK(n < 0xffffff, "too many machines");
  MAINSPRING_CHECK(!machine_by_name_.find(spec.name), "two machines named {}", spec.name.view());
  machine_by_name_.set(spec.name, n);
  Machine m;
  m.entity = sim::hash64(spec.name);
  m.spec = std::move(spec);
  m.cpu = CpuHost(MicroCores::from_milli(m.spec.cpu_milli));
  m.ip = host_address(n);
  m.ips = {api::HostIP{m.ip, {}}};
  m.recorder = client::EventRecorder("kubelet", cookie(Purpose::kEvent, n, 0), m.spec.name);
  api::Ref<api::Node> about = api::make<api::Node>();
  about->metadata.name = m.spec.name;
  about->metadata.uid = m.spec.name;  // the kubelet names its node so in events
  m.about = about;
  m.boots = 1;
  machines_.push_back(std::move(m));
  world.schedule(boot_after, id(), kBoot, n, 1);
  return n;
}

NodeIndex NodeFleet::find_machine(std::string_view name) const {
  const auto n = machine_by_name_.find(name);
  return n ? *n : kNoNode;
}

void NodeFleet::boot(sim::World& world, NodeIndex n) {
  Machine& m = machines_[n];
  m.state = MachineState::kUp;
  m.up_since = world.now();
  list_images(n);
  if (!m.connected) {
    m.client = server(world).connect(fmt::format("kubelet/{}/{}", m.spec.name.view(), n),
                                     {options_.config.api_qps_milli, options_.config.api_burst},
                                     {id(), kAnswer});
    m.connected = true;
  }
  if (options_.instant_registration && world.now() == SimTime()) {
    register_node(world, n);
    return;
  }
  const uint64_t bits = draw("node", world, m.entity, 1, m.boots);
  world.schedule(options_.config.register_node.at(bits), id(), kRegister, n, m.boots);
}

void NodeFleet::register_node(sim::World& world, NodeIndex n) {
  Machine& m = machines_[n];
  const bool instant = options_.instant_registration && world.now() == SimTime();
  m.network = instant;
  m.registered = true;
  create_node(world, n);
  if (instant) {
    send_node_status(world, n);
  } else {
    const std::string_view name = m.spec.name;
    node_event(world, n, "Normal", "Starting", "Starting kubelet.");
    for (const std::string_view reason :
         {"NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID"}) {
      node_event(world, n, "Normal", reason,
                 fmt::format("Node {} status is now: {}", name, reason));
    }
    if (m.boots > 1) {
      node_event(world, n, "Warning", "Rebooted",
                 fmt::format("Node {} has been rebooted, boot id: {}", name, boot_id(m)));
    }
    const uint64_t bits = draw("node", world, m.entity, 2, m.boots);
    world.schedule(options_.config.network_ready.at(bits), id(), kNetworkUp, n, m.boots);
  }
  const uint64_t bits = draw("node", world, m.entity, 3, m.boots);
  const Duration quarter = options_.config.lease_duration / 4;
  m.lease.start = server(world).wall(world.now());
  m.lease.period = Delay{quarter, options_.config.lease_jitter}.at(bits);
  write_lease(world, n, true);
  if (options_.config.simulate_every_beat) {
    m.beat = world.now();
    world.schedule(m.lease.period, id(), kBeat, n, m.boots);
  }
  tell_node(world, n, NodeChange::kUp);
  // Pods that were bound to it while nobody listened.
  if (m.boots > 1) adopt_pods(world, n);
}

void NodeFleet::create_node(sim::World& world, NodeIndex n) {
  client::Request create;
  create.verb = client::Verb::kCreate;
  create.kind = api::Kind::Node;
  create.name = machines_[n].spec.name;
  create.body = node_object(world, n);
  if (options_.instant_registration && world.now() == SimTime()) {
    server(world).execute(world, create);
  } else {
    server(world).submit(world, machines_[n].client, create, cookie(Purpose::kNode, n, 0));
  }
}

void NodeFleet::network_up(sim::World& world, NodeIndex n) {
  Machine& m = machines_[n];
  m.network = true;
  send_node_status(world, n);
  node_event(world, n, "Normal", "NodeReady",
             fmt::format("Node {} status is now: NodeReady", m.spec.name.view()));
  note(world, fmt::format("Node/{}", m.spec.name.view()),
       fmt::format("Node {} is ready.", m.spec.name.view()));
  // Pod workers that waited for the network.
  const std::vector<uint32_t> waiting = m.pods;
  for (const uint32_t p : waiting) {
    if (!pods_[p].terminating) sync(world, p);
  }
}

void NodeFleet::crash(sim::World& world, NodeIndex n, std::string_view why) {
  if (machines_[n].state != MachineState::kUp && machines_[n].state != MachineState::kBooting) {
    return;
  }
  note(world, fmt::format("Node/{}", machines_[n].spec.name.view()),
       fmt::format("Node {} lost power: {}.", machines_[n].spec.name.view(), why));
  power_off(world, n, MachineState::kDown);
}

void NodeFleet::recover(sim::World& world, NodeIndex n, std::optional<Duration> boot_after) {
  Machine& m = machines_[n];
  if (m.state != MachineState::kDown) return;
  m.state = MachineState::kBooting;
  ++m.boots;
  const Duration after = boot_after
                             ? *boot_after
                             : options_.config.reboot.at(draw("node", world, m.entity, 4, m.boots));
  note(world, fmt::format("Node/{}", m.spec.name.view()),
       fmt::format("Node {} has power again and boots.", m.spec.name.view()));
  world.schedule(after, id(), kBoot, n, m.boots);
}

void NodeFleet::remove_machine(sim::World& world, NodeIndex n) {
  if (machines_[n].state == MachineState::kGone) return;
  note(world, fmt::format("Node/{}", machines_[n].spec.name.view()),
       fmt::format("Machine {} is gone.", machines_[n].spec.name.view()));
  power_off(world, n, MachineState::kGone);
  machine_by_name_.erase(machines_[n].spec.name);
  const std::vector<uint32_t> pods = machines_[n].pods;
  for (const uint32_t p : pods) free_pod(world, p);
}

void NodeFleet::power_off(sim::World& world, NodeIndex n, MachineState to) {
  const bool was_up = machines_[n].state == MachineState::kUp;
  machines_[n].state = to;
  if (!was_up) return;
  if (machines_[n].registered) write_lease(world, n, false);
  const std::vector<uint32_t> pods = machines_[n].pods;
  for (const uint32_t p : pods) {
    PodRuntime& pod = pods_[p];
    world.cancel(pod.op_event);
    world.cancel(pod.retry_event);
    pod.op = Op::kNone;
    pod.op_event = {};
    pod.retry_event = {};
    pod.status_queued = false;
    pod.deleting = false;
    pod.has_sandbox = false;
    // Pending relists and statuses of the old boot are void: the generation moves on.
    pod.pleg_pending = false;
    pod.dirty = false;
    const api::List<uint32_t> members = pod.containers;
    for (const uint32_t c : members) {
      if (containers_[c].state == RunState::kRunning) {
        process_ended(world, c, 255, "Unknown", true);
      }
    }
    ++pods_[p].generation;
  }
  Machine& m = machines_[n];
  m.status_queue.clear();
  m.status_busy = false;
  m.pulls.clear();
  world.cancel(m.pull_event);
  world.cancel(m.eviction_event);
  world.cancel(m.memory_event);
  m.pull_event = m.eviction_event = m.memory_event = {};
  m.memory_pressure = false;
  m.image_list_due = m.images_unreported = false;
  m.network = false;
  m.registered = false;
  m.recorder = client::EventRecorder("kubelet", cookie(Purpose::kEvent, n, m.boots), m.spec.name);
  tell_node(world, n, to == MachineState::kGone ? NodeChange::kGone : NodeChange::kDown);
}

api::Time NodeFleet::lease_renewed(const sim::World& world, NodeIndex n) const {
  const Machine& m = machines_[n];
  if (!m.lease.start) return {};
  if (m.state != MachineState::kUp || !m.registered) return m.lease.start;
  if (options_.config.simulate_every_beat) return server(world).wall(m.beat);
  return m.lease.renewed_at(server(world).wall(world.now()));
}

void NodeFleet::write_lease(sim::World& world, NodeIndex n, bool running) {
  Machine& m = machines_[n];
  apiserver::ApiServer& api = server(world);
  const api::Time now = api.wall(world.now());
  if (!running) m.lease = {m.lease.renewed_at(now), {}};
  const api::Lease* old = api.get<api::Lease>("kube-node-lease", m.spec.name);
  api::Ref<api::Lease> lease = old ? api::clone(*old) : api::make<api::Lease>();
  lease->metadata.name = m.spec.name;
  lease->metadata.namespace_ = "kube-node-lease";
  lease->spec.holder_identity = m.spec.name;
  lease->spec.lease_duration_seconds =
      static_cast<int32_t>(options_.config.lease_duration / Duration::seconds(1));
  lease->spec.renew_time = m.lease.start;
  if (running) {
    lease->metadata.annotations.set(client::kLeaseClockAnnotation,
                                    client::lease_clock_text(m.lease));
  } else {
    lease->metadata.annotations.erase(client::kLeaseClockAnnotation);
  }
  client::Request request;
  request.verb = old ? client::Verb::kUpdate : client::Verb::kCreate;
  request.kind = api::Kind::Lease;
  request.ns = "kube-node-lease";
  request.name = m.spec.name;
  request.body = lease;
  // At once and outside the client's budget: this stands for the renewals that are not written.
  api.execute(world, request);
}

api::Ref<const api::Node> NodeFleet::node_object(const sim::World& world, NodeIndex n) const {
  const Machine& m = machines_[n];
  const api::Time now = server(world).wall(world.now()).truncated_to_second();
  const api::Node* stored = server(world).get<api::Node>({}, m.spec.name);
  api::Ref<api::Node> node = api::make<api::Node>();
  node->metadata.name = m.spec.name;
  api::StrMap labels = m.spec.labels;
  labels.set("kubernetes.io/hostname", m.spec.name);
  labels.set("kubernetes.io/os", m.spec.os);
  labels.set("kubernetes.io/arch", m.spec.arch);
  if (!m.spec.zone.empty()) labels.set("topology.kubernetes.io/zone", m.spec.zone);
  if (!m.spec.region.empty()) labels.set("topology.kubernetes.io/region", m.spec.region);
  if (!m.spec.instance_type.empty()) {
    labels.set("node.kubernetes.io/instance-type", m.spec.instance_type);
  }
  node->metadata.labels = labels;
  node->spec.taints = m.spec.taints;
  node->spec.provider_id =
      fmt::format("mainspring:///{}/{}", m.spec.zone.view(), m.spec.name.view());
  node->spec.pod_cidr = pod_cidr(n);
  node->spec.pod_cidrs = {node->spec.pod_cidr};

  const Allocatable a = allocatable(m.spec, options_.config);
  const auto resources = [&](int64_t cpu, int64_t memory, int64_t disk) {
    using api::Quantity;
    api::Map<Quantity> map;
    map.set("cpu", Quantity::from_milli(cpu));
    map.set("ephemeral-storage", Quantity::from_value(disk));
    map.set("memory", Quantity::from_value(memory, Quantity::Format::kBinarySi));
    map.set("pods", Quantity::from_value(m.spec.max_pods));
    for (const auto& [name, amount] : m.spec.devices) map.set(name, amount);
    return map;
  };
  api::NodeStatus& status = node->status;
  status.capacity = resources(m.spec.cpu_milli, m.spec.memory_bytes, m.spec.disk_bytes);
  status.allocatable = resources(a.cpu_milli, a.memory_bytes, a.disk_bytes);
  const auto condition = [&](std::string_view type, bool on, std::string_view reason,
                             std::string_view message) {
    api::NodeCondition c;
    c.type = type;
    c.status = on ? "True" : "False";
    c.reason = reason;
    c.message = message;
    c.last_heartbeat_time = now;
    c.last_transition_time = now;
    if (stored) {
      for (const api::NodeCondition& old : stored->status.conditions) {
        if (old.type == c.type && old.status == c.status) {
          c.last_transition_time = old.last_transition_time;
        }
      }
    }
    status.conditions.push_back(c);
  };
  if (m.memory_pressure) {
    condition("MemoryPressure", true, "KubeletHasInsufficientMemory",
              "kubelet has insufficient memory available");
  } else {
    condition("MemoryPressure", false, "KubeletHasSufficientMemory",
              "kubelet has sufficient memory available");
  }
  condition("DiskPressure", false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure");
  condition("PIDPressure", false, "KubeletHasSufficientPID",
            "kubelet has sufficient PID available");
  if (m.network) {
    condition("Ready", true, "KubeletReady", "kubelet is posting ready status");
  } else {
    condition("Ready", false, "KubeletNotReady",
              "container runtime network not ready: NetworkReady=false "
              "reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not "
              "initialized");
  }
  status.addresses = {{"InternalIP", m.ip}, {"Hostname", m.spec.name}};
  status.daemon_endpoints.kubelet_endpoint.port = 10250;
  status.images = m.image_list;
  api::NodeSystemInfo& info = status.node_info;
  info.machine_id = fmt::format("{:016x}{:016x}", m.entity, sim::mix64(m.entity));
  info.system_uuid = info.machine_id;
  info.boot_id = boot_id(m);
  info.kernel_version = "6.6.0";
  info.os_image = "Mainspring";
  info.container_runtime_version = "containerd://2.1.0";
  info.kubelet_version = "v1.35.0";
  info.kube_proxy_version = "";
  info.operating_system = m.spec.os;
  info.architecture = m.spec.arch;
  return node;
}

void NodeFleet::send_node_status(sim::World& world, NodeIndex n) {
  Machine& m = machines_[n];
  m.images_unreported = false;
  client::Request patch;
  patch.verb = client::Verb::kPatchStatus;
  patch.kind = api::Kind::Node;
  patch.name = m.spec.name;
  patch.body = node_object(world, n);
  if (options_.instant_registration && world.now() == SimTime()) {
    server(world).execute(world, patch);
  } else {
    server(world).submit(world, m.client, patch, cookie(Purpose::kNode, n, 1));
  }
}

void NodeFleet::answer(sim::World& world, uint64_t cookie, uint64_t ticket) {
  const client::Outcome outcome = server(world).take_outcome(ticket);
  const auto purpose = static_cast<Purpose>(cookie >> 56);
  const auto n = static_cast<NodeIndex>(cookie >> 32 & 0xffffff);
  const auto slot = static_cast<uint32_t>(cookie);
  Machine& m = machines_[n];
  if (m.state != MachineState::kUp) return;
  switch (purpose) {
    case Purpose::kEvent: {
      if (cookie != m.recorder.cookie()) return;  // asked for before a crash
      EventContext ctx(*this, world, n);
      m.recorder.on_outcome(ctx, outcome);
      return;
    }
    case Purpose::kStatus:
      m.status_busy = false;
      // A server that does not answer is asked again by the next full reconciliation.
      if (outcome.code >= 500 && slot < pods_.size() && pods_[slot].in_use &&
          pods_[slot].node == n) {
        world.schedule(options_.config.status_reconcile, id(), kStatusRetry, slot,
                       pods_[slot].generation);
      }
      pump_status(world, n);
      return;
    case Purpose::kDelete:
      if (outcome.code >= 500 && slot < pods_.size() && pods_[slot].in_use &&
          pods_[slot].node == n && pods_[slot].deleting) {
        world.schedule(options_.config.status_reconcile, id(), kDeleteRetry, slot,
                       pods_[slot].generation);
      }
      return;
    case Purpose::kNode:
      // A Node object of an earlier boot is kept and brought up to date. One that was deleted under
      // a running kubelet is not made again before it restarts.
      if (slot == 0 && outcome.code == 409) {
        send_node_status(world, n);
      } else if (outcome.code >= 500) {
        world.schedule(options_.config.registration_retry, id(),
                       slot == 0 ? kCreateNode : kNodeStatus, n, m.boots);
      }
      return;
  }
}

void NodeFleet::tell_node(sim::World& world, NodeIndex n, NodeChange change) {
  for (const Listener& l : listeners_) {
    if (l.node_changed == Listener::kNone) continue;
    world.schedule(Duration(), l.component, l.node_changed, n, static_cast<uint64_t>(change));
  }
}

void NodeFleet::tell_container(sim::World& world, uint32_t c, ContainerChange change) {
  const ContainerHandle h{c, containers_[c].generation};
  for (const Listener& l : listeners_) {
    if (l.container_changed == Listener::kNone) continue;
    world.schedule(Duration(), l.component, l.container_changed, h.packed(),
                   static_cast<uint64_t>(change));
  }
}

void NodeFleet::pod_event(sim::World& world, PodRuntime& pod, std::string_view type,
                          std::string_view reason, std::string message) {
  if (!options_.config.record_events) return;
  EventContext ctx(*this, world, pod.node);
  machines_[pod.node].recorder.event(ctx, *pod.object, type, reason, std::move(message));
}

void NodeFleet::node_event(sim::World& world, NodeIndex n, std::string_view type,
                           std::string_view reason, std::string message) {
  if (!options_.config.record_events) return;
  EventContext ctx(*this, world, n);
  machines_[n].recorder.event(ctx, *machines_[n].about, type, reason, std::move(message));
}

// --- accessors
// ------------------------------------------------------------------------------------

PodHandle NodeFleet::find_pod(std::string_view ns, std::string_view name) const {
  const uint32_t p = pod_slot(ns, name);
  return p == kNoPod ? PodHandle{} : PodHandle{p, pods_[p].generation};
}

PodHandle NodeFleet::pod_at(std::string_view ip) const {
  const auto address = parse_pod_address(ip);
  if (!address || address->node >= machines_.size()) return {};
  const std::vector<uint32_t>& owners = machines_[address->node].ip_owner;
  if (address->host >= owners.size() || owners[address->host] == UINT32_MAX) return {};
  const uint32_t p = owners[address->host];
  return {p, pods_[p].generation};
}

bool NodeFleet::alive(PodHandle h) const {
  return h.slot < pods_.size() && pods_[h.slot].in_use && pods_[h.slot].generation == h.generation;
}
NodeIndex NodeFleet::node_of(PodHandle h) const { return alive(h) ? pods_[h.slot].node : kNoNode; }
const api::Pod& NodeFleet::object(PodHandle h) const {
  MAINSPRING_CHECK(alive(h), "stale pod handle");
  return *pods_[h.slot].object;
}

ContainerHandle NodeFleet::container_for_port(PodHandle h, int32_t port) const {
  if (!alive(h)) return {};
  const PodRuntime& pod = pods_[h.slot];
  for (const uint32_t c : pod.containers) {
    if (containers_[c].role == Role::kInit) continue;
    for (const api::ContainerPort& declared : spec_of(containers_[c]).ports) {
      if (declared.container_port == port) return {c, containers_[c].generation};
    }
  }
  if (pod.init_count >= pod.containers.size()) return {};
  const uint32_t first = pod.containers[pod.init_count];
  return {first, containers_[first].generation};
}

ContainerHandle NodeFleet::container(PodHandle h, std::string_view name) const {
  if (!alive(h)) return {};
  for (const uint32_t c : pods_[h.slot].containers) {
    if (spec_of(containers_[c]).name == name) return {c, containers_[c].generation};
  }
  return {};
}

std::vector<PodHandle> NodeFleet::pods() const {
  std::vector<PodHandle> all;
  for (uint32_t p = 0; p < pods_.size(); ++p) {
    if (pods_[p].in_use) all.push_back({p, pods_[p].generation});
  }
  return all;
}

std::vector<ContainerHandle> NodeFleet::containers(PodHandle h) const {
  std::vector<ContainerHandle> all;
  if (!alive(h)) return all;
  for (const uint32_t c : pods_[h.slot].containers) all.push_back({c, containers_[c].generation});
  return all;
}

bool NodeFleet::alive(ContainerHandle h) const {
  return h.slot < containers_.size() && containers_[h.slot].in_use &&
         containers_[h.slot].generation == h.generation;
}
PodHandle NodeFleet::pod_of(ContainerHandle h) const {
  if (!alive(h)) return {};
  const uint32_t p = containers_[h.slot].pod;
  return {p, pods_[p].generation};
}
NodeIndex NodeFleet::node_of(ContainerHandle h) const {
  return alive(h) ? pods_[containers_[h.slot].pod].node : kNoNode;
}
std::string_view NodeFleet::container_name(ContainerHandle h) const {
  return alive(h) ? spec_of(containers_[h.slot]).name.view() : std::string_view();
}
bool NodeFleet::running(ContainerHandle h) const {
  return alive(h) && containers_[h.slot].state == RunState::kRunning;
}
bool NodeFleet::accepts(ContainerHandle h) const {
  if (!running(h)) return false;
  const ContainerRuntime& c = containers_[h.slot];
  return c.listening && !(c.got_sigterm && c.behavior->closes_on_sigterm);
}
int32_t NodeFleet::restarts(ContainerHandle h) const {
  return alive(h) ? containers_[h.slot].restarts : 0;
}
const AppBehavior& NodeFleet::behavior(ContainerHandle h) const {
  MAINSPRING_CHECK(alive(h), "stale container handle");
  return *containers_[h.slot].behavior;
}

}  // namespace mainspring::node
