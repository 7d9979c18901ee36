#include "models/traffic/service_proxy.h"

#include <algorithm>
#include <string>
#include <utility>

#include "models/api/object.h"
#include "sim/check.h"
#include "sim/hash.h"

namespace mainspring::traffic {

using node::kNoNode;
using node::NodeIndex;
using sim::Duration;
using sim::SimTime;

namespace {

constexpr std::string_view kServiceName = "kubernetes.io/service-name";

std::string full_name(std::string_view ns, std::string_view name) {
  return std::string(ns).append("/").append(name);
}

// A number below n, from 64 uniform bits.
size_t below(uint64_t bits, size_t n) {
  return static_cast<size_t>((sim::detail::Uint128{bits} * n) >> 64);
}

bool same(const std::vector<Endpoint>& a, const std::vector<Endpoint>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Endpoint& x, const Endpoint& y) {
                      return x.container == y.container && x.node == y.node && x.key == y.key;
                    });
}

api::Ref<const api::EndpointSlice> shared(const api::Object& object) {
  object.refs.retain();
  return api::Ref<const api::EndpointSlice>(&api::as<api::EndpointSlice>(object));
}

void put(std::vector<NodeIndex>& sorted, NodeIndex n, bool in) {
  const auto at = std::lower_bound(sorted.begin(), sorted.end(), n);
  const bool is_in = at != sorted.end() && *at == n;
  if (in && !is_in) sorted.insert(at, n);
  if (!in && is_in) sorted.erase(at);
}

}  // namespace

ServiceProxy::ServiceProxy(Options options) : options_(options) {}

ServiceIndex ServiceProxy::service(std::string_view ns, std::string_view name) {
  const std::string key = full_name(ns, name);
  if (const auto known = by_name_.find(key)) return *known;
  MAINSPRING_CHECK(!started_, "service {} is asked for too late", key);
  const auto s = static_cast<ServiceIndex>(services_.size());
  Service service;
  service.ns = ns;
  service.name = name;
  service.latest = service.base = EndpointSetRef(new EndpointSet);
  services_.push_back(std::move(service));
  by_name_.set(key, s);
  return s;
}

void ServiceProxy::start(sim::World& world) {
  started_ = true;
  apiserver::ApiServer& server = world.get(options_.server);
  const apiserver::ClientId client = server.connect("kube-proxy", {}, {});
  server.watch(client, api::Kind::Service, {id(), kServiceWatch});
  server.watch(client, api::Kind::EndpointSlice, {id(), kSliceWatch});
  // What is there at the start is known everywhere.
  for (const api::ObjectRef& object : server.store().list(api::Kind::Service)) {
    const auto& service = api::as<api::Service>(*object);
    const auto s = by_name_.find(full_name(object->metadata.namespace_, object->metadata.name));
    if (s) read_service(services_[*s], service);
  }
  for (const api::ObjectRef& object : server.store().list(api::Kind::EndpointSlice)) {
    const auto s = by_name_.find(
        full_name(object->metadata.namespace_, object->metadata.labels.get(kServiceName)));
    if (!s) continue;
    put_slice(world, services_[*s], shared(*object), false);
  }
  for (Service& s : services_) s.latest = s.base = assemble(s);
  const node::NodeFleet& fleet = world.get(options_.fleet);
  for (NodeIndex n = 0; n < fleet.machine_count(); ++n) {
    if (fleet.state(n) == node::MachineState::kUp) up_.push_back(n);
  }
  balancer_nodes_ = up_;
}

void ServiceProxy::handle(sim::World& world, const sim::Event& event) {
  switch (event.kind) {
    case kServiceWatch: {
      const client::WatchEvent change = world.get(options_.server).take_change(event.b);
      on_service(world, api::as<api::Service>(*change.object),
                 change.type == client::WatchType::kDeleted);
      break;
    }
    case kSliceWatch: {
      const client::WatchEvent change = world.get(options_.server).take_change(event.b);
      on_slice(world, shared(*change.object), change.type == client::WatchType::kDeleted);
      break;
    }
    case kNodeChanged: {
      const auto n = static_cast<NodeIndex>(event.a);
      put(up_, n, static_cast<node::NodeChange>(event.b) == node::NodeChange::kUp);
      // Until the load balancers have seen the first machine there is nothing to detect.
      if (world.now() == SimTime()) {
        balancer_nodes_ = up_;
      } else {
        world.schedule(options_.proxy.balancer_detection, id(), kBalancerNotice, n);
      }
      break;
    }
    case kBalancerNotice: {
      const auto n = static_cast<NodeIndex>(event.a);
      put(balancer_nodes_, n, world.get(options_.fleet).state(n) == node::MachineState::kUp);
      break;
    }
    default:
      break;
  }
}

