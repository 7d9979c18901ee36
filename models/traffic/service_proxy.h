// kube-proxy on every node, as one component: which endpoint a connection to a Service gets, as the
// node it starts from knows it at that time.
//
// The component watches Services and EndpointSlices once. Each change of the endpoints of a service
// goes to a log; when a node is asked, it first catches up with the log: when its watch event came,
// when its next run began (at once, or a second after the end of the last one), when the rules were
// written. So a removed endpoint keeps getting connections for a while and a new one gets none at
// first, node by node, without an event per node and change.
//
// Endpoints: the ready ones; if there are none, those that are serving and terminating. Random, or
// in turn by node. sessionAffinity ClientIP: a client stays with its endpoint as long as the
// endpoint is there, by rendezvous hashing, and every request of a user is a client of its own.
// internalTrafficPolicy and externalTrafficPolicy Local: only endpoints on the node.
// Headless Services are balanced the same way: their clients' resolvers shuffle.
//
// Determinism: draws from "kubeproxy", keyed by node and number of the change.
// Source: Kubernetes v1.35 pkg/proxy; the figures are in options.h.
// Not modelled: README.md has the list.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <vector>

#include "models/api/types/core.h"
#include "models/api/types/discovery.h"
#include "models/apiserver/api_server.h"
#include "models/client/flat_index.h"
#include "models/node/node_fleet.h"
#include "models/traffic/options.h"
#include "sim/world.h"

namespace mainspring::traffic {

using ServiceIndex = uint32_t;  // dense, in order of first mention

// One place that answers for a service.
struct Endpoint {
  node::ContainerHandle container;  // not valid when the pod is not known to any machine
  node::NodeIndex node = node::kNoNode;
  uint64_t key = 0;  // hash of its address
};

// The endpoints of one EndpointSlice: those that are ready, and those that serve while they
// terminate. Immutable, shared between versions.
struct SlicePart {
  api::RefCount refs;
  std::vector<Endpoint> ready;
  std::vector<Endpoint> draining;
};

// The endpoints that connections may go to, at one version of the service. Immutable, shared.
struct EndpointSet {
  api::RefCount refs;
  bool draining = false;  // nothing is ready: the parts' draining ones count
  std::vector<api::Ref<const SlicePart>> parts;
  std::vector<size_t> ends;  // number of endpoints up to and including each part

  size_t size() const { return ends.empty() ? 0 : ends.back(); }
  const std::vector<Endpoint>& of(const SlicePart& part) const {
    return draining ? part.draining : part.ready;
  }
  const Endpoint& operator[](size_t i) const {
    size_t part = 0, begin = 0;
    while (i >= ends[part]) begin = ends[part++];
    return of(*parts[part])[i - begin];
  }
};
using EndpointSetRef = api::Ref<const EndpointSet>;

class ServiceProxy final : public sim::Cloneable<ServiceProxy> {
 public:
  struct Options {
    sim::ComponentRef<apiserver::ApiServer> server;
    sim::ComponentRef<node::NodeFleet> fleet;
    ProxyOptions proxy;
  };

  explicit ServiceProxy(Options options);
  std::string_view name() const override { return "kube-proxy"; }
  void start(sim::World& world) override;
  void handle(sim::World& world, const sim::Event& event) override;

  // The number of a service, whether it exists (yet) or not. Before the start of the run: only
  // services that somebody asked for are followed.
  ServiceIndex service(std::string_view ns, std::string_view name);
  // Whether users outside the cluster reach it through a load balancer or a node's port.
  bool external(ServiceIndex s) const { return services_[s].external; }

  // The endpoint for a connection from a node, now; null: refused. `bits`: 64 uniform random bits;
  // `client`: who connects, for session affinity.
  const Endpoint* pick(const sim::World& world, node::NodeIndex from, ServiceIndex s, uint64_t bits,
                       uint64_t client);
  // The node at which a user's connection enters the cluster: any that the load balancer thinks is
  // up; for externalTrafficPolicy Local, any of those with an endpoint. kNoNode: none.
  node::NodeIndex entry_node(ServiceIndex s, uint64_t bits) const;

  // The endpoints that a node uses for a service now, for tests and reports.
  EndpointSetRef endpoints(const sim::World& world, node::NodeIndex node, ServiceIndex s);
  // As the API server has them: what every node will use once it has caught up.
  EndpointSetRef latest(ServiceIndex s) const { return services_[s].latest; }
  uint64_t changes() const { return first_change_ + log_.size(); }

 public:
  // For NodeFleet's listener.
  static constexpr uint16_t kNodeChanged = 100;  // a = node, b = NodeChange

 private:
  enum EventKind : uint16_t {
    kServiceWatch,  // a = watch, b = ticket
    kSliceWatch,
    kBalancerNotice,  // a = node: the load balancers look at it
  };
  struct Slice {
    api::Ref<const api::EndpointSlice> object;
    api::Ref<const SlicePart> part;
  };
  struct Service {
    api::Str ns;
    api::Str name;
    bool exists = false;
    bool external = false;
    bool affinity = false;
    bool local_internal = false;
    bool local_external = false;
    api::Str port_name;         // of its first port
    std::vector<Slice> slices;  // sorted by name
    EndpointSetRef latest;
    EndpointSetRef base;  // at the beginning of the log
  };
  struct Change {
    sim::SimTime at;
    ServiceIndex service = 0;
    EndpointSetRef set;
  };
  struct Node {
    bool used = false;
    uint64_t entity = 0;       // of its draws
    uint64_t next_change = 0;  // the first change of the log that is not programmed
    sim::SimTime wake;         // nothing changes before
    sim::SimTime last_run_end;
    std::vector<EndpointSetRef> sets;  // by service
    std::vector<uint32_t> turn;        // round robin, by service
  };

  void on_service(sim::World& world, const api::Service& service, bool deleted);
  void on_slice(sim::World& world, const api::Ref<const api::EndpointSlice>& slice, bool deleted);
  void read_service(Service& s, const api::Service& service) const;
  api::Ref<const SlicePart> resolve(const sim::World& world, const Service& s,
                                    const api::EndpointSlice& slice) const;
  bool put_slice(const sim::World& world, Service& s,
                 const api::Ref<const api::EndpointSlice>& slice, bool deleted) const;
  EndpointSetRef assemble(const Service& s) const;
  void publish(sim::World& world, ServiceIndex s);
  Node& caught_up(const sim::World& world, node::NodeIndex n);
  void catch_up(const sim::World& world, Node& node);

  Options options_;
  std::vector<Service> services_;
  client::FlatIndex by_name_;  // "ns/name"
  std::deque<Change> log_;
  uint64_t first_change_ = 0;  // number of log_[0]
  std::vector<Node> nodes_;
  std::vector<node::NodeIndex> up_;              // sorted
  std::vector<node::NodeIndex> balancer_nodes_;  // that a load balancer sends to, sorted
  bool started_ = false;
};

}  // namespace mainspring::traffic
