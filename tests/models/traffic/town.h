// A small world for traffic: an API server, machines, pods bound by name, Services whose endpoints
// the test publishes itself.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/api/codec.h"
#include "models/api/diagnostics.h"
#include "models/api/types/discovery.h"
#include "models/api/yaml.h"
#include "models/node/node_fleet.h"
#include "models/traffic/request_engine.h"

namespace mainspring::traffic {

using sim::Duration;
using sim::SimTime;

inline SimTime at_seconds(double s) { return SimTime::from_ns(static_cast<int64_t>(s * 1e9)); }

// A distribution of durations in milliseconds.
inline sim::Distribution exponential_ms(double mean) {
  return sim::Distribution::exponential(mean * 1e6).as_nanoseconds();
}
inline sim::Distribution constant_ms(double ms) {
  return sim::Distribution::constant(ms * 1e6).as_nanoseconds();
}

inline NetworkLatency no_network() {
  NetworkLatency n;
  n.same_node = n.same_zone = n.cross_zone = n.external = Duration();
  return n;
}

inline ServiceOptions behavior(std::string_view name, sim::Distribution cpu) {
  ServiceOptions s;
  s.name = name;
  s.cpu = std::move(cpu);
  return s;
}

inline SourceOptions users(std::string_view service, double rate, double from, double until) {
  SourceOptions s;
  s.name = "users";
  s.service = service;
  s.shape = RateShape::constant(rate);
  s.from = at_seconds(from);
  s.until = at_seconds(until);
  return s;
}

inline CallOptions call(std::string_view service, int stage = 0) {
  CallOptions c;
  c.service = service;
  c.stage = stage;
  return c;
}

struct Town {
  explicit Town(TrafficOptions options, uint64_t seed = 7,
                std::optional<node::AppBehavior> app = {})
      : world(seed) {
    apiserver::ApiServer::Options server;
    server.epoch_unix_ns = 1'700'000'000LL * 1'000'000'000;
    api = world.add<apiserver::ApiServer>(server);
    node::NodeFleet::Options nodes;
    nodes.server = api;
    node::AppBehavior quiet = app.value_or(node::AppBehavior());
    quiet.idle_cpu = {};  // so that a pod's whole CPU goes to requests
    nodes.apps.set_default(node::AppBehaviorRef(new node::AppBehavior(quiet)));
    fleet_ref = world.add<node::NodeFleet>(std::move(nodes));
    options.check_conservation = true;
    traffic = add_traffic(world, api, fleet_ref, std::move(options));
  }

  node::NodeFleet& fleet() { return world.get(fleet_ref); }
  RequestEngine& engine() { return world.get(traffic.engine); }
  ServiceProxy& proxy() { return world.get(traffic.proxy); }
  apiserver::ApiServer& server() { return world.get(api); }

  node::NodeIndex add_node(std::string_view name, int64_t cpu_milli = 64'000,
                           std::string_view zone = "z1") {
    node::MachineSpec spec;
    spec.name = name;
    spec.zone = zone;
    spec.cpu_milli = cpu_milli;
    spec.memory_bytes = 64LL << 30;
    return fleet().add_machine(world, spec, Duration());
  }
  void run_to(double seconds) { world.run_until(at_seconds(seconds)); }

