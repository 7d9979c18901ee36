// Queueing hints: which events make a pod try again that a plugin rejected, and which do not.
// Source: EventsToRegister and isSchedulableAfter... of pkg/scheduler/framework/plugins (v1.35).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/models/scheduler/cluster.h"

namespace mainspring::scheduler {
namespace {

using test::Cluster;
using test::make_node;
using test::make_pod;
using test::on_node;
using test::resources;
using ::testing::HasSubstr;

// A cluster with a pod "p" that waits.
class Hints : public ::testing::Test {
 protected:
  // Sends the pod in; it must be rejected with this reason and nothing else.
  void wait(const api::Ref<api::Pod>& pod, std::string_view reason) {
    c.put(pod);
    EXPECT_THAT(c.why("p"), HasSubstr(": 1 " + std::string(reason) + "."));
  }
  // Whether an object's coming or changing makes the pod try again.
  bool wakes(const api::ObjectRef& object) {
    return wakes([&] { c.put(object); });
  }
  bool wakes_without(std::string_view pod) {
    return wakes([&] { c.remove_pod(pod); });
  }
  template <class F>
  requires std::invocable<F>
  bool wakes(F event) {
    const auto attempts = [&] {
      const QueuedPod* q = c.loop->queue().find("default", "p");
      return q ? q->attempts : INT32_MAX;  // on its node
    };
    const int32_t before = attempts();
    event();
    return attempts() > before;
  }
  static api::Ref<api::Pod> running(std::string_view name, api::StrMap labels = {},
                                    std::string_view cpu = "100m") {
    auto p = on_node(make_pod(name, cpu, "100Mi", std::move(labels)), "n");
    p->status.phase = "Running";
    return p;
  }
  static api::Toleration toleration(std::string_view key) {
    api::Toleration t;
    t.key = key;
    t.operator_ = "Exists";
    return t;
  }
  static api::Ref<api::Node> tainted(api::Ref<api::Node> node, std::string_view key,
                                     std::string_view effect = "NoSchedule") {
    api::Taint t;
    t.key = key;
    t.effect = effect;
    node->spec.taints = {t};
    return node;
  }
  static api::Ref<api::Node> labelled(api::Ref<api::Node> node, std::string_view key,
                                      std::string_view value) {
    node->metadata.labels.set(key, value);
    return node;
  }
  static api::PodAffinityTerm near(std::string_view app, std::string_view key) {
    api::PodAffinityTerm t;
    api::LabelSelector s;
    s.match_labels.set("app", app);
    t.label_selector = s;
    t.topology_key = key;
    return t;
  }

