// What the recorded cases do not hold: requests that fail, pods on their way at the same time, and
// the seams of the allocator.
#include "models/scheduler/plugins/dynamic_resources.h"
#include "models/api/node_affinity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/api/claim_helpers.h"
#include "tests/models/scheduler/cluster.h"

namespace mainspring::scheduler {
namespace {

using api::ResourceClaim;
using test::Cluster;
using test::make_node;
using test::make_pod;
using ::testing::Contains;
using ::testing::HasSubstr;

void put_class(Cluster& c, std::string_view name, std::string_view selector = "true") {
  auto k = api::make<api::DeviceClass>();
  k->metadata.name = name;
  api::DeviceSelector s;
  s.cel = api::CELDeviceSelector();
  s.cel.edit().expression = selector;
  k->spec.selectors = {s};
  c.put(k);
}

// A node's own devices "d0", "d1", ...
void put_slice(Cluster& c, std::string_view node, int devices) {
  auto s = api::make<api::ResourceSlice>();
  s->metadata.name = "slice-" + std::string(node);
  s->spec.driver = "gpu.example.com";
  s->spec.pool.name = node;
  s->spec.pool.resource_slice_count = 1;
  s->spec.node_name = api::Str(node);
  for (int i = 0; i < devices; ++i) {
    api::Device d;
    d.name = "d" + std::to_string(i);
    s->spec.devices.push_back(d);
  }
  c.put(s);
}

api::Ref<ResourceClaim> make_claim(std::string_view name, int64_t count = 1) {
  auto claim = api::make<ResourceClaim>();
  claim->metadata.namespace_ = "default";
  claim->metadata.name = name;
  claim->metadata.uid = "uid-" + std::string(name);
  claim->spec.devices.requests = {test::gpu_request(count)};
  return claim;
}

api::Ref<api::Pod> pod_with(std::string_view name, std::string_view claim) {
  auto pod = make_pod(name);
  api::PodResourceClaim entry;
  entry.name = "gpu";
  entry.resource_claim_name = claim;
  pod->spec.resource_claims = {entry};
  return pod;
}

const ResourceClaim& claim_of(const Cluster& c, std::string_view name) {
  return *c.ctx.cache(api::Kind::ResourceClaim).get<ResourceClaim>("default", name);
}

class DynamicResourcesTest : public ::testing::Test {
 protected:
  DynamicResourcesTest() {
    cluster.put(make_node("a"));
    put_class(cluster, "gpu");
    put_slice(cluster, "a", 1);
  }
  Cluster cluster;
};

TEST_F(DynamicResourcesTest, WritesTheClaimBeforeItBindsThePod) {
  cluster.put(make_claim("one"));
  cluster.put(pod_with("p", "one"));
  EXPECT_EQ(cluster.node_of("p"), "a");
  const ResourceClaim& claim = claim_of(cluster, "one");
  ASSERT_TRUE(claim.status.allocation);
  EXPECT_EQ(claim.status.allocation->devices.results[0].device, "d0");
  EXPECT_EQ(claim.status.reserved_for[0].uid, "uid-p");
  EXPECT_TRUE(api::is_protected(claim));
}

TEST_F(DynamicResourcesTest, WaitsAtTheGateUntilItsClaimIsThere) {
  cluster.put(pod_with("p", "one"));
  EXPECT_EQ(cluster.why("p"), "");
  cluster.put(make_claim("one"));
  EXPECT_EQ(cluster.node_of("p"), "a");
}

// A device on its way to a claim is nobody else's, before the API server knows of it.
TEST_F(DynamicResourcesTest, DevicesInFlightAreTaken) {
  cluster.put(make_claim("one"));
  cluster.put(make_claim("two"));
  cluster.put_object(pod_with("p", "one"));
  cluster.put_object(pod_with("q", "two"));
  cluster.put_object(pod_with("r", "one"));
  cluster.answer();
  EXPECT_EQ(cluster.node_of("p"), "a");
  EXPECT_THAT(cluster.why("q"), HasSubstr("1 cannot allocate all claims"));
  EXPECT_THAT(cluster.events,
              Contains(HasSubstr("resource claim default/one is in the process of being "
                                 "allocated")));
  // What it waited for has come to be: both may use the claim.
  cluster.run_for(api::Duration::seconds(20));
  EXPECT_EQ(cluster.node_of("r"), "a");
  EXPECT_EQ(claim_of(cluster, "one").status.reserved_for.size(), 2U);
}

TEST_F(DynamicResourcesTest, ConflictsAreTriedAgainWithTheNewestClaim) {
  cluster.put(make_claim("one"));
  cluster.claim_conflicts = 3;
  cluster.put(pod_with("p", "one"));
  cluster.run_for(api::Duration::seconds(1));
  EXPECT_EQ(cluster.node_of("p"), "a");
}

// After five tries the pod goes back, and so do the devices.
TEST_F(DynamicResourcesTest, WhatCannotBeWrittenIsGivenUp) {
  cluster.put(make_claim("one"));
  cluster.put(make_claim("two"));
  cluster.claim_conflicts = 5;
  cluster.put(pod_with("p", "one"));
  cluster.run_for(api::Duration::millis(500));
  EXPECT_EQ(cluster.node_of("p"), "");
  EXPECT_EQ(cluster.why("p"),
            "running PreBind plugin \"DynamicResources\": add finalizer to claim default/one: the "
            "object has been modified");
  cluster.put(pod_with("q", "two"));
  EXPECT_EQ(cluster.node_of("q"), "a");
}

// Also if another pod has set out in the meantime.
TEST_F(DynamicResourcesTest, AFailedBindingTakesTheReservationBack) {
  cluster.bindings_fail = true;
  put_slice(cluster, "a", 2);
  cluster.put(make_claim("one"));
  cluster.put(make_claim("two"));
  cluster.put_object(pod_with("p", "one"));
  cluster.answer_before("bind p");
  cluster.put_object(pod_with("q", "two"));
  cluster.answer();
  EXPECT_EQ(cluster.node_of("p"), "");
  EXPECT_TRUE(claim_of(cluster, "one").status.allocation);
  EXPECT_TRUE(claim_of(cluster, "one").status.reserved_for.empty());
}

// An allocation on another node that nobody uses is given back for a pod that cannot go there.
TEST_F(DynamicResourcesTest, AnUnusedAllocationIsGivenBack) {
  cluster.put(make_node("b"));
  put_slice(cluster, "b", 1);
  auto claim = make_claim("one");
  api::AllocationResult held;
  api::NodeSelectorTerm term;
  term.match_fields = {api::requirement_in("metadata.name", {"gone"})};
  held.node_selector = api::selector_of(term);
  claim->status.allocation = held;
  cluster.put(claim);
  cluster.put(pod_with("p", "one"));
  EXPECT_THAT(cluster.events, Contains(HasSubstr("deallocation of ResourceClaim completed")));
  cluster.run_for(api::Duration::seconds(5));
  EXPECT_NE(cluster.node_of("p"), "");
}

// The search ends, though the devices can be taken in more orders than anybody could try.
TEST_F(DynamicResourcesTest, OneTooManyIsFoundOut) {
  put_slice(cluster, "a", 14);
  cluster.put(make_claim("one", 15));
  cluster.put(pod_with("p", "one"));
  EXPECT_THAT(cluster.why("p"), HasSubstr("1 cannot allocate all claims"));
}

TEST_F(DynamicResourcesTest, AForkGoesOnAlone) {
  cluster.put(make_claim("one"));
  cluster.put_object(pod_with("p", "one"));
  Cluster fork(cluster);
  cluster.answer();
  EXPECT_EQ(fork.node_of("p"), "");
  fork.answer();
  EXPECT_EQ(fork.node_of("p"), "a");
  EXPECT_EQ(cluster.node_of("p"), "a");
}

TEST_F(DynamicResourcesTest, ASelectorThatFailsIsAnErrorOfTheCycle) {
  put_class(cluster, "gpu", R"(device.attributes["gpu.example.com"].model == "a")");
  cluster.put(make_claim("one"));
  cluster.put(pod_with("p", "one"));
  EXPECT_EQ(cluster.why("p"),
            "running \"DynamicResources\" filter plugin: class gpu: selector #0: CEL runtime "
            "error: no such key: model");
}

}  // namespace
}  // namespace mainspring::scheduler
