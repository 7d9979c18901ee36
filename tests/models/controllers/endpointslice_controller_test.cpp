#include "models/controllers/endpointslice_controller.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/api/types/core.h"
#include "models/api/types/discovery.h"
#include "models/client/reconciler.h"
#include "tests/support/fake_cluster.h"

namespace mainspring::controllers {
namespace {

using api::Duration;
using api::EndpointSlice;
using api::Pod;
using api::Service;
using mainspring::testing::FakeCluster;
using ::testing::IsEmpty;

class EndpointSliceTest : public ::testing::Test {
 protected:
  EndpointSliceTest() {
    fake_.add(std::make_unique<client::ReconcilerLoop>(make_endpointslice_controller()));
    fake_.start();
    api::Ref<api::Node> n = api::make<api::Node>();
    n->metadata.name = "n-0";
    n->metadata.labels.set("topology.kubernetes.io/zone", "z0");
    fake_.put(n);
  }
  api::Ref<Service> service() {
    api::Ref<Service> s = api::make<Service>();
    s->metadata.name = "web";
    s->metadata.namespace_ = "default";
    s->spec.selector.set("app", "web");
    s->spec.cluster_ip = "10.0.0.7";
    api::ServicePort p;
    p.port = 80;
    p.protocol = "TCP";
    p.target_port = api::IntOrString(8080);
    s->spec.ports = {p};
    return s;
  }
  void add_pod(int i, bool ready) {
    api::Ref<Pod> p = api::make<Pod>();
    p->metadata.name = fmt::format("p-{}", i);
    p->metadata.namespace_ = "default";
    p->metadata.labels.set("app", "web");
    p->spec.node_name = "n-0";
    p->status.phase = "Running";
    p->status.pod_ip = fmt::format("10.1.{}.{}", i / 250, i % 250);
    api::PodCondition c;
    c.type = "Ready";
    c.status = ready ? "True" : "False";
    c.last_transition_time = fake_.now();
    p->status.conditions = {c};
    fake_.put(p);
  }
  std::vector<api::Ref<const EndpointSlice>> slices() { return fake_.all<EndpointSlice>(); }

