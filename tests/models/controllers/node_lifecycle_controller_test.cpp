#include "models/controllers/node_lifecycle_controller.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/api/pod_helpers.h"
#include "models/api/types/coordination.h"
#include "models/api/types/core.h"
#include "models/client/lease_clock.h"
#include "models/client/reconciler.h"
#include "models/controllers/taint_eviction_controller.h"
#include "tests/support/fake_cluster.h"

namespace mainspring::controllers {
namespace {

using api::Duration;
using api::Node;
using api::Pod;
using mainspring::testing::FakeCluster;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class NodeLifecycleTest : public ::testing::Test {
 protected:
  NodeLifecycleTest() {
    fake_.add(std::make_unique<client::ReconcilerLoop>(make_node_lifecycle_controller()));
    fake_.add(std::make_unique<client::ReconcilerLoop>(make_taint_eviction_controller()));
  }
  static api::NodeCondition condition(std::string_view type, std::string_view status) {
    api::NodeCondition c;
    c.type = type;
    c.status = status;
    return c;
  }
  void add_node(std::string_view name, std::string_view zone = "z0") {
    api::Ref<Node> n = api::make<Node>();
    n->metadata.name = name;
    n->metadata.labels.set("topology.kubernetes.io/zone", zone);
    n->status.conditions = {condition("MemoryPressure", "False"), condition("Ready", "True")};
    fake_.put(n);
    renew_for_ever(name);
  }
  // A lease that renews itself every 10 s.
  void renew_for_ever(std::string_view node) {
    put_lease(node, client::LeaseClock{fake_.now(), Duration::seconds(10)});
  }
  // The last renewal was the one that is due now.
  void stop(std::string_view node) { put_lease(node, client::LeaseClock{fake_.now(), Duration()}); }
  void put_lease(std::string_view node, const client::LeaseClock& clock) {
    api::Ref<api::Lease> l = api::make<api::Lease>();
    l->metadata.name = node;
    l->metadata.namespace_ = "kube-node-lease";
    l->spec.renew_time = clock.start;
    if (clock.period > Duration()) {
      l->metadata.annotations.set(client::kLeaseClockAnnotation, client::lease_clock_text(clock));
    }
    fake_.put(l);
  }
  void add_pod(std::string_view name, std::string_view node, int64_t tolerate_seconds) {
    api::Ref<Pod> p = api::make<Pod>();
    p->metadata.name = name;
    p->metadata.namespace_ = "default";
    p->spec.node_name = node;
    p->status.phase = "Running";
    api::PodCondition ready;
    ready.type = "Ready";
    ready.status = "True";
    p->status.conditions = {ready};
    api::Toleration t;
    t.key = "node.kubernetes.io/unreachable";
    t.operator_ = "Exists";
    t.effect = "NoExecute";
    t.toleration_seconds = tolerate_seconds;
    p->spec.tolerations = {t};
    fake_.put(p);
  }
  std::vector<std::string> taints(std::string_view node) {
    std::vector<std::string> result;
    for (const api::Taint& t : fake_.get<Node>("", node)->spec.taints) {
      result.push_back(t.key.str().substr(19) + ":" + t.effect.str());
    }
    return result;
  }
  std::string_view ready(std::string_view node) {
    const auto found = fake_.get<Node>("", node);
    return api::find_condition(found->status.conditions, "Ready")->status.view();
  }

  FakeCluster fake_;
};

TEST_F(NodeLifecycleTest, WritesNothingWhileLeasesAreRenewed) {
  for (int i = 0; i < 5; ++i) add_node(fmt::format("n-{}", i));
  fake_.start();
  fake_.advance(Duration::minutes(10));
  EXPECT_THAT(fake_.take_log(), IsEmpty());
  EXPECT_THAT(fake_.take_events(),
              Contains("Normal RegisteredNode n-3: Node n-3 event: Registered Node n-3 in "
                       "Controller"));
}

// The last sign of life is noticed at second 20; the pass 50 s later finds the grace period over.
TEST_F(NodeLifecycleTest, TurnsASilentNodeUnknownAfterItsGrace) {
  add_node("n-0");
  add_node("n-1");
  add_pod("p", "n-1", 30);
  fake_.start();
  fake_.advance(Duration::seconds(20));
  stop("n-1");
  fake_.advance(Duration::seconds(49));
  EXPECT_EQ(ready("n-1"), "True");
  fake_.take_events();
  fake_.advance(Duration::seconds(1));
  EXPECT_EQ(ready("n-1"), "Unknown");
  EXPECT_EQ(ready("n-0"), "True");
  const auto node = fake_.get<Node>("", "n-1");
  EXPECT_EQ(node->status.conditions[1].reason, "NodeStatusUnknown");
  EXPECT_EQ(node->status.conditions[1].message, "Kubelet stopped posting node status.");
  // DiskPressure and PIDPressure were never posted.
  EXPECT_EQ(node->status.conditions[2].reason, "NodeStatusNeverUpdated");
  EXPECT_THAT(fake_.take_events(),
              ElementsAre("Normal NodeNotReady n-1: Node n-1 status is now: NodeNotReady",
                          "Warning NodeNotReady p: Node is not ready"));
  EXPECT_FALSE(api::is_ready(*fake_.get<Pod>("default", "p")));
  fake_.advance(Duration::millis(100));
  EXPECT_THAT(taints("n-1"), ElementsAre("unreachable:NoSchedule", "unreachable:NoExecute"));

  fake_.take_log();
  fake_.advance(Duration::seconds(29));
  EXPECT_TRUE(fake_.get<Pod>("default", "p"));
  fake_.advance(Duration::seconds(2));
  EXPECT_FALSE(fake_.get<Pod>("default", "p"));
  EXPECT_THAT(fake_.take_log(),
              ElementsAre("get Pod default/p", "status Pod default/p", "delete Pod default/p"));
  EXPECT_THAT(fake_.take_events(),
              ElementsAre("Normal TaintManagerEviction p: Marking for deletion Pod default/p"));
}

TEST_F(NodeLifecycleTest, ANodeThatComesBackLosesItsTaintsAndKeepsItsPods) {
  add_node("n-0");
  add_node("n-1");
  add_pod("p", "n-1", 300);
  fake_.start();
  stop("n-1");
  fake_.advance(Duration::seconds(100));
  ASSERT_EQ(ready("n-1"), "Unknown");
  fake_.take_events();
  // The kubelet posts its status again.
  api::Ref<Node> node = api::clone(*fake_.get<Node>("", "n-1"));
  node->status.conditions.edit()[1] = condition("Ready", "True");
  node->status.conditions.edit()[1].last_heartbeat_time = fake_.now();
  fake_.put(node);
  renew_for_ever("n-1");
  fake_.advance(Duration::seconds(6));
  EXPECT_THAT(taints("n-1"), IsEmpty());
  EXPECT_THAT(fake_.take_events(),
              ElementsAre("Normal TaintManagerEviction p: Cancelling deletion of Pod default/p"));
  fake_.advance(Duration::minutes(10));
  EXPECT_TRUE(fake_.get<Pod>("default", "p"));
}

// Five of twenty: the zone is normal, one node in 10 s is tainted.
TEST_F(NodeLifecycleTest, TaintsNodesOfAZoneOneByOne) {
  for (int i = 0; i < 20; ++i) add_node(fmt::format("n-{:02}", i));
  fake_.start();
  for (int i = 0; i < 5; ++i) stop(fmt::format("n-{:02}", i));
  const auto evicted = [&] {
    int n = 0;
    for (int i = 0; i < 5; ++i) {
      const auto t = taints(fmt::format("n-{:02}", i));
      n += static_cast<int>(std::count(t.begin(), t.end(), "unreachable:NoExecute"));
    }
    return n;
  };
  fake_.advance(Duration::millis(50'200));  // the pass at 50 s finds them
  EXPECT_EQ(evicted(), 1);
  fake_.advance(Duration::millis(9'500));
  EXPECT_EQ(evicted(), 1);
  fake_.advance(Duration::millis(600));
  EXPECT_EQ(evicted(), 2);
  fake_.advance(Duration::seconds(30));
  EXPECT_EQ(evicted(), 5);
}

// All nodes of all zones: more likely the control plane is cut off, so nobody is evicted.
TEST_F(NodeLifecycleTest, StopsEvictionsWhenNobodyAnswers) {
  for (int i = 0; i < 4; ++i) add_node(fmt::format("n-{}", i), i % 2 ? "z1" : "z0");
  fake_.start();
  for (int i = 0; i < 4; ++i) stop(fmt::format("n-{}", i));
  fake_.advance(Duration::minutes(5));
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(ready(fmt::format("n-{}", i)), "Unknown");
    EXPECT_THAT(taints(fmt::format("n-{}", i)), ElementsAre("unreachable:NoSchedule"));
  }
}

TEST_F(NodeLifecycleTest, CordonIsATaint) {
  add_node("n-0");
  fake_.start();
  fake_.advance(Duration::seconds(1));
  api::Ref<Node> node = api::clone(*fake_.get<Node>("", "n-0"));
  node->spec.unschedulable = true;
  fake_.put(node);
  fake_.settle();
  EXPECT_THAT(taints("n-0"), ElementsAre("unschedulable:NoSchedule"));
  node = api::clone(*fake_.get<Node>("", "n-0"));
  node->spec.unschedulable = false;
  fake_.put(node);
  fake_.settle();
  EXPECT_THAT(taints("n-0"), IsEmpty());
}

TEST_F(NodeLifecycleTest, EvictsAtOnceWhatDoesNotTolerate) {
  add_node("n-0");
  add_pod("p", "n-0", 30);
  fake_.start();
  fake_.advance(Duration::seconds(1));
  api::Ref<Node> node = api::clone(*fake_.get<Node>("", "n-0"));
  api::Taint t;
  t.key = "dedicated";
  t.effect = "NoExecute";
  node->spec.taints.push_back(t);
  fake_.put(node);
  fake_.settle();
  EXPECT_FALSE(fake_.get<Pod>("default", "p"));
}

TEST_F(NodeLifecycleTest, SaysThatANodeIsGone) {
  add_node("n-0");
  fake_.start();
  fake_.advance(Duration::seconds(1));
  fake_.take_events();
  fake_.remove(*fake_.get<Node>("", "n-0"));
  fake_.advance(Duration::seconds(5));
  EXPECT_THAT(fake_.take_events(),
              ElementsAre("Normal RemovingNode n-0: Node n-0 event: Removing Node n-0 from "
                          "Controller"));
}

}  // namespace
}  // namespace mainspring::controllers