// --- what the API server says
// ---------------------------------------------------------------------

void ServiceProxy::read_service(Service& s, const api::Service& service) const {
  const api::ServiceSpec& spec = service.spec;
  s.exists = true;
  s.external = spec.type == "NodePort" || spec.type == "LoadBalancer";
  s.affinity = spec.session_affinity == "ClientIP";
  s.local_internal = spec.internal_traffic_policy == "Local";
  s.local_external = spec.external_traffic_policy == "Local";
  s.port_name = spec.ports.empty() ? api::Str() : spec.ports.front().name;
}

void ServiceProxy::on_service(sim::World& world, const api::Service& service, bool deleted) {
  const auto found = by_name_.find(full_name(service.metadata.namespace_, service.metadata.name));
  if (!found) return;
  Service& s = services_[*found];
  const api::Str port = s.port_name;
  if (deleted) {
    s.exists = false;
  } else {
    read_service(s, service);
  }
  if (s.port_name != port) {
    for (Slice& slice : s.slices) slice.part = resolve(world, s, *slice.object);
  }
  publish(world, *found);
}

void ServiceProxy::on_slice(sim::World& world, const api::Ref<const api::EndpointSlice>& slice,
                            bool deleted) {
  const auto s = by_name_.find(
      full_name(slice->metadata.namespace_, slice->metadata.labels.get(kServiceName)));
  if (s && put_slice(world, services_[*s], slice, deleted)) publish(world, *s);
}

// False when nothing that counts has changed.
bool ServiceProxy::put_slice(const sim::World& world, Service& s,
                             const api::Ref<const api::EndpointSlice>& slice, bool deleted) const {
  const auto at = std::lower_bound(
      s.slices.begin(), s.slices.end(), slice->metadata.name,
      [](const Slice& x, const api::Str& name) { return x.object->metadata.name < name; });
  const bool known = at != s.slices.end() && at->object->metadata.name == slice->metadata.name;
  if (deleted) {
    if (known) s.slices.erase(at);
    return known;
  }
  api::Ref<const SlicePart> part = resolve(world, s, *slice);
  if (!known) {
    s.slices.insert(at, {slice, std::move(part)});
    return true;
  }
  at->object = slice;
  if (same(at->part->ready, part->ready) && same(at->part->draining, part->draining)) return false;
  at->part = std::move(part);
  return true;
}

api::Ref<const SlicePart> ServiceProxy::resolve(const sim::World& world, const Service& s,
                                                const api::EndpointSlice& slice) const {
  const node::NodeFleet& fleet = world.get(options_.fleet);
  int32_t port = 0;
  for (const api::EndpointPort& p : slice.ports) {
    const api::Str name = p.name.value_or(api::Str());
    if (port == 0 || name == s.port_name) port = p.port.value_or(0);
    if (name == s.port_name) break;
  }
  api::Ref<SlicePart> part(new SlicePart);
  for (const api::Endpoint& e : slice.endpoints) {
    const bool ready = e.conditions.ready.value_or(true);
    const bool serving = e.conditions.serving.value_or(ready);
    const bool terminating = e.conditions.terminating.value_or(false);
    if (!ready && !(serving && terminating)) continue;
    Endpoint out;
    if (!e.addresses.empty()) out.key = sim::hash64(e.addresses.front());
    out.node = fleet.find_machine(e.node_name);
    node::PodHandle pod;
    if (e.target_ref && e.target_ref->kind == "Pod") {
      pod = fleet.find_pod(e.target_ref->namespace_, e.target_ref->name);
      // Another pod of the same name may be there already.
      if (fleet.alive(pod) && !e.target_ref->uid.empty() &&
          fleet.object(pod).metadata.uid != e.target_ref->uid) {
        pod = {};
      }
    } else if (!e.addresses.empty()) {
      pod = fleet.pod_at(e.addresses.front());
    }
    if (fleet.alive(pod)) {
      out.container = fleet.container_for_port(pod, port);
      out.node = fleet.node_of(pod);
    }
    (ready ? part->ready : part->draining).push_back(out);
  }
  return part;
}

EndpointSetRef ServiceProxy::assemble(const Service& s) const {
  api::Ref<EndpointSet> set(new EndpointSet);
  if (!s.exists) return set;
  set->draining = true;
  for (const Slice& slice : s.slices) {
    if (!slice.part->ready.empty()) set->draining = false;
  }
  size_t size = 0;
  for (const Slice& slice : s.slices) {
    const size_t n = set->of(*slice.part).size();
    if (n == 0) continue;
    size += n;
    set->parts.push_back(slice.part);
    set->ends.push_back(size);
  }
  return set;
}

