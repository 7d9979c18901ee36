#include "models/controllers/garbage_collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/api/pod_helpers.h"
#include "models/api/types/apps.h"
#include "models/client/reconciler.h"
#include "tests/support/fake_cluster.h"

namespace mainspring::controllers {
namespace {

using api::Duration;
using api::Pod;
using api::ReplicaSet;
using mainspring::testing::FakeCluster;
using ::testing::ElementsAre;

class GarbageCollectorTest : public ::testing::Test {
 protected:
  GarbageCollectorTest() {
    fake_.add(std::make_unique<client::ReconcilerLoop>(make_garbage_collector()));
    fake_.start();
    api::Ref<ReplicaSet> rs = api::make<ReplicaSet>();
    rs->metadata.name = "rs";
    rs->metadata.namespace_ = "default";
    owner_ = fake_.put(rs);
    for (const std::string_view name : {"a", "b"}) {
      api::Ref<Pod> p = api::make<Pod>();
      p->metadata.name = name;
      p->metadata.namespace_ = "default";
      p->metadata.owner_references = {api::make_controller_reference(*owner_)};
      fake_.put(p);
    }
    run();
    fake_.take_log();
  }
  void run() { fake_.advance(Duration::seconds(1)); }
  // Marks the owner as being deleted, with the finalizer of a policy.
  void delete_with(std::string_view finalizer) {
    api::Ref<ReplicaSet> rs = api::clone(api::as<ReplicaSet>(*owner_));
    rs->metadata.deletion_timestamp = fake_.now();
    rs->metadata.finalizers = {api::Str(finalizer)};
    fake_.put(rs);
    run();
  }

  FakeCluster fake_;
  api::ObjectRef owner_;
};

TEST_F(GarbageCollectorTest, DeletesTheDependentsOfAnOwnerThatIsGone) {
  fake_.remove(*owner_);
  run();
  EXPECT_TRUE(fake_.all<Pod>().empty());
  // Two requests for each; the owner is known to be gone and not asked for.
  EXPECT_THAT(fake_.take_log(),
              ::testing::UnorderedElementsAre("get Pod default/a", "delete Pod default/a",
                                              "get Pod default/b", "delete Pod default/b"));
}

TEST_F(GarbageCollectorTest, ForegroundDeletesDependentsFirst) {
  delete_with("foregroundDeletion");
  EXPECT_TRUE(fake_.all<Pod>().empty());
  EXPECT_TRUE(fake_.all<ReplicaSet>().empty());
  const auto log = fake_.take_log();
  EXPECT_EQ(log.back(), "patch ReplicaSet default/rs");
}

TEST_F(GarbageCollectorTest, OrphanSetsDependentsFree) {
  delete_with("orphan");
  EXPECT_TRUE(fake_.all<ReplicaSet>().empty());
  ASSERT_EQ(fake_.all<Pod>().size(), 2u);
  for (const auto& pod : fake_.all<Pod>()) EXPECT_TRUE(pod->metadata.owner_references.empty());
}

TEST_F(GarbageCollectorTest, ADependentWithAnotherOwnerOnlyLosesTheReference) {
  api::Ref<ReplicaSet> other = api::make<ReplicaSet>();
  other->metadata.name = "other";
  other->metadata.namespace_ = "default";
  const api::ObjectRef second = fake_.put(other);
  api::Ref<Pod> pod = api::clone(*fake_.get<Pod>("default", "a"));
  api::OwnerReference r = api::make_controller_reference(*second);
  r.controller = false;
  pod->metadata.owner_references.push_back(r);
  fake_.put(pod);
  fake_.remove(*owner_);
  run();
  ASSERT_EQ(fake_.all<Pod>().size(), 1u);
  ASSERT_EQ(fake_.all<Pod>()[0]->metadata.owner_references.size(), 1u);
  EXPECT_EQ(fake_.all<Pod>()[0]->metadata.owner_references[0].name, "other");
}

TEST_F(GarbageCollectorTest, FindsThatAnOwnerNeverExisted) {
  api::Ref<Pod> pod = api::clone(*fake_.get<Pod>("default", "a"));
  pod->metadata.name = "stray";
  pod->metadata.uid = {};
  pod->metadata.owner_references.edit()[0].uid = "nobody";
  fake_.put(pod);
  run();
  EXPECT_FALSE(fake_.get<Pod>("default", "stray"));
  EXPECT_EQ(fake_.all<Pod>().size(), 2u);
}

}  // namespace
}  // namespace mainspring::controllers
