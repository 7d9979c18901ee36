#include "models/controllers/deployment_controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/api/pod_helpers.h"
#include "models/api/types/apps.h"
#include "models/client/reconciler.h"
#include "tests/support/fake_cluster.h"

namespace mainspring::controllers {
namespace {

using api::Deployment;
using api::ReplicaSet;
using mainspring::testing::FakeCluster;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

api::Ref<Deployment> deployment(int32_t replicas, std::string_view image) {
  api::Ref<Deployment> d = api::make<Deployment>();
  d->metadata.name = "web";
  d->metadata.namespace_ = "default";
  d->spec.replicas = replicas;
  d->spec.progress_deadline_seconds = 600;
  d->spec.revision_history_limit = 10;
  d->spec.selector.edit().match_labels.set("app", "web");
  d->spec.strategy.type = "RollingUpdate";
  api::RollingUpdateDeployment& r = d->spec.strategy.rolling_update.edit();
  r.max_surge = api::IntOrString("25%");
  r.max_unavailable = api::IntOrString("25%");
  d->spec.template_.metadata.labels.set("app", "web");
  api::Container c;
  c.name = "c";
  c.image = image;
  d->spec.template_.spec.containers = {c};
  return d;
}

class DeploymentTest : public ::testing::Test {
 protected:
  DeploymentTest() {
    fake_.add(std::make_unique<client::ReconcilerLoop>(make_deployment_controller()));
    fake_.start();
  }
  api::Ref<const Deployment> web() { return fake_.get<Deployment>("default", "web"); }
  // Changes the stored deployment as a user would.
  template <class Change>
  void edit(const Change& change) {
    api::Ref<Deployment> d = api::clone(*web());
    change(*d);
    ++d->metadata.generation;
    fake_.put(d);
  }
  void set_image(std::string_view image) {
    edit([&](Deployment& d) { d.spec.template_.spec.containers.edit()[0].image = image; });
  }
  api::Ref<const ReplicaSet> set_with_image(std::string_view image) {
    for (const auto& rs : fake_.all<ReplicaSet>()) {
      if (rs->spec.template_.spec.containers[0].image == image) return rs;
    }
    return {};
  }
  // What the replica set controller would report.
  void report(std::string_view image, int32_t replicas, int32_t available) {
    const api::Ref<const ReplicaSet> now = set_with_image(image);
    if (!now) return;
    api::Ref<ReplicaSet> rs = api::clone(*now);
    rs->status.replicas = replicas;
    rs->status.ready_replicas = available;
    rs->status.available_replicas = available;
    rs->status.observed_generation = rs->metadata.generation;
    fake_.put(rs);
    run();
  }
  // Long enough for retries after a conflict, too short for deadlines.
  void run() { fake_.advance(api::Duration::millis(100)); }
  int32_t size(std::string_view image) { return *set_with_image(image)->spec.replicas; }
  const api::DeploymentCondition* condition(std::string_view type) {
    return api::find_condition(web()->status.conditions, type);
  }
  void deploy(int32_t replicas) {
    fake_.put(deployment(replicas, "app:1"));
    run();
    report("app:1", replicas, replicas);
    fake_.take_log();
    fake_.take_events();
  }

