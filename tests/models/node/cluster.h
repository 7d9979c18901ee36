// A world with an API server and machines, and nothing of the control plane: tests bind pods by
// naming their node.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "models/api/codec.h"
#include "models/api/defaulting.h"
#include "models/api/diagnostics.h"
#include "models/api/yaml.h"
#include "models/node/node_fleet.h"

namespace mainspring::node {

using sim::Duration;
using sim::SimTime;

// Hears of containers and nodes as traffic does.
class Ear final : public sim::Cloneable<Ear> {
 public:
  enum Kind : uint16_t { kContainer, kRates, kNode };
  struct Heard {
    SimTime at;
    uint16_t kind;
    uint64_t a;
    uint64_t b;
  };
  std::string_view name() const override { return "ear"; }
  void handle(sim::World& world, const sim::Event& e) override {
    heard.push_back({world.now(), e.kind, e.a, e.b});
  }
  std::vector<Heard> heard;
};

struct Cluster {
  explicit Cluster(NodeFleet::Options options = {}, uint64_t seed = 7) : world(seed) {
    apiserver::ApiServer::Options server;
    server.epoch_unix_ns = 1'700'000'000LL * 1'000'000'000;
    api = world.add<apiserver::ApiServer>(server);
    options.server = api;
    fleet = world.add<NodeFleet>(std::move(options));
    ear = world.add<Ear>();
    nodes().add_listener({ear.id(), Ear::kContainer, Ear::kRates, Ear::kNode});
  }

  NodeFleet& nodes() { return world.get(fleet); }
  const NodeFleet& nodes() const { return world.get(fleet); }
  apiserver::ApiServer& server() { return world.get(api); }
  std::vector<Ear::Heard>& heard() { return world.get(ear).heard; }

  NodeIndex add_node(std::string_view name, int64_t cpu_milli = 4000, int64_t memory = 16LL << 30) {
    MachineSpec spec;
    spec.name = name;
    spec.zone = "z1";
    spec.cpu_milli = cpu_milli;
    spec.memory_bytes = memory;
    return nodes().add_machine(world, spec, Duration());
  }
  void start() { world.start(); }
  void run_for(Duration d) { world.run_until(world.now() + d); }
  void run_to(double seconds) {
    world.run_until(SimTime::from_ns(static_cast<int64_t>(seconds * 1e9)));
  }
  double now() const { return world.now().to_seconds(); }

  void apply(std::string_view yaml) {
    api::Diagnostics problems;
    for (const api::Json& document : api::read_documents(yaml, 0, &problems)) {
      api::ObjectRef object = api::decode(document, problems);
      ASSERT_TRUE(object) << problems.to_text();
      api::Ref<api::Object> body = api::clone(*object);
      if (body->metadata.namespace_.empty()) body->metadata.namespace_ = "default";
      client::Request r;
      r.verb = client::Verb::kCreate;
      r.kind = body->kind;
      r.ns = body->metadata.namespace_;
      r.body = body;
      const client::Outcome out = server().execute(world, r);
      ASSERT_TRUE(out.ok()) << out.message.view();
    }
    ASSERT_TRUE(problems.ok()) << problems.to_text();
  }
  client::Outcome remove(std::string_view name, std::optional<int64_t> grace = {}) {
    client::Request r;
    r.verb = client::Verb::kDelete;
    r.kind = api::Kind::Pod;
    r.ns = "default";
    r.name = name;
    r.grace_period_seconds = grace;
    return server().execute(world, r);
  }
  const api::Pod* pod(std::string_view name) { return server().get<api::Pod>("default", name); }
  std::string condition(std::string_view name, std::string_view type) {
    const api::Pod* p = pod(name);
    if (!p) return "gone";
    for (const api::PodCondition& c : p->status.conditions) {
      if (c.type == type) return c.status.str();
    }
    return "absent";
  }
  // As kubectl shows it: the reason of the first container that waits or ended, else the phase.
  std::string shown(std::string_view name) {
    const api::Pod* p = pod(name);
    if (!p) return "gone";
    for (const api::ContainerStatus& c : p->status.container_statuses) {
      if (c.state.waiting) return c.state.waiting->reason.str();
      if (c.state.terminated) return c.state.terminated->reason.str();
    }
    return p->status.phase.str();
  }
  // Runs until the condition holds, in steps; the time at which it did, or -1.
  template <class F>
  double until(F&& holds, double limit = 600, Duration step = Duration::millis(10)) {
    const double start = now();
    while (!holds()) {
      if (now() - start > limit) return -1;
      run_for(step);
    }
    return now();
  }
  ContainerHandle container(std::string_view pod_name, std::string_view name = "c") {
    return nodes().container(nodes().find_pod("default", pod_name), name);
  }
  // "Reason: message" of the Events about an object, in order of creation.
  std::vector<std::string> events(std::string_view object) {
    std::vector<std::pair<int64_t, std::string>> found;
    for (const api::ObjectRef& o : server().store().list(api::Kind::Event)) {
      const auto& e = api::as<api::Event>(*o);
      if (e.involved_object.name != object) continue;
      found.emplace_back(std::stoll(o->metadata.resource_version.str()),
                         e.reason.str() + ": " + e.message.str());
    }
    std::sort(found.begin(), found.end());
    std::vector<std::string> out;
    for (auto& [version, text] : found) out.push_back(text);
    return out;
  }

  sim::World world;
  sim::ComponentRef<apiserver::ApiServer> api;
  sim::ComponentRef<NodeFleet> fleet;
  sim::ComponentRef<Ear> ear;
};

// A pod of one container "c" bound to node n-1; `extra` goes into the container, `spec` into the
// pod's spec.
inline std::string pod_yaml(std::string_view name, std::string_view extra = "",
                            std::string_view spec = "", std::string_view node = "n-1") {
  std::string y = "apiVersion: v1\nkind: Pod\nmetadata: {name: " + std::string(name) +
                  "}\nspec:\n  nodeName: " + std::string(node) + "\n" + std::string(spec) +
                  "  containers:\n  - name: c\n    image: app:1\n" + std::string(extra);
  return y;
}

inline AppBehaviorRef behavior(AppBehavior b) {
  return AppBehaviorRef(new AppBehavior(std::move(b)));
}

}  // namespace mainspring::node