  client::Outcome create(api::ObjectRef body) {
    client::Request r;
    r.verb = client::Verb::kCreate;
    r.kind = body->kind;
    r.ns = "default";
    r.body = std::move(body);
    return server().execute(world, r);
  }
  void apply(std::string_view yaml) {
    api::Diagnostics problems;
    for (const api::Json& document : api::read_documents(yaml, 0, &problems)) {
      api::ObjectRef object = api::decode(document, problems);
      ASSERT_TRUE(object) << problems.to_text();
      const client::Outcome out = create(object);
      ASSERT_TRUE(out.ok()) << out.message.view();
    }
  }
  void service(std::string_view name, std::string_view more = "") {
    apply("apiVersion: v1\nkind: Service\nmetadata: {name: " + std::string(name) +
          ", namespace: default}\nspec:\n  ports: [{port: 80, targetPort: 8080}]\n" +
          std::string(more));
  }
  void pod(std::string_view name, std::string_view node, std::string_view resources = "{}") {
    apply("apiVersion: v1\nkind: Pod\nmetadata: {name: " + std::string(name) +
          ", namespace: default}\nspec:\n  nodeName: " + std::string(node) +
          "\n  containers:\n  - name: c\n    image: app:1\n    ports: [{containerPort: 8080}]\n" +
          "    resources: " + std::string(resources) + "\n");
  }
  void remove_pod(std::string_view name) {
    client::Request r;
    r.verb = client::Verb::kDelete;
    r.kind = api::Kind::Pod;
    r.ns = "default";
    r.name = name;
    EXPECT_TRUE(server().execute(world, r).ok());
  }
  node::ContainerHandle container(std::string_view pod_name) {
    return fleet().container(fleet().find_pod("default", pod_name), "c");
  }

  // Publishes these pods as the endpoints of the service, now: the ready ones, and some that
  // terminate and still serve.
  void endpoints(std::string_view service_name, const std::vector<std::string>& ready,
                 const std::vector<std::string>& draining = {}) {
    api::Ref<api::EndpointSlice> slice(new api::EndpointSlice);
    slice->metadata.namespace_ = "default";
    slice->metadata.name = std::string(service_name) + "-1";
    slice->metadata.labels.set("kubernetes.io/service-name", service_name);
    slice->address_type = "IPv4";
    api::EndpointPort port;
    port.name = api::Str();
    port.port = 8080;
    slice->ports.push_back(port);
    const auto add = [&](const std::string& name, bool is_ready) {
      const api::Pod* p = server().get<api::Pod>("default", name);
      ASSERT_TRUE(p && !p->status.pod_ip.empty()) << name;
      api::Endpoint e;
      e.addresses.push_back(p->status.pod_ip);
      e.conditions.ready = is_ready;
      e.conditions.serving = true;
      e.conditions.terminating = !is_ready;
      e.node_name = p->spec.node_name;
      api::ObjectReference ref;
      ref.kind = "Pod";
      ref.namespace_ = "default";
      ref.name = name;
      ref.uid = p->metadata.uid;
      e.target_ref = ref;
      slice->endpoints.push_back(e);
    };
    for (const std::string& name : ready) add(name, true);
    for (const std::string& name : draining) add(name, false);
    client::Request r;
    const bool known =
        server().get<api::EndpointSlice>("default", slice->metadata.name.view()) != nullptr;
    r.verb = known ? client::Verb::kUpdate : client::Verb::kCreate;
    r.kind = api::Kind::EndpointSlice;
    r.ns = "default";
    r.name = slice->metadata.name;
    r.body = slice;
    const client::Outcome out = server().execute(world, r);
    ASSERT_TRUE(out.ok()) << out.message.view();
  }

  Bucket total(std::string_view key) { return engine().totals(key).value(); }
  Bucket source() { return total("source/users"); }

  sim::World world;
  sim::ComponentRef<apiserver::ApiServer> api;
  sim::ComponentRef<node::NodeFleet> fleet_ref;
  Traffic traffic;
};

// One service "web" with pods web-0.. on node n-1, ready and published at 20 s.
inline void settle_web(Town& town, int pods, std::string_view resources = "{}",
                       std::string_view service_spec = "", int64_t node_milli = 64'000) {
  town.add_node("n-1", node_milli);
  town.world.start();
  town.service("web", service_spec);
  std::vector<std::string> names;
  for (int i = 0; i < pods; ++i) {
    names.push_back("web-" + std::to_string(i));
    town.pod(names.back(), "n-1", resources);
  }
  town.run_to(20);
  town.endpoints("web", names);
  town.run_to(25);
}

inline uint64_t failed(const Bucket& b, Failure f) { return b.failed[static_cast<size_t>(f)]; }
inline double mean_ms(const Bucket& b) { return static_cast<double>(b.latency.mean().ns()) * 1e-6; }

}  // namespace mainspring::traffic