  FakeCluster fake_;
};

// The order of writes recorded from a real cluster: the set, the condition that says so; then the
// status update of the same sync meets its own stale copy, and the retry writes it.
TEST_F(DeploymentTest, CreatesTheSetThenReportsIt) {
  fake_.put(deployment(10, "app:1"));
  run();
  const std::string name = fake_.all<ReplicaSet>()[0]->metadata.name.str();
  EXPECT_THAT(fake_.take_log(), ElementsAre("create ReplicaSet default/" + name + " replicas=10",
                                            "status Deployment default/web",
                                            "status Deployment default/web: Conflict",
                                            "status Deployment default/web"));
  EXPECT_THAT(
      fake_.take_events(),
      ElementsAre("Normal ScalingReplicaSet web: Scaled up replica set " + name + " from 0 to 10"));
  EXPECT_EQ(web()->metadata.annotations.get("deployment.kubernetes.io/revision"), "1");
  EXPECT_EQ(web()->status.observed_generation, 1);
  EXPECT_EQ(web()->status.unavailable_replicas, 10);
  EXPECT_EQ(condition("Progressing")->reason, "NewReplicaSetCreated");
  EXPECT_EQ(condition("Progressing")->message, "Created new replica set \"" + name + "\"");
  EXPECT_EQ(condition("Available")->reason, "MinimumReplicasUnavailable");
  const auto& notes = fake_.all<ReplicaSet>()[0]->metadata.annotations;
  EXPECT_EQ(notes.get("deployment.kubernetes.io/desired-replicas"), "10");
  EXPECT_EQ(notes.get("deployment.kubernetes.io/max-replicas"), "13");  // 10 + ceil(2.5)

  report("app:1", 10, 0);
  EXPECT_EQ(condition("Progressing")->reason, "ReplicaSetUpdated");
  report("app:1", 10, 10);
  EXPECT_EQ(condition("Progressing")->reason, "NewReplicaSetAvailable");
  EXPECT_EQ(condition("Available")->status, "True");
}

// 10 replicas, 25 %/25 %: surge 3, unavailable 2. New 3 and old 8 in the first round (13 - 8 - 3
// = 2 may go), then new 5 (13 in total); one new pod available lets one old go.
TEST_F(DeploymentTest, RollsWithinItsFenceposts) {
  deploy(10);
  set_image("app:2");
  run();
  EXPECT_EQ(size("app:2"), 5);
  EXPECT_EQ(size("app:1"), 8);
  const std::vector<std::string> events = fake_.take_events();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_THAT(events[0], HasSubstr("from 0 to 3"));
  EXPECT_THAT(events[1], HasSubstr("from 10 to 8"));
  EXPECT_THAT(events[2], HasSubstr("from 3 to 5"));

  report("app:1", 8, 8);
  report("app:2", 5, 0);
  EXPECT_EQ(size("app:1"), 8);  // 8 available: none may go
  report("app:2", 5, 1);
  EXPECT_EQ(size("app:1"), 7);
  report("app:1", 7, 7);
  EXPECT_EQ(size("app:2"), 6);
  report("app:2", 6, 6);
  EXPECT_EQ(size("app:1"), 2);  // 13 available of 8: five go
  report("app:1", 2, 2);
  EXPECT_EQ(size("app:2"), 10);
  report("app:2", 10, 10);
  report("app:1", 0, 0);
  EXPECT_EQ(size("app:1"), 0);
  EXPECT_EQ(condition("Progressing")->reason, "NewReplicaSetAvailable");
  EXPECT_EQ(web()->metadata.annotations.get("deployment.kubernetes.io/revision"), "2");
}

// A pod of the old set that is not available is taken first, although it is not the budget's.
TEST_F(DeploymentTest, TakesUnhealthyOldPodsFirst) {
  deploy(10);
  report("app:1", 10, 7);  // below 8 already
  set_image("app:2");
  run();
  // 13 - 8 - 3 = 2 unhealthy ones go; of 7 available none may.
  EXPECT_EQ(size("app:1"), 8);
}

TEST_F(DeploymentTest, ScalesProportionallyDuringARollout) {
  deploy(10);
  set_image("app:2");
  run();
  report("app:1", 8, 8);
  report("app:2", 5, 0);
  fake_.take_events();
  // 20 + surge 5 = 25, 12 to add: old 8 * 25 / 13 = 15.4 -> +7, new 5 * 25 / 13 = 9.6 -> +5.
  edit([](Deployment& d) { d.spec.replicas = 20; });
  run();
  EXPECT_EQ(size("app:1"), 15);
  EXPECT_EQ(size("app:2"), 10);
  const auto& notes = set_with_image("app:1")->metadata.annotations;
  EXPECT_EQ(notes.get("deployment.kubernetes.io/desired-replicas"), "20");
  EXPECT_EQ(notes.get("deployment.kubernetes.io/max-replicas"), "25");
}

TEST_F(DeploymentTest, PausesAndScalesWhilePaused) {
  deploy(4);
  edit([](Deployment& d) { d.spec.paused = true; });
  run();
  EXPECT_EQ(condition("Progressing")->reason, "DeploymentPaused");
  EXPECT_EQ(condition("Progressing")->status, "Unknown");
  set_image("app:2");
  run();
  EXPECT_FALSE(set_with_image("app:2"));
  edit([](Deployment& d) { d.spec.replicas = 6; });
  run();
  EXPECT_EQ(size("app:1"), 6);
  edit([](Deployment& d) { d.spec.paused = false; });
  run();
  EXPECT_TRUE(set_with_image("app:2"));
}

TEST_F(DeploymentTest, RollsBackToTheOldSetAndKeepsItsRevisions) {
  deploy(2);
  set_image("app:2");
  run();
  const std::string first = set_with_image("app:1")->metadata.name.str();
  set_image("app:1");
  run();
  EXPECT_EQ(fake_.all<ReplicaSet>().size(), 2u);
  const auto rs = set_with_image("app:1");
  EXPECT_EQ(rs->metadata.name, first);
  EXPECT_EQ(rs->metadata.annotations.get("deployment.kubernetes.io/revision"), "3");
  EXPECT_EQ(rs->metadata.annotations.get("deployment.kubernetes.io/revision-history"), "1");
  EXPECT_EQ(web()->metadata.annotations.get("deployment.kubernetes.io/revision"), "3");
}

TEST_F(DeploymentTest, RecreateWaitsForTheLastOldPod) {
  api::Ref<Deployment> d = deployment(3, "app:1");
  d->spec.strategy.type = "Recreate";
  d->spec.strategy.rolling_update.reset();
  fake_.put(d);
  run();
  report("app:1", 3, 3);
  api::Ref<api::Pod> pod = api::make<api::Pod>();
  pod->metadata.name = "p";
  pod->metadata.namespace_ = "default";
  pod->metadata.owner_references = {api::make_controller_reference(*set_with_image("app:1"))};
  pod->status.phase = "Running";
  fake_.put(pod);

  set_image("app:2");
  run();
  EXPECT_EQ(size("app:1"), 0);
  report("app:1", 0, 0);
  EXPECT_FALSE(set_with_image("app:2"));  // the pod is still there
  fake_.remove(*pod);
  run();
  ASSERT_TRUE(set_with_image("app:2"));
  EXPECT_EQ(size("app:2"), 3);
}

TEST_F(DeploymentTest, GivesUpWaitingForProgressAfterTheDeadline) {
  deploy(2);
  set_image("app:2");
  run();
  report("app:2", 1, 0);
  fake_.advance(api::Duration::seconds(590));
  EXPECT_EQ(condition("Progressing")->reason, "ReplicaSetUpdated");
  fake_.advance(api::Duration::seconds(20));
  EXPECT_EQ(condition("Progressing")->reason, "ProgressDeadlineExceeded");
  EXPECT_EQ(condition("Progressing")->status, "False");
  EXPECT_THAT(condition("Progressing")->message.str(), HasSubstr("has timed out progressing."));
}

TEST_F(DeploymentTest, DeletesHistoryBeyondItsLimit) {
  deploy(1);
  edit([](Deployment& d) { d.spec.revision_history_limit = 1; });
  for (const std::string_view image : {"app:2", "app:3", "app:4"}) {
    set_image(image);
    run();
    report(image, 1, 1);
    for (const auto& rs : fake_.all<ReplicaSet>()) {
      const std::string other = rs->spec.template_.spec.containers[0].image.str();
      if (other != image) report(other, 0, 0);
    }
  }
  EXPECT_FALSE(set_with_image("app:1"));
  EXPECT_FALSE(set_with_image("app:2"));
  EXPECT_TRUE(set_with_image("app:3"));
}

TEST_F(DeploymentTest, AdoptsAMatchingSetAndReleasesOneThatNoLongerMatches) {
  deploy(1);
  api::Ref<ReplicaSet> orphan = api::make<ReplicaSet>();
  orphan->metadata.name = "stray";
  orphan->metadata.namespace_ = "default";
  orphan->metadata.labels.set("app", "web");
  orphan->spec.replicas = 0;
  fake_.put(orphan);
  run();
  const auto adopted = fake_.get<ReplicaSet>("default", "stray");
  ASSERT_TRUE(api::controller_of(*adopted));
  EXPECT_EQ(api::controller_of(*adopted)->uid, web()->metadata.uid);
  api::Ref<ReplicaSet> moved = api::clone(*adopted);
  moved->metadata.labels.set("app", "other");
  fake_.put(moved);
  run();
  EXPECT_FALSE(api::controller_of(*fake_.get<ReplicaSet>("default", "stray")));
}

TEST_F(DeploymentTest, CountsAHashCollisionAndTriesAnotherName) {
  fake_.put(deployment(1, "app:1"));
  run();
  api::Ref<ReplicaSet> taken = api::clone(*fake_.all<ReplicaSet>()[0]);
  fake_.remove(*web());
  run();
  // A set of the same name that is somebody else's.
  fake_.remove(*taken);
  taken->metadata.owner_references.clear();
  taken->metadata.labels.clear();
  taken->spec.template_.spec.containers.edit()[0].image = "other";
  fake_.put(taken);
  fake_.put(deployment(1, "app:1"));
  run();
  EXPECT_EQ(web()->status.collision_count, 1);
  ASSERT_TRUE(set_with_image("app:1"));
  EXPECT_NE(set_with_image("app:1")->metadata.name, taken->metadata.name);
}

}  // namespace
}  // namespace mainspring::controllers