  FakeCluster fake_;
};

TEST_F(EndpointSliceTest, HoldsAServiceUntilItsLastWriteHasReachedTheCache) {
  fake_.put(service());
  fake_.settle();
  add_pod(0, true);
  fake_.settle();
  EXPECT_TRUE(slices()[0]->endpoints.empty()) << "the worker is not done with the first sync";
  fake_.advance(Duration::millis(1));
  EXPECT_EQ(slices()[0]->endpoints.size(), 1u);
}

// As recorded: a service without pods gets an empty slice without ports, which becomes the first
// real one by an update.
TEST_F(EndpointSliceTest, KeepsAnEmptySliceUntilThereArePods) {
  fake_.put(service());
  fake_.settle();
  ASSERT_EQ(slices().size(), 1u);
  const auto empty = slices()[0];
  EXPECT_TRUE(empty->endpoints.empty());
  EXPECT_TRUE(empty->ports.empty());
  EXPECT_EQ(empty->metadata.generate_name, "web-");
  EXPECT_EQ(empty->metadata.labels.get("kubernetes.io/service-name"), "web");
  EXPECT_EQ(empty->metadata.labels.get("endpointslice.kubernetes.io/managed-by"),
            "endpointslice-controller.k8s.io");
  EXPECT_EQ(empty->metadata.annotations.get("endpoints.kubernetes.io/last-change-trigger-time"),
            "2026-01-01T00:00:00Z");
  fake_.advance(Duration::seconds(3));
  add_pod(1, true);
  fake_.settle();
  ASSERT_EQ(slices().size(), 1u);
  const auto slice = slices()[0];
  EXPECT_EQ(slice->metadata.name, empty->metadata.name);
  ASSERT_EQ(slice->endpoints.size(), 1u);
  const api::Endpoint& e = slice->endpoints[0];
  EXPECT_EQ(e.addresses[0], "10.1.0.1");
  EXPECT_EQ(e.conditions.ready, true);
  EXPECT_EQ(e.conditions.serving, true);
  EXPECT_EQ(e.conditions.terminating, false);
  EXPECT_EQ(e.node_name, "n-0");
  EXPECT_EQ(e.zone, "z0");
  EXPECT_EQ(e.target_ref->name, "p-1");
  EXPECT_EQ(slice->ports[0].port, 8080);
  EXPECT_EQ(slice->metadata.annotations.get("endpoints.kubernetes.io/last-change-trigger-time"),
            "2026-01-01T00:00:03Z");
}

TEST_F(EndpointSliceTest, FollowsReadinessAndDeletion) {
  fake_.put(service());
  add_pod(1, false);
  fake_.advance(Duration::seconds(2));
  EXPECT_EQ(slices()[0]->endpoints[0].conditions.ready, false);
  add_pod(1, true);
  fake_.advance(Duration::seconds(2));
  EXPECT_EQ(slices()[0]->endpoints[0].conditions.ready, true);
  api::Ref<Pod> going = api::clone(*fake_.get<Pod>("default", "p-1"));
  going->metadata.deletion_timestamp = fake_.now();
  fake_.put(going);
  fake_.advance(Duration::seconds(2));
  EXPECT_EQ(slices()[0]->endpoints[0].conditions.ready, false);
  EXPECT_EQ(slices()[0]->endpoints[0].conditions.serving, true);
  EXPECT_EQ(slices()[0]->endpoints[0].conditions.terminating, true);
  fake_.remove(*going);
  fake_.advance(Duration::seconds(2));
  ASSERT_EQ(slices().size(), 1u);
  EXPECT_THAT(slices()[0]->endpoints, IsEmpty());
}

// 100 to a slice: 250 make 100 + 100 + 50; one that goes leaves a hole in the first, and the next
// one fills the slice that can still hold it and is fullest.
TEST_F(EndpointSliceTest, PacksAHundredToASlice) {
  for (int i = 0; i < 250; ++i) add_pod(i, true);
  fake_.put(service());
  fake_.advance(Duration::seconds(2));
  std::vector<size_t> sizes;
  for (const auto& s : slices()) sizes.push_back(s->endpoints.size());
  EXPECT_THAT(sizes, ::testing::UnorderedElementsAre(100, 100, 50));
  fake_.remove(*fake_.get<Pod>("default", "p-0"));
  fake_.advance(Duration::seconds(2));
  add_pod(300, true);
  fake_.advance(Duration::seconds(2));
  sizes.clear();
  for (const auto& s : slices()) sizes.push_back(s->endpoints.size());
  EXPECT_THAT(sizes, ::testing::UnorderedElementsAre(100, 100, 50));
}

TEST_F(EndpointSliceTest, WritesNothingWhenNothingOfInterestChanges) {
  fake_.put(service());
  add_pod(1, true);
  fake_.advance(Duration::seconds(3));
  fake_.take_log();
  api::Ref<Pod> same = api::clone(*fake_.get<Pod>("default", "p-1"));
  same->metadata.annotations.set("note", "x");
  fake_.put(same);
  fake_.advance(Duration::seconds(3));
  EXPECT_THAT(fake_.take_log(), IsEmpty());
}

TEST_F(EndpointSliceTest, NamedPortsMakeOneGroupPerNumber) {
  api::Ref<Service> s = service();
  s->spec.ports.edit()[0].target_port = api::IntOrString("http");
  fake_.put(s);
  for (const int i : {1, 2, 3}) {
    add_pod(i, true);
    api::Ref<Pod> p = api::clone(*fake_.get<Pod>("default", fmt::format("p-{}", i)));
    api::Container c;
    api::ContainerPort port;
    port.name = "http";
    port.protocol = "TCP";
    port.container_port = i == 3 ? 9090 : 8080;
    c.ports = {port};
    p->spec.containers = {c};
    p->status.pod_ip = fmt::format("10.9.0.{}", i);
    fake_.put(p);
  }
  fake_.advance(Duration::seconds(3));
  std::map<int32_t, size_t> by_port;
  for (const auto& slice : slices()) by_port[*slice->ports[0].port] = slice->endpoints.size();
  EXPECT_EQ(by_port, (std::map<int32_t, size_t>{{8080, 2}, {9090, 1}}));
}

}  // namespace
}  // namespace mainspring::controllers
