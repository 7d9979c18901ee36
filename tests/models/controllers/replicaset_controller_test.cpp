#include "models/controllers/replicaset_controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/api/labels.h"
#include "models/api/pod_helpers.h"
#include "models/api/types/apps.h"
#include "models/client/reconciler.h"
#include "models/controllers/pod_ranking.h"
#include "sim/random.h"
#include "tests/support/fake_cluster.h"

namespace mainspring::controllers {
namespace {

using api::Pod;
using api::ReplicaSet;
using client::Verb;
using mainspring::testing::FakeCluster;
using ::testing::ElementsAre;

class ReplicaSetTest : public ::testing::Test {
 protected:
  ReplicaSetTest() {
    fake_.add(std::make_unique<client::ReconcilerLoop>(make_replicaset_controller()));
    fake_.start();
  }
  void create(int32_t replicas, int32_t min_ready_seconds = 0) {
    api::Ref<ReplicaSet> rs = api::make<ReplicaSet>();
    rs->metadata.name = "web-x";
    rs->metadata.namespace_ = "default";
    rs->spec.replicas = replicas;
    rs->spec.min_ready_seconds = min_ready_seconds;
    rs->spec.selector.edit().match_labels.set("app", "web");
    rs->spec.template_.metadata.labels.set("app", "web");
    fake_.put(rs);
  }
  api::Ref<const ReplicaSet> rs() { return fake_.get<ReplicaSet>("default", "web-x"); }
  void scale(int32_t replicas) {
    api::Ref<ReplicaSet> copy = api::clone(*rs());
    copy->spec.replicas = replicas;
    ++copy->metadata.generation;
    fake_.put(copy);
  }
  void make_ready(const Pod& pod) {
    api::Ref<Pod> copy = api::clone(pod);
    copy->status.phase = "Running";
    api::PodCondition c;
    c.type = "Ready";
    c.status = "True";
    c.last_transition_time = fake_.now();
    copy->status.conditions = {c};
    fake_.put(copy);
  }
  // Short of everything but retries after failures.
  void run() { fake_.advance(api::Duration::millis(1)); }

