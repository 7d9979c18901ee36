#include "models/controllers/resourceclaim_controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/api/claim_helpers.h"
#include "models/api/pod_helpers.h"
#include "tests/support/fake_cluster.h"
#include "tests/support/resource_claims.h"

namespace mainspring::controllers {
namespace {

using api::Pod;
using api::ResourceClaim;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class ResourceClaims : public ::testing::Test {
 protected:
  ResourceClaims() {
    cluster.add(std::make_unique<client::ReconcilerLoop>(make_resourceclaim_controller()));
    cluster.start();
  }
  static api::DeviceClaim one_gpu() {
    api::DeviceClaim claim;
    claim.requests = {test::gpu_request()};
    return claim;
  }
  void put_template() {
    auto t = api::make<api::ResourceClaimTemplate>();
    t->metadata.namespace_ = "default";
    t->metadata.name = "one-gpu";
    t->spec.metadata.labels.set("team", "a");
    t->spec.spec.devices = one_gpu();
    cluster.put(t);
  }
  api::Ref<Pod> make_pod(std::string_view name, std::string_view claim = "") {
    auto pod = api::make<Pod>();
    pod->metadata.namespace_ = "default";
    pod->metadata.name = name;
    pod->metadata.uid = "uid-" + std::string(name);
    pod->status.phase = "Pending";
    api::PodResourceClaim entry;
    entry.name = "gpu";
    entry.resource_claim_name = claim;
    if (claim.empty()) entry.resource_claim_template_name = "one-gpu";
    pod->spec.resource_claims = {entry};
    return pod;
  }
  api::Ref<ResourceClaim> make_claim(std::string_view name,
                                     std::initializer_list<api::Ref<Pod>> users) {
    auto claim = api::make<ResourceClaim>();
    claim->metadata.namespace_ = "default";
    claim->metadata.name = name;
    claim->metadata.uid = "uid-" + std::string(name);
    claim->metadata.finalizers = {api::Str(api::kClaimFinalizer)};
    claim->spec.devices = one_gpu();
    claim->status.allocation = api::AllocationResult();
    for (const auto& pod : users) {
      claim->status.reserved_for.push_back(api::reservation_for(*pod));
    }
    return claim;
  }
  std::string made_claim(std::string_view pod) {
    const auto& statuses = cluster.get<Pod>("default", pod)->status.resource_claim_statuses;
    return statuses.empty() ? "" : statuses[0].resource_claim_name.str();
  }

  mainspring::testing::FakeCluster cluster;
};

TEST_F(ResourceClaims, AreMadeFromTemplatesAndNamedOnThePod) {
  put_template();
  cluster.put(make_pod("train"));
  cluster.settle();
  const std::string name = made_claim("train");
  EXPECT_THAT(name, StartsWith("train-gpu-"));
  const auto claim = cluster.get<ResourceClaim>("default", name);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->metadata.annotations.get("resource.kubernetes.io/pod-claim-name"), "gpu");
  EXPECT_EQ(claim->metadata.labels.get("team"), "a");
  EXPECT_EQ(api::controller_of(*claim)->uid, "uid-train");
  EXPECT_EQ(claim->spec.devices, one_gpu());
  // Once.
  cluster.advance(api::Duration::minutes(1));
  EXPECT_EQ(cluster.all<ResourceClaim>().size(), 1U);
}

TEST_F(ResourceClaims, AreMadeAgainWhenSomebodyDeletesThem) {
  put_template();
  cluster.put(make_pod("train"));
  cluster.settle();
  const std::string first = made_claim("train");
  cluster.remove(*cluster.get<ResourceClaim>("default", first));
  cluster.settle();
  EXPECT_NE(made_claim("train"), first);
  EXPECT_TRUE(cluster.get<ResourceClaim>("default", made_claim("train")));
}

TEST_F(ResourceClaims, LongNamesAreCutInProportion) {
  put_template();
  const std::string pod(80, 'p');
  cluster.put(make_pod(pod));
  cluster.settle();
  // 85 characters, of which 57 may stay: 80 * 57 / 85 and 3 * 57 / 85.
  EXPECT_THAT(made_claim(pod), StartsWith(std::string(53, 'p') + "-gp"));
}

TEST_F(ResourceClaims, AMissingTemplateIsSaidAndTriedAgain) {
  cluster.put(make_pod("train"));
  cluster.settle();
  EXPECT_THAT(
      cluster.take_events(),
      ElementsAre(HasSubstr("FailedResourceClaimCreation train: PodResourceClaim gpu: "
                            "resource claim template \"one-gpu\": "
                            "resourceclaimtemplate.resource.k8s.io \"one-gpu\" not found")));
  put_template();
  cluster.advance(api::Duration::seconds(1));
  EXPECT_THAT(made_claim("train"), StartsWith("train-gpu-"));
}

// The devices go back when the last user has ended; the claim stays, for it is somebody's own.
TEST_F(ResourceClaims, EndedPodsGiveTheirDevicesBack) {
  auto pod = make_pod("train", "shared");
  pod->spec.node_name = "n";
  pod->status.phase = "Running";
  cluster.put(pod);
  cluster.put(make_claim("shared", {pod}));
  cluster.settle();
  EXPECT_TRUE(cluster.get<ResourceClaim>("default", "shared")->status.allocation);
  auto ended = api::clone(*cluster.get<Pod>("default", "train"));
  ended->status.phase = "Succeeded";
  cluster.put(ended);
  cluster.settle();
  const auto claim = cluster.get<ResourceClaim>("default", "shared");
  EXPECT_FALSE(claim->status.allocation);
  EXPECT_THAT(claim->status.reserved_for, IsEmpty());
  EXPECT_THAT(claim->metadata.finalizers, IsEmpty());
}

TEST_F(ResourceClaims, OthersKeepWhatTheyShare) {
  auto gone = make_pod("gone", "shared");
  auto stays = make_pod("stays", "shared");
  cluster.put(gone);
  cluster.put(stays);
  cluster.put(make_claim("shared", {gone, stays}));
  cluster.settle();
  cluster.remove(*cluster.get<Pod>("default", "gone"));
  cluster.settle();
  const auto claim = cluster.get<ResourceClaim>("default", "shared");
  EXPECT_TRUE(claim->status.allocation);
  ASSERT_EQ(claim->status.reserved_for.size(), 1U);
  EXPECT_EQ(claim->status.reserved_for[0].name, "stays");
}

TEST_F(ResourceClaims, ClaimsOfEndedPodsAreDeleted) {
  put_template();
  cluster.put(make_pod("train"));
  cluster.settle();
  auto ended = api::clone(*cluster.get<Pod>("default", "train"));
  ended->status.phase = "Failed";
  cluster.put(ended);
  cluster.settle();
  EXPECT_THAT(cluster.all<ResourceClaim>(), IsEmpty());
}

// As of a pod that was created with a node's name.
TEST_F(ResourceClaims, PodsWithANodeGetAllocatedClaimsReserved) {
  auto pod = make_pod("direct", "shared");
  pod->spec.node_name = "n";
  cluster.put(make_claim("shared", {}));
  cluster.put(pod);
  cluster.settle();
  const auto claim = cluster.get<ResourceClaim>("default", "shared");
  ASSERT_EQ(claim->status.reserved_for.size(), 1U);
  EXPECT_EQ(claim->status.reserved_for[0].uid, "uid-direct");
}

}  // namespace
}  // namespace mainspring::controllers