// Writes what the service's endpoints are now to the log, if that is news.
void ServiceProxy::publish(sim::World& world, ServiceIndex index) {
  Service& s = services_[index];
  EndpointSetRef set = assemble(s);
  if (set->parts == s.latest->parts && set->draining == s.latest->draining) return;
  s.latest = set;
  const ProxyOptions& proxy = options_.proxy;
  // Older changes are programmed on every node.
  const Duration settled =
      Duration::seconds(60) + 4 * (proxy.min_sync + proxy.watch_lag.base + proxy.watch_lag.spread +
                                   proxy.programming.base + proxy.programming.spread);
  while (!log_.empty() && log_.front().at < world.now() - settled) {
    services_[log_.front().service].base = std::move(log_.front().set);
    log_.pop_front();
    ++first_change_;
  }
  log_.push_back({world.now(), index, std::move(set)});
}

// --- what a node knows
// ----------------------------------------------------------------------------

ServiceProxy::Node& ServiceProxy::caught_up(const sim::World& world, NodeIndex n) {
  if (n >= nodes_.size()) nodes_.resize(n + 1);
  Node& node = nodes_[n];
  if (node.next_change < first_change_ || !node.used) {
    // Not asked for so long that it has everything that is not in the log any more.
    if (!node.used) {
      node.used = true;
      node.entity = sim::hash64(world.get(options_.fleet).spec(n).name);
      node.last_run_end = SimTime() - Duration::hours(1);
      const sim::Stream stream = world.stream("kubeproxy");
      node.turn.resize(services_.size());
      for (size_t s = 0; s < services_.size(); ++s) {
        node.turn[s] = static_cast<uint32_t>(stream.at(node.entity ^ sim::hash64("turn"), s));
      }
    }
    node.next_change = first_change_;
    node.wake = SimTime();
    node.sets.clear();
    for (const Service& s : services_) node.sets.push_back(s.base);
  }
  if (node.next_change < first_change_ + log_.size() && world.now() >= node.wake) {
    catch_up(world, node);
  }
  return node;
}

void ServiceProxy::catch_up(const sim::World& world, Node& node) {
  const ProxyOptions& proxy = options_.proxy;
  const sim::Stream stream = world.stream("kubeproxy");
  const auto heard = [&](uint64_t change) {
    return log_[change - first_change_].at + proxy.watch_lag.at(stream.at(node.entity, 2 * change));
  };
  const uint64_t end = first_change_ + log_.size();
  while (node.next_change < end) {
    const uint64_t first = node.next_change;
    const SimTime run = std::max(heard(first), node.last_run_end + proxy.min_sync);
    const SimTime done = run + proxy.programming.at(stream.at(node.entity, 2 * first + 1));
    if (done > world.now()) {
      node.wake = done;
      return;
    }
    do {
      const Change& change = log_[node.next_change - first_change_];
      node.sets[change.service] = change.set;
      ++node.next_change;
    } while (node.next_change < end && heard(node.next_change) <= run);
    node.last_run_end = done;
  }
}

const Endpoint* ServiceProxy::pick(const sim::World& world, NodeIndex from, ServiceIndex s,
                                   uint64_t bits, uint64_t client) {
  Node& node = caught_up(world, from);
  const EndpointSet& set = *node.sets[s];
  const size_t n = set.size();
  if (n == 0) return nullptr;
  const Service& service = services_[s];
  if (service.local_internal || service.affinity) {
    // The endpoint with the highest number for this client.
    const Endpoint* best = nullptr;
    uint64_t highest = 0;
    for (size_t i = 0; i < n; ++i) {
      const Endpoint& e = set[i];
      if (service.local_internal && e.node != from) continue;
      const uint64_t rank = sim::hash_combine(service.affinity ? client : bits, e.key);
      if (best && rank <= highest) continue;
      best = &e;
      highest = rank;
    }
    return best;
  }
  if (options_.proxy.balancing == Balancing::kRoundRobin) return &set[node.turn[s]++ % n];
  return &set[below(bits, n)];
}

NodeIndex ServiceProxy::entry_node(ServiceIndex s, uint64_t bits) const {
  const Service& service = services_[s];
  if (service.external && service.local_external) {
    const EndpointSet& set = *service.latest;
    return set.size() == 0 ? kNoNode : set[below(bits, set.size())].node;
  }
  const std::vector<NodeIndex>& nodes = service.external ? balancer_nodes_ : up_;
  return nodes.empty() ? kNoNode : nodes[below(bits, nodes.size())];
}

EndpointSetRef ServiceProxy::endpoints(const sim::World& world, NodeIndex node, ServiceIndex s) {
  return caught_up(world, node).sets[s];
}

}  // namespace mainspring::traffic