  FakeCluster fake_;
};

// Batches of 1, 2, 4 and the remaining 3; the status counts what there was before the creates.
TEST_F(ReplicaSetTest, StartsSlowly) {
  create(10);
  run();
  EXPECT_EQ(fake_.all<Pod>().size(), 10u);
  EXPECT_EQ(rs()->status.replicas, 10);
  EXPECT_EQ(rs()->status.fully_labeled_replicas, 10);
  const auto events = fake_.take_events();
  EXPECT_THAT(events[0],
              ::testing::StartsWith("Normal SuccessfulCreate web-x: Created pod: web-x-"));
  EXPECT_EQ(events.size(), 10u);
  const auto pod = fake_.all<Pod>()[0];
  EXPECT_EQ(pod->metadata.generate_name, "web-x-");
  EXPECT_TRUE(*pod->metadata.owner_references[0].block_owner_deletion);
}

TEST_F(ReplicaSetTest, StopsAfterABatchThatFailsAndReportsIt) {
  // The write of the condition wakes the set again at once; only the second failure, which has
  // nothing new to report, waits for its retry.
  for (int i = 0; i < 2; ++i) {
    fake_.fail_next(Verb::kCreate, api::Kind::Pod, 403, "Forbidden", "exceeded quota");
  }
  create(10);
  fake_.settle();
  EXPECT_EQ(fake_.all<Pod>().size(), 0u);  // a batch of one, and it failed
  ASSERT_EQ(rs()->status.conditions.size(), 1u);
  EXPECT_EQ(rs()->status.conditions[0].reason, "FailedCreate");
  EXPECT_EQ(rs()->status.conditions[0].message, "exceeded quota");
  EXPECT_THAT(fake_.take_events(),
              ElementsAre("Warning FailedCreate web-x: Error creating: exceeded quota"));
  fake_.advance(api::Duration::millis(20));  // the retry comes after 5 ms
  EXPECT_EQ(fake_.all<Pod>().size(), 10u);
  EXPECT_TRUE(rs()->status.conditions.empty());
}

TEST_F(ReplicaSetTest, ReplacesAPodAsSoonAsItIsGoing) {
  create(1);
  run();
  api::Ref<Pod> pod = api::clone(*fake_.all<Pod>()[0]);
  pod->metadata.deletion_timestamp = fake_.now();
  fake_.put(pod);
  run();
  EXPECT_EQ(fake_.all<Pod>().size(), 2u);
  EXPECT_EQ(rs()->status.replicas, 1);
}

TEST_F(ReplicaSetTest, CountsAvailableAfterMinReadySeconds) {
  create(1, 10);
  run();
  make_ready(*fake_.all<Pod>()[0]);
  run();
  EXPECT_EQ(rs()->status.ready_replicas, 1);
  EXPECT_EQ(rs()->status.available_replicas, 0);
  fake_.advance(api::Duration::seconds(9));
  EXPECT_EQ(rs()->status.available_replicas, 0);
  fake_.advance(api::Duration::seconds(1));
  EXPECT_EQ(rs()->status.available_replicas, 1);
}

// The controller counts by changes; whatever happens to the pods, the status is what a recount of
// the cluster says.
TEST_F(ReplicaSetTest, ItsCountsFollowEveryChangeOfItsPods) {
  create(20);
  run();
  sim::Rng rng = sim::Stream(3, "test.replicaset").rng(0);
  for (int i = 0; i < 300; ++i) {
    const auto pods = fake_.all<Pod>();
    api::Ref<Pod> pod = api::clone(*pods[rng.below(pods.size())]);
    switch (rng.below(5)) {
      case 0:
        make_ready(*pod);
        break;
      case 1:
        pod->status.conditions.clear();
        fake_.put(pod);
        break;
      case 2:
        pod->metadata.labels.set("app", pod->metadata.labels.get("app") == "web" ? "x" : "web");
        fake_.put(pod);
        break;
      case 3:
        pod->status.phase = "Failed";
        fake_.put(pod);
        break;
      case 4: {
        api::Ref<ReplicaSet> other = api::clone(*rs());
        other->spec.template_.metadata.labels.set("tier", i % 2 ? "a" : "b");
        if (rng.chance(1, 3)) fake_.put(other);
        break;
      }
    }
    run();
    int32_t replicas = 0;
    int32_t ready = 0;
    int32_t labeled = 0;
    for (const auto& p : fake_.all<Pod>()) {
      if (!api::is_controlled_by(*p, *rs()) || !api::is_active(*p)) continue;
      ++replicas;
      if (api::is_ready(*p)) ++ready;
      if (api::matches_all(rs()->spec.template_.metadata.labels, p->metadata.labels)) ++labeled;
    }
    ASSERT_EQ(rs()->status.ready_replicas, ready) << "after change " << i;
    ASSERT_EQ(rs()->status.available_replicas, ready) << "after change " << i;
    if (rs()->status.replicas == replicas) {
      ASSERT_EQ(rs()->status.fully_labeled_replicas, labeled) << "after change " << i;
    }
  }
}

TEST_F(ReplicaSetTest, DeletesTheUnassignedFirst) {
  create(3);
  run();
  const auto pods = fake_.all<Pod>();
  for (const auto& p : {pods[0], pods[2]}) {
    api::Ref<Pod> copy = api::clone(*p);
    copy->spec.node_name = "n";
    fake_.put(copy);
    make_ready(*fake_.get<Pod>("default", p->metadata.name));
  }
  run();
  fake_.take_log();
  scale(2);
  run();
  EXPECT_EQ(fake_.take_log()[0], "delete Pod default/" + pods[1]->metadata.name.str());
}

TEST_F(ReplicaSetTest, AdoptsOrphansAndReleasesStrangers) {
  api::Ref<Pod> orphan = api::make<Pod>();
  orphan->metadata.name = "orphan";
  orphan->metadata.namespace_ = "default";
  orphan->metadata.labels.set("app", "web");
  fake_.put(orphan);
  create(2);
  run();
  EXPECT_EQ(fake_.all<Pod>().size(), 2u);
  EXPECT_TRUE(api::is_controlled_by(*fake_.get<Pod>("default", "orphan"), *rs()));
  api::Ref<Pod> moved = api::clone(*fake_.get<Pod>("default", "orphan"));
  moved->metadata.labels.set("app", "other");
  fake_.put(moved);
  run();
  EXPECT_FALSE(api::controller_of(*fake_.get<Pod>("default", "orphan")));
  EXPECT_EQ(fake_.all<Pod>().size(), 3u);
}

// The criteria one by one; the first pod is the one that must go.
TEST(PodRanking, FollowsKubernetesOrder) {
  const api::Time now = api::Time::from_unix_seconds(1'000'000);
  const auto pod = [&](std::string_view name, auto change) {
    api::Ref<Pod> p = api::make<Pod>();
    p->metadata.name = name;
    p->metadata.uid = name;
    p->metadata.creation_timestamp = now - api::Duration::seconds(1000);
    p->spec.node_name = "n";
    p->status.phase = "Running";
    api::PodCondition ready;
    ready.type = "Ready";
    ready.status = "True";
    ready.last_transition_time = now - api::Duration::seconds(900);
    p->status.conditions = {ready};
    api::ContainerStatus c;
    p->status.container_statuses = {c};
    change(*p);
    return PodRef(p);
  };
  const auto nothing = [](Pod&) {};
  struct Case {
    std::string_view what;
    PodRef first;
    PodRef second;
    int32_t first_rank = 0;
  };
  const Case cases[] = {
      {"unassigned", pod("b", [](Pod& p) { p.spec.node_name = ""; }), pod("a", nothing)},
      {"pending", pod("b", [](Pod& p) { p.status.phase = "Pending"; }), pod("a", nothing)},
      {"not ready", pod("b", [](Pod& p) { p.status.conditions.edit()[0].status = "False"; }),
       pod("a", nothing)},
      {"cheaper",
       pod("b",
           [](Pod& p) {
             p.metadata.annotations.set("controller.kubernetes.io/pod-deletion-cost", "-5");
           }),
       pod("a", nothing)},
      {"crowded node", pod("b", nothing), pod("a", nothing), 3},
      // 100 s and 900 s are in different powers of two of nanoseconds.
      {"ready for less time",
       pod("b",
           [&](Pod& p) {
             p.status.conditions.edit()[0].last_transition_time = now - api::Duration::seconds(100);
           }),
       pod("a", nothing)},
      {"more restarts",
       pod("b", [](Pod& p) { p.status.container_statuses.edit()[0].restart_count = 2; }),
       pod("a", nothing)},
      {"younger",
       pod("b", [&](Pod& p) { p.metadata.creation_timestamp = now - api::Duration::seconds(10); }),
       pod("a", nothing)},
  };
  for (const Case& c : cases) {
    std::vector<RankedPod> pods{{c.second, 0}, {c.first, c.first_rank}};
    sort_for_deletion(pods, now);
    EXPECT_EQ(pods[0].pod, c.first) << c.what;
    std::vector<RankedPod> swapped{{c.first, c.first_rank}, {c.second, 0}};
    sort_for_deletion(swapped, now);
    EXPECT_EQ(swapped[0].pod, c.first) << c.what;
  }
}

}  // namespace
}  // namespace mainspring::controllers
