#include "models/controllers/persistentvolume_controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/api/pod_helpers.h"
#include "models/api/types/storage.h"
#include "models/api/volume_helpers.h"
#include "models/controllers/ephemeral_volume_controller.h"
#include "tests/support/fake_cluster.h"

namespace mainspring::controllers {
namespace {

using api::PersistentVolume;
using api::PersistentVolumeClaim;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Volumes : public ::testing::Test {
 protected:
  Volumes() {
    cluster.add(std::make_unique<client::ReconcilerLoop>(make_persistentvolume_controller()));
    cluster.add(std::make_unique<client::ReconcilerLoop>(make_ephemeral_volume_controller()));
    cluster.start();
  }
  void put_class(std::string_view name, std::string_view mode,
                 std::string_view provisioner = "disk.example.com",
                 std::string_view reclaim = "Delete") {
    auto c = api::make<api::StorageClass>();
    c->metadata.name = name;
    c->provisioner = provisioner;
    c->volume_binding_mode = mode;
    c->reclaim_policy = reclaim;
    cluster.put(c);
  }
  void put_claim(std::string_view name, std::string_view cls, std::string_view node = "") {
    auto c = api::make<PersistentVolumeClaim>();
    c->metadata.name = name;
    c->metadata.namespace_ = "default";
    c->spec.access_modes = {"ReadWriteOnce"};
    c->spec.storage_class_name = api::Str(cls);
    c->spec.resources.requests.set("storage", api::Quantity::of("10Gi"));
    c->status.phase = "Pending";
    if (!node.empty()) c->metadata.annotations.set(api::kSelectedNode, node);
    cluster.put(c);
    cluster.settle();
  }
  void put_volume(std::string_view name, std::string_view cls, std::string_view size) {
    auto v = api::make<PersistentVolume>();
    v->metadata.name = name;
    v->spec.storage_class_name = cls;
    v->spec.access_modes = {"ReadWriteOnce"};
    v->spec.persistent_volume_reclaim_policy = "Retain";
    v->spec.capacity.set("storage", api::Quantity::of(size));
    cluster.put(v);
    cluster.settle();
  }
  api::Ref<const PersistentVolumeClaim> claim(std::string_view name) {
    return cluster.get<PersistentVolumeClaim>("default", name);
  }
  std::string phase(std::string_view volume) {
    const auto v = cluster.get<PersistentVolume>("", volume);
    return v ? v->status.phase.str() : "gone";
  }

  testing::FakeCluster cluster;
};

// The smallest volume that is large enough; both sides say so, in Kubernetes' order of writes.
TEST_F(Volumes, BindsAnImmediateClaimToTheSmallestThatFits) {
  put_class("now", "Immediate", api::kNoProvisioner);
  put_volume("a", "now", "20Gi");
  put_volume("b", "now", "12Gi");
  put_volume("c", "now", "5Gi");
  EXPECT_EQ(phase("b"), "Available");
  cluster.take_log();
  put_claim("data", "now");
  EXPECT_THAT(cluster.take_log(),
              ElementsAre("update PersistentVolume b", "status PersistentVolume b",
                          "update PersistentVolumeClaim default/data",
                          "status PersistentVolumeClaim default/data"));
  EXPECT_EQ(claim("data")->spec.volume_name, "b");
  EXPECT_EQ(claim("data")->status.phase, "Bound");
  EXPECT_EQ(claim("data")->status.capacity.get("storage").to_string(), "12Gi");
  EXPECT_EQ(phase("b"), "Bound");
  // Without its claim the volume is released and kept.
  cluster.remove(*claim("data"));
  cluster.settle();
  EXPECT_EQ(phase("b"), "Released");
}

TEST_F(Volumes, LeavesClaimsThatWaitToTheScheduler) {
  put_class("wait", "WaitForFirstConsumer");
  put_volume("a", "wait", "20Gi");
  put_claim("data", "wait");
  EXPECT_EQ(claim("data")->spec.volume_name, "");
  EXPECT_THAT(cluster.take_events(),
              Contains("Normal WaitForFirstConsumer data: waiting for first consumer to be created "
                       "before binding"));
  // What the scheduler points at the claim is bound.
  auto v = api::clone(*cluster.get<PersistentVolume>("", "a"));
  api::bind_to(*v, *claim("data"));
  cluster.put(v);
  cluster.settle();
  EXPECT_TRUE(api::is_fully_bound(*claim("data")));
}

// A claim with a selected node gets a volume where that node is, 3 s after it was asked for; with
// the claim the volume goes.
TEST_F(Volumes, ProvisionsNearTheSelectedNode) {
  auto node = api::make<api::Node>();
  node->metadata.name = "n";
  node->metadata.labels.set("topology.example.com/zone", "z1");
  cluster.put(node);
  auto csi = api::make<api::CSINode>();
  csi->metadata.name = "n";
  api::CSINodeDriver driver;
  driver.name = "disk.example.com";
  driver.topology_keys = {"topology.example.com/zone"};
  csi->spec.drivers = {driver};
  cluster.put(csi);
  put_class("wait", "WaitForFirstConsumer");
  put_claim("data", "wait", "n");
  EXPECT_EQ(cluster.all<PersistentVolume>().size(), 0u);
  EXPECT_THAT(cluster.take_events(), Contains(HasSubstr("Normal ExternalProvisioning data")));
  cluster.advance(api::Duration::seconds(4));
  ASSERT_EQ(cluster.all<PersistentVolume>().size(), 1u);
  const auto v = cluster.all<PersistentVolume>().front();
  EXPECT_EQ(v->metadata.name, "pvc-" + claim("data")->metadata.uid.str());
  const auto& term = v->spec.node_affinity->required->node_selector_terms[0];
  EXPECT_EQ(term.match_expressions[0].key, "topology.example.com/zone");
  EXPECT_EQ(term.match_expressions[0].values[0], "z1");
  EXPECT_TRUE(api::is_fully_bound(*claim("data")));
  cluster.remove(*claim("data"));
  cluster.settle();
  EXPECT_EQ(cluster.all<PersistentVolume>().size(), 0u);
}

TEST_F(Volumes, SaysWhyAClaimWaits) {
  put_claim("a", "");
  put_claim("b", "none");
  put_class("manual", "Immediate", api::kNoProvisioner);
  put_claim("c", "manual");
  EXPECT_THAT(cluster.take_events(),
              ElementsAre("Normal FailedBinding a: no persistent volumes available for this claim "
                          "and no storage class is set",
                          "Warning ProvisioningFailed b: storageclass.storage.k8s.io \"none\" not "
                          "found",
                          "Warning ProvisioningFailed c: no volume plugin matched name: "
                          "kubernetes.io/no-provisioner"));
}

TEST_F(Volumes, LosesAClaimWithItsVolume) {
  put_class("now", "Immediate", api::kNoProvisioner);
  put_volume("a", "now", "20Gi");
  put_claim("data", "now");
  cluster.remove(*cluster.get<PersistentVolume>("", "a"));
  cluster.settle();
  EXPECT_EQ(claim("data")->status.phase, "Lost");
}

TEST_F(Volumes, MakesTheClaimsOfEphemeralVolumes) {
  auto pod = api::make<api::Pod>();
  pod->metadata.name = "p";
  pod->metadata.namespace_ = "default";
  api::PersistentVolumeClaimTemplate t;
  t.metadata.labels.set("app", "x");
  t.spec.access_modes = {"ReadWriteOnce"};
  t.spec.storage_class_name = api::Str("none");
  api::EphemeralVolumeSource source;
  source.volume_claim_template = t;
  api::Volume volume;
  volume.name = "scratch";
  volume.ephemeral = source;
  pod->spec.volumes = {volume};
  cluster.put(pod);
  cluster.settle();
  const auto c = claim("p-scratch");
  ASSERT_TRUE(c);
  EXPECT_EQ(*c->metadata.labels.find("app"), "x");
  EXPECT_EQ(api::controller_of(*c)->kind, "Pod");
}

}  // namespace
}  // namespace mainspring::controllers