  Cluster c;
};

TEST_F(Hints, OfNodeResourcesFit) {
  c.put(make_node("n", "2"));
  c.put(running("a"));
  c.put(running("b"));
  wait(make_pod("p", "3", ""), "Insufficient cpu");
  EXPECT_FALSE(wakes(make_node("n", "2", "64Gi")));  // more of what it does not ask for
  EXPECT_FALSE(wakes(labelled(make_node("n", "2", "64Gi"), "k", "v")));
  EXPECT_FALSE(wakes(make_node("small", "2500m")));
  EXPECT_FALSE(wakes(make_node("small", "2600m")));  // more, and still not enough
  EXPECT_TRUE(wakes_without("a"));
  // Resized in place: the status says what is in use.
  const auto resized = [](const char* cpu, const char* memory) {
    auto b = running("b");
    api::ContainerStatus s;
    s.name = "c";
    s.resources.edit().requests = resources(cpu, memory);
    s.allocated_resources = resources(cpu, memory);
    b->status.container_statuses = {s};
    b->spec.containers.edit()[0].resources.requests = resources("10m", "10Mi");
    return b;
  };
  EXPECT_FALSE(wakes(resized("100m", "50Mi")));
  EXPECT_TRUE(wakes(resized("50m", "50Mi")));
  EXPECT_TRUE(wakes(make_node("big", "4")));
}

TEST_F(Hints, OfNodePorts) {
  const auto with_port = [](api::Ref<api::Pod> pod, int32_t port) {
    api::ContainerPort p;
    p.container_port = port;
    p.host_port = port;
    p.protocol = "TCP";
    pod->spec.containers.edit()[0].ports = {p};
    return pod;
  };
  c.put(make_node("n"));
  c.put(running("plain"));
  c.put(with_port(running("other"), 81));
  c.put(with_port(running("same"), 80));
  c.put(with_port(running("same-too"), 80));
  wait(with_port(make_pod("p"), 80), "node(s) didn't have free ports for the requested pod ports");
  EXPECT_FALSE(wakes_without("plain"));
  EXPECT_FALSE(wakes_without("other"));
  EXPECT_FALSE(wakes(make_node("n", "8")));
  // Registered for additions of nodes, a plugin hears of taints too.
  EXPECT_TRUE(wakes(tainted(make_node("n", "8"), "k", "PreferNoSchedule")));
  EXPECT_TRUE(wakes_without("same"));
}

TEST_F(Hints, OfTaintToleration) {
  c.put(tainted(make_node("n"), "a"));
  wait(make_pod("p"), "node(s) had untolerated taint(s)");
  EXPECT_FALSE(wakes(tainted(make_node("n"), "b")));
  EXPECT_FALSE(wakes(tainted(make_node("n", "8"), "b")));
  auto other = make_pod("q");
  c.put(other);
  other->spec.tolerations = {toleration("b")};
  other->spec.containers.edit()[0].resources.requests = resources("100", "");
  EXPECT_FALSE(wakes(other));
  auto p = make_pod("p");
  p->spec.tolerations = {toleration("z")};
  EXPECT_TRUE(wakes(p));  // any toleration of its own
  EXPECT_TRUE(wakes(make_node("n", "8")));
}

TEST_F(Hints, OfNodeUnschedulable) {
  const auto cordoned = [](std::string_view name) {
    auto n = make_node(name);
    n->spec.unschedulable = true;
    return n;
  };
  c.put(cordoned("n"));
  wait(make_pod("p"), "node(s) were unschedulable");
  EXPECT_FALSE(wakes(labelled(cordoned("n"), "k", "v")));
  EXPECT_FALSE(wakes(cordoned("n-2")));
  auto p = make_pod("p");
  p->spec.tolerations = {toleration("other")};
  EXPECT_FALSE(wakes(p));
  EXPECT_TRUE(wakes(make_node("n")));
}

TEST_F(Hints, OfNodeAffinity) {
  c.put(make_node("n"));
  auto p = make_pod("p");
  p->spec.node_selector.set("disk", "ssd");
  wait(p, "node(s) didn't match Pod's node affinity/selector");
  EXPECT_FALSE(wakes(labelled(make_node("n"), "rack", "1")));
  EXPECT_FALSE(wakes(labelled(make_node("n"), "disk", "hdd")));
  EXPECT_FALSE(wakes(make_node("n-2")));
  EXPECT_TRUE(wakes(labelled(make_node("n"), "disk", "ssd")));
}

TEST_F(Hints, OfPodTopologySpread) {
  c.put(make_node("n", "4", "32Gi", "z1"));
  c.put(running("web", {{"app", "web"}}));
  c.put(running("web-too", {{"app", "web"}}));
  c.put(running("other", {{"app", "other"}}));
  auto p = make_pod("p", "100m", "", {{"app", "web"}});
  api::TopologySpreadConstraint s;
  s.max_skew = 1;
  s.min_domains = 2;
  s.topology_key = "topology.kubernetes.io/zone";
  s.when_unsatisfiable = "DoNotSchedule";
  api::LabelSelector selector;
  selector.match_labels.set("app", "web");
  s.label_selector = selector;
  p->spec.topology_spread_constraints = {s};
  wait(p, "node(s) didn't match pod topology spread constraints");
  EXPECT_FALSE(wakes(running("another", {{"app", "other"}})));
  EXPECT_FALSE(wakes_without("other"));
  EXPECT_FALSE(wakes(running("another", {{"app", "third"}})));
  EXPECT_TRUE(wakes(running("another", {{"app", "web"}})));  // the label now matches
  EXPECT_TRUE(wakes_without("web-too"));
  EXPECT_FALSE(wakes(make_node("n-2", "4", "32Gi")));  // no zone
  EXPECT_FALSE(wakes(make_node("n", "8", "32Gi", "z1")));
  EXPECT_TRUE(wakes(make_node("n-2", "4", "32Gi", "z2")));
}

TEST_F(Hints, OfInterPodAffinity) {
  c.put(make_node("n", "4", "32Gi", "z1"));
  c.put(running("x", {{"app", "x"}}));
  auto p = make_pod("p");
  p->spec.affinity.edit().pod_affinity.edit().required_during_scheduling_ignored_during_execution =
      {near("db", "topology.kubernetes.io/zone")};
  wait(p, "node(s) didn't match pod affinity rules");
  EXPECT_FALSE(wakes(running("y", {{"app", "y"}})));
  EXPECT_FALSE(wakes_without("y"));
  EXPECT_FALSE(wakes(make_node("n-2", "4", "32Gi")));  // without the key
  EXPECT_TRUE(wakes(make_node("n-2", "4", "32Gi", "z2")));
  EXPECT_FALSE(wakes(make_node("n-2", "8", "32Gi", "z2")));
  EXPECT_TRUE(wakes(make_node("n-2", "8", "32Gi", "z3")));
  EXPECT_TRUE(wakes(running("x", {{"app", "db"}})));
}

TEST_F(Hints, OfInterPodAntiAffinity) {
  c.put(make_node("n"));
  c.put(running("db", {{"app", "db"}}));
  c.put(running("x", {{"app", "x"}}));
  auto p = make_pod("p");
  p->spec.affinity.edit()
      .pod_anti_affinity.edit()
      .required_during_scheduling_ignored_during_execution = {near("db", "kubernetes.io/hostname")};
  wait(p, "node(s) didn't match pod anti-affinity rules");
  EXPECT_FALSE(wakes_without("x"));
  EXPECT_FALSE(wakes(make_node("n", "8")));
  EXPECT_TRUE(wakes_without("db"));
}

TEST_F(Hints, OfSchedulingGates) {
  c.put(make_node("n"));
  auto p = make_pod("p");
  api::PodSchedulingGate a;
  a.name = "a";
  api::PodSchedulingGate b;
  b.name = "b";
  p->spec.scheduling_gates = {a, b};
  c.put(p);
  EXPECT_FALSE(wakes(make_node("n", "8")));
  EXPECT_FALSE(wakes(make_node("n-2")));
  p->spec.scheduling_gates = {b};
  EXPECT_FALSE(wakes(p));
  EXPECT_TRUE(c.loop->queue().find("default", "p")->gated());
  p->spec.scheduling_gates = {};
  EXPECT_TRUE(wakes(p));
  EXPECT_TRUE(c.scheduled("p"));
}

}  // namespace
}  // namespace mainspring::scheduler
