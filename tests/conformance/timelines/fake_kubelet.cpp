#include "fake_kubelet.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "models/api/pod_helpers.h"
#include "models/api/types/coordination.h"
#include "models/api/types/core.h"

namespace mainspring::conformance {

namespace {
// Seconds with a fraction, as the annotations have them.
sim::Duration seconds(std::string_view text, sim::Duration otherwise) {
  if (text.empty()) return otherwise;
  int64_t whole = 0;
  const char* end = text.data() + text.size();
  const char* at = std::from_chars(text.data(), end, whole).ptr;
  int64_t ns = whole * 1'000'000'000;
  if (at != end && *at == '.') {
    int64_t unit = 100'000'000;
    for (++at; at != end && *at >= '0' && *at <= '9'; ++at, unit /= 10) ns += (*at - '0') * unit;
  }
  return sim::Duration::nanos(ns);
}

api::PodCondition condition(std::string_view type, std::string_view status, std::string_view reason,
                            api::Time at) {
  api::PodCondition c;
  c.type = type;
  c.status = status;
  c.reason = reason;
  c.last_transition_time = at;
  return c;
}
}  // namespace

FakeKubelet::FakeKubelet(sim::ComponentRef<apiserver::ApiServer> server, FakeNodes nodes,
                         ScriptedMetrics metrics)
    : server_(server), nodes_(std::move(nodes)), metrics_(std::move(metrics)) {}

void FakeKubelet::start(sim::World& world) {
  apiserver::ApiServer& server = world.get(server_);
  client_ = server.connect("fake-kubelet", {0, 0}, {id(), kOutcome});
  server.watch(client_, api::Kind::Pod, {id(), kPodChange}, {.bound_pods_only = true});
  create_nodes(world);
}

void FakeKubelet::create_nodes(sim::World& world) {
  apiserver::ApiServer& server = world.get(server_);
  const api::Time now = server.wall(world.now()).truncated_to_second();
  for (int i = 0; i < nodes_.nodes; ++i) {
    api::Ref<api::Node> node = api::make<api::Node>();
    const std::string name = fmt::format("n-{}", i);
    node->metadata.name = name;
    node->metadata.labels = {{"kubernetes.io/hostname", name},
                             {"topology.kubernetes.io/zone", fmt::format("z{}", i % nodes_.zones)},
                             {"kubernetes.io/os", "linux"},
                             {"kubernetes.io/arch", "amd64"},
                             {"beta.kubernetes.io/os", "linux"},
                             {"beta.kubernetes.io/arch", "amd64"}};
    const auto quantity = [](std::string_view text) { return *api::Quantity::parse(text); };
    node->status.capacity = {{"cpu", quantity(nodes_.cpu)},
                             {"memory", quantity("16Gi")},
                             {"pods", quantity("110")},
                             {"ephemeral-storage", quantity("100Gi")}};
    node->status.allocatable = node->status.capacity;
    constexpr std::array<std::pair<const char*, const char*>, 4> kHealthy = {{
        {"MemoryPressure", "KubeletHasSufficientMemory"},
        {"DiskPressure", "KubeletHasNoDiskPressure"},
        {"PIDPressure", "KubeletHasSufficientPID"},
        {"Ready", "KubeletReady"},
    }};
    for (const auto& [type, reason] : kHealthy) {
      api::NodeCondition c;
      c.type = type;
      c.status = std::string_view(type) == "Ready" ? "True" : "False";
      c.reason = reason;
      c.last_heartbeat_time = now;
      c.last_transition_time = now;
      node->status.conditions.push_back(c);
    }
    client::Request r;
    r.verb = client::Verb::kCreate;
    r.kind = api::Kind::Node;
    r.body = node;
    server.execute(world, r);

    api::Ref<api::Lease> lease = api::make<api::Lease>();
    lease->metadata.name = name;
    lease->metadata.namespace_ = "kube-node-lease";
    lease->spec.holder_identity = name;
    lease->spec.lease_duration_seconds = 40;
    lease->spec.renew_time = server.wall(world.now());
    r = client::Request();
    r.verb = client::Verb::kCreate;
    r.kind = api::Kind::Lease;
    r.ns = "kube-node-lease";
    r.body = lease;
    server.execute(world, r);
  }
  world.schedule(sim::Duration::seconds(10), id(), kRenew);
}

void FakeKubelet::handle(sim::World& world, const sim::Event& event) {
  apiserver::ApiServer& server = world.get(server_);
  switch (event.kind) {
    case kPodChange:
      on_pod(world, server.take_change(event.b));
      return;
    case kOutcome:
      server.take_outcome(event.b);
      if (event.a > 0) plan_exit(world, event.a - 1);
      return;
    case kRun:
      run_pod(world, pods_[event.a]);
      return;
    case kExit:
      exit_pod(world, pods_[event.a], static_cast<int32_t>(event.b));
      return;
    case kGone: {
      const Pod& pod = pods_[event.a];
      client::Request r;
      r.verb = client::Verb::kDelete;
      r.kind = api::Kind::Pod;
      r.ns = pod.ns;
      r.name = pod.name;
      r.uid = pod.uid;
      r.grace_period_seconds = 0;
      server.submit(world, client_, std::move(r), 0);
      return;
    }
    case kRenew:
      for (int i = 0; i < nodes_.nodes; ++i) {
        const std::string name = fmt::format("n-{}", i);
        if (stopped_.contains(name)) continue;
        const api::Lease* lease = server.get<api::Lease>("kube-node-lease", name);
        if (!lease) continue;
        api::Ref<api::Lease> next = api::clone(*lease);
        next->spec.renew_time = server.wall(world.now());
        client::Request r;
        r.verb = client::Verb::kUpdate;
        r.kind = api::Kind::Lease;
        r.ns = "kube-node-lease";
        r.name = name;
        r.body = next;
        server.execute(world, r);
      }
      world.schedule(sim::Duration::seconds(10), id(), kRenew);
      return;
    default:
      return;
  }
}

void FakeKubelet::on_pod(sim::World& world, const client::WatchEvent& change) {
  const api::Pod& pod = api::as<api::Pod>(*change.object);
  if (change.type == client::WatchType::kDeleted) return;
  if (stopped_.contains(pod.spec.node_name.str())) return;
  const std::string uid = pod.metadata.uid.str();
  const auto [found, fresh] = by_uid_.try_emplace(uid, pods_.size());
  if (fresh) {
    pods_.push_back(Pod{pod.metadata.namespace_, pod.metadata.name, pod.metadata.uid, false});
    if (!pod.metadata.deletion_timestamp) {
      // It works off its pods one after the other: the recorded status writes are 3 to 20 ms apart.
      const sim::SimTime due = world.now() + seconds(pod.metadata.annotations.get("tl/start"),
                                                     sim::Duration::seconds(1));
      last_run_ = std::max(due, last_run_ + sim::Duration::millis(4));
      world.schedule(last_run_, id(), kRun, found->second);
    }
  }
  Pod& own = pods_[found->second];
  if (pod.metadata.deletion_timestamp && !own.removing) {
    own.removing = true;
    world.schedule(seconds(pod.metadata.annotations.get("tl/term"), sim::Duration::millis(500)),
                   id(), kGone, found->second);
  }
}

void FakeKubelet::put_status(sim::World& world, const api::Pod& live, const api::PodStatus& status,
                             uint64_t cookie) {
  api::Ref<api::Pod> body = api::clone(live);
  body->status = status;
  client::Request r;
  r.verb = client::Verb::kPatchStatus;
  r.kind = api::Kind::Pod;
  r.ns = live.metadata.namespace_;
  r.name = live.metadata.name;
  r.body = body;
  world.get(server_).submit(world, client_, std::move(r), cookie);
}

void FakeKubelet::run_pod(sim::World& world, const Pod& pod) {
  apiserver::ApiServer& server = world.get(server_);
  const api::Pod* live = server.get<api::Pod>(pod.ns, pod.name);
  if (!live || live->metadata.uid != pod.uid || api::is_terminal(*live)) return;
  if (stopped_.contains(live->spec.node_name.str())) return;
  const api::Time now = server.wall(world.now()).truncated_to_second();
  api::PodStatus status = live->status;
  status.phase = "Running";
  status.start_time = now;
  status.host_ip = "10.1.0.1";
  const uint64_t word = world.stream("fake-kubelet.ip").at(sim::hash64(pod.uid.view()), 0);
  status.pod_ip = fmt::format("10.2.{}.{}", (word >> 8) & 255, word & 255);
  api::PodIP ip;
  ip.ip = status.pod_ip;
  status.pod_ips = {ip};
  std::vector<api::PodCondition> conditions;
  for (const char* type :
       {"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"}) {
    conditions.push_back(condition(type, "True", "", now));
  }
  for (const api::PodCondition& c : live->status.conditions) {
    const bool set = std::any_of(conditions.begin(), conditions.end(),
                                 [&](const api::PodCondition& n) { return n.type == c.type; });
    if (!set) conditions.push_back(c);
  }
  status.conditions = api::List<api::PodCondition>(std::move(conditions));
  status.container_statuses.clear();
  for (const api::Container& c : live->spec.containers) {
    api::ContainerStatus s;
    s.name = c.name;
    s.image = c.image;
    s.ready = true;
    s.started = true;
    api::ContainerStateRunning running;
    running.started_at = now;
    s.state.running = running;
    status.container_statuses.push_back(s);
  }
  put_status(world, *live, status, by_uid_.at(pod.uid.str()) + 1);
}

// Its containers run for as long as the annotation says from when that was written.
void FakeKubelet::plan_exit(sim::World& world, size_t number) {
  const Pod& pod = pods_[number];
  const api::Pod* live = world.get(server_).get<api::Pod>(pod.ns, pod.name);
  if (!live || live->metadata.uid != pod.uid) return;
  const std::string_view exit = live->metadata.annotations.get("tl/exit");
  if (exit.empty()) return;
  int32_t code = 0;
  const size_t colon = exit.find(':');
  std::from_chars(exit.data(), exit.data() + colon, code);
  world.schedule(seconds(exit.substr(colon + 1), sim::Duration()), id(), kExit, number,
                 static_cast<uint64_t>(code));
}

void FakeKubelet::exit_pod(sim::World& world, const Pod& pod, int32_t code) {
  apiserver::ApiServer& server = world.get(server_);
  const api::Pod* live = server.get<api::Pod>(pod.ns, pod.name);
  if (!live || live->metadata.uid != pod.uid) return;
  if (stopped_.contains(live->spec.node_name.str())) return;
  const api::Time now = server.wall(world.now()).truncated_to_second();
  api::PodStatus status = live->status;
  status.phase = code == 0 ? "Succeeded" : "Failed";
  for (const char* type : {"Ready", "ContainersReady"}) {
    api::set_pod_condition(status, condition(type, "False", code == 0 ? "PodCompleted" : "", now));
  }
  for (api::ContainerStatus& s : status.container_statuses.edit()) {
    s.ready = false;
    s.started = false;
    api::ContainerStateTerminated ended;
    ended.exit_code = code;
    ended.reason = code == 0 ? "Completed" : "Error";
    if (s.state.running) ended.started_at = s.state.running->started_at;
    ended.finished_at = now;
    s.state.running.reset();
    s.state.terminated = ended;
  }
  put_status(world, *live, status, 0);
}

std::vector<client::PodMetrics> FakeKubelet::pod_metrics(const sim::World& world,
                                                         std::string_view ns) const {
  std::vector<client::PodMetrics> out;
  if (metrics_.demand_milli.empty()) return out;
  const apiserver::ApiServer& server = world.get(server_);
  const sim::Duration clock = world.now().since_start() - nodes_.settle;
  int64_t demand = 0;
  for (const auto& [from, milli] : metrics_.demand_milli) {
    if (clock >= from) demand = milli;
  }
  for (const api::ObjectRef& object : server.store().list(api::Kind::Pod, ns)) {
    const api::Pod& pod = api::as<api::Pod>(*object);
    if (pod.status.phase != "Running") continue;
    if (pod.metadata.deletion_timestamp) continue;
    client::PodMetrics m;
    m.name = pod.metadata.name;
    m.timestamp = server.wall(world.now());
    m.window = api::Duration::seconds(15);
    for (const api::Container& c : pod.spec.containers) m.containers.push_back({c.name, 0, 0});
    out.push_back(std::move(m));
  }
  if (out.empty()) return out;
  const int64_t each = std::min(demand / static_cast<int64_t>(out.size()), metrics_.cap_milli);
  for (client::PodMetrics& m : out) {
    if (!m.containers.empty()) m.containers.front().cpu_milli = each;
  }
  return out;
}

}  // namespace mainspring::conformance
