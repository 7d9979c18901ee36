#include "models/api/pod_helpers.h"

#include <gtest/gtest.h>

#include "models/api/types/all.h"
#include "tests/models/api/schema_test_util.h"

namespace mainspring::api {
namespace {

std::string text_of(const ResourceList& list) {
  std::string text;
  for (const auto& [name, amount] : list) text += name.str() + '=' + amount.to_string() + ' ';
  return text;
}

Ref<Pod> pod_of(std::string_view spec) {
  return parse_as<Pod>(
      "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: " + std::string(spec) + "}");
}

TEST(PodRequests, AreTheSumOfContainersAndOverhead) {
  const Ref<Pod> pod = pod_of(
      "{containers: [{name: a, resources: {requests: {cpu: 100m, memory: 1Gi}}}, {name: b, "
      "resources: {requests: {cpu: 250m}}}], overhead: {cpu: 10m}}");
  EXPECT_EQ(text_of(pod_requests(*pod)), "cpu=360m memory=1Gi ");
  EXPECT_EQ(text_of(pod_requests(*pod, {.exclude_overhead = true})), "cpu=350m memory=1Gi ");
}

TEST(PodRequests, CountTheLargestInitContainerAndSidecarsBesideIt) {
  // Containers 1 + sidecar 0.5 = 1.5; init before the sidecar 1, after it 2 + 0.5 = 2.5.
  const Ref<Pod> pod = pod_of(
      "{containers: [{name: a, resources: {requests: {cpu: 1}}}], initContainers: ["
      "{name: i, resources: {requests: {cpu: 1, memory: 3Gi}}}, "
      "{name: s, restartPolicy: Always, resources: {requests: {cpu: 500m}}}, "
      "{name: j, resources: {requests: {cpu: 2}}}]}");
  EXPECT_EQ(text_of(pod_requests(*pod)), "cpu=2500m memory=3Gi ");
}

TEST(PodRequests, PodLevelOverridesTheTotal) {
  const Ref<Pod> pod = pod_of(
      "{resources: {requests: {cpu: 300m}}, containers: [{name: a, resources: {requests: {cpu: 1, "
      "memory: 1Gi}}}]}");
  EXPECT_EQ(text_of(pod_requests(*pod)), "cpu=300m memory=1Gi ");
  EXPECT_EQ(text_of(pod_requests(*pod, {.skip_pod_level = true})), "cpu=1 memory=1Gi ");
}

TEST(PodRequests, NonMissingFillsWhatIsAbsentPerContainer) {
  const ResourceList defaults{{"cpu", Quantity::of("100m")}, {"memory", Quantity::of("200Mi")}};
  // An explicit zero counts as present.
  const Ref<Pod> pod =
      pod_of("{containers: [{name: a, resources: {requests: {cpu: 0}}}, {name: b}]}");
  EXPECT_EQ(text_of(pod_requests(*pod, {.non_missing = &defaults})), "cpu=100m memory=400Mi ");
}

TEST(PodRequests, UseStatusTakesTheLargerOfSpecAndActual) {
  Ref<Pod> pod = pod_of("{containers: [{name: a, resources: {requests: {cpu: 200m}}}]}");
  ContainerStatus status{.name = "a"};
  status.resources = ResourceRequirements{.requests = {{"cpu", Quantity::of("500m")}}};
  status.allocated_resources.set("cpu", Quantity::of("300m"));
  pod->status.container_statuses.push_back(status);
  EXPECT_EQ(text_of(pod_requests(*pod)), "cpu=200m ");
  EXPECT_EQ(text_of(pod_requests(*pod, {.use_status = true})), "cpu=500m ");
  // An infeasible resize does not count what it asks for.
  pod->spec.containers.edit()[0].resources.requests.set("cpu", Quantity::of("8"));
  EXPECT_EQ(text_of(pod_requests(*pod, {.use_status = true})), "cpu=8 ");
  pod->status.conditions.push_back(
      {.type = "PodResizePending", .status = "True", .reason = "Infeasible"});
  EXPECT_EQ(text_of(pod_requests(*pod, {.use_status = true})), "cpu=500m ");
}

TEST(QosClass, IsKubernetes) {
  const auto qos = [](const char* spec) { return compute_qos_class(pod_of(spec)->spec); };
  EXPECT_EQ(qos("{containers: [{name: a}]}"), "BestEffort");
  EXPECT_EQ(qos("{containers: [{name: a, resources: {requests: {cpu: 1}}}]}"), "Burstable");
  EXPECT_EQ(qos("{containers: [{name: a, resources: {requests: {cpu: 1, memory: 1Gi}, limits: "
                "{cpu: 1000m, memory: 1024Mi}}}]}"),
            "Guaranteed");
  EXPECT_EQ(qos("{containers: [{name: a, resources: {limits: {cpu: 1, memory: 1Gi}}}, {name: b}]}"),
            "Burstable");
  EXPECT_EQ(qos("{containers: [{name: a, resources: {limits: {ephemeral-storage: 1}}}]}"),
            "BestEffort");
  EXPECT_EQ(qos("{resources: {limits: {cpu: 1, memory: 1Gi}}, containers: [{name: a}]}"),
            "Guaranteed");
}

TEST(Conditions, KeepTheirTransitionTimeWhileTheStatusStays) {
  PodStatus status;
  const Time t1 = Time::from_unix_seconds(100);
  const Time t2 = Time::from_unix_seconds(200);
  EXPECT_TRUE(
      set_pod_condition(status, {.type = "Ready", .status = "False", .last_transition_time = t1}));
  EXPECT_FALSE(
      set_pod_condition(status, {.type = "Ready", .status = "False", .last_transition_time = t2}));
  EXPECT_TRUE(set_pod_condition(
      status, {.type = "Ready", .status = "False", .last_transition_time = t2, .reason = "Other"}));
  EXPECT_EQ(status.conditions[0].last_transition_time, t1);
  EXPECT_TRUE(
      set_pod_condition(status, {.type = "Ready", .status = "True", .last_transition_time = t2}));
  EXPECT_EQ(status.conditions[0].last_transition_time, t2);
  EXPECT_EQ(status.conditions.size(), 1u);
}

TEST(Availability, CountsFromTheReadyTransition) {
  Ref<Pod> pod = make<Pod>();
  EXPECT_FALSE(is_available(*pod, 0, Time::from_unix_seconds(1)));
  set_pod_condition(
      pod->status,
      {.type = "Ready", .status = "True", .last_transition_time = Time::from_unix_seconds(100)});
  EXPECT_TRUE(is_ready(*pod));
  EXPECT_TRUE(is_available(*pod, 0, Time::from_unix_seconds(100)));
  EXPECT_FALSE(is_available(*pod, 10, Time::from_unix_seconds(109)));
  EXPECT_TRUE(is_available(*pod, 10, Time::from_unix_seconds(110)));
}

TEST(Owners, TheControllerIsTheOneThatSaysSo) {
  Ref<ReplicaSet> rs = make<ReplicaSet>();
  rs->metadata.name = "web-1";
  rs->metadata.uid = "u1";
  Ref<Pod> pod = make<Pod>();
  pod->metadata.owner_references = List<OwnerReference>{{.kind = "Other", .uid = "u0"}};
  EXPECT_EQ(controller_of(*pod), nullptr);
  pod->metadata.owner_references.push_back(make_controller_reference(*rs));
  ASSERT_NE(controller_of(*pod), nullptr);
  EXPECT_EQ(controller_of(*pod)->api_version, "apps/v1");
  EXPECT_TRUE(is_controlled_by(*pod, *rs));
}

TEST(ImageTag, DecidesThePullPolicy) {
  EXPECT_EQ(image_tag("nginx"), "latest");
  EXPECT_EQ(image_tag("nginx:latest"), "latest");
  EXPECT_EQ(image_tag("nginx:1.27"), "1.27");
  EXPECT_EQ(image_tag("registry:5000/nginx"), "latest");
  EXPECT_EQ(image_tag("registry:5000/nginx:2"), "2");
  EXPECT_EQ(image_tag("nginx@sha256:00"), "");
  EXPECT_EQ(image_tag("nginx:1@sha256:00"), "1");
}

}  // namespace
}  // namespace mainspring::api
