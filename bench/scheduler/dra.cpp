// scheduler_perf/dra: pods with a resource claim each, on nodes of ten devices.
#include <fmt/format.h>

#include "bench/scheduler/perf_cluster.h"
#include "models/api/types/resource.h"

namespace mainspring::bench {
namespace {

constexpr int kNodes = 500;
constexpr int kDevices = 10;
constexpr const char* kDriver = "test-driver.cdi.k8s.io";

void add_nodes_with_devices(PerfCluster& c) {
  c.add_nodes(kNodes, {}, default_node("metadata: {labels: {node-with-dra: \"true\"}}"));
  std::string devices;
  for (int i = 0; i < kDevices; ++i) {
    devices += fmt::format(R"(
        - name: instance-{0}
          attributes:
            model: {{string: A100}}
            family: {{string: GPU}}
            driverVersion: {{version: 1.2.3}}
            dra.example.com/numa: {{int: {0}}}
          capacity: {{memory: {{value: 1Gi}}}})",
                           i);
  }
  for (int i = 0; i < kNodes; ++i) {
    c.put(object(fmt::format(R"(
      apiVersion: resource.k8s.io/v1
      kind: ResourceSlice
      metadata: {{name: node-{0}}}
      spec:
        driver: {1}
        nodeName: node-{0}
        pool: {{name: node-{0}, resourceSliceCount: 1}}
        devices: {2})",
                             i, kDriver, devices)));
  }
  c.put(object(fmt::format(R"(
    apiVersion: resource.k8s.io/v1
    kind: DeviceClass
    metadata: {{name: test-class}}
    spec: {{selectors: [{{cel: {{expression: 'device.driver == "{}"'}}}}]}})",
                           kDriver)));
}

api::Ref<api::ResourceClaim> claim(const std::string& name) {
  return make<api::ResourceClaim>(fmt::format(R"(
    apiVersion: resource.k8s.io/v1
    kind: ResourceClaim
    metadata: {{name: {0}, namespace: test, uid: claim-{0}, resourceVersion: "1"}}
    spec:
      devices:
        requests:
        - name: req-0
          exactly: {{deviceClassName: test-class, allocationMode: ExactCount, count: 1}})",
                                              name));
}

// Pods from a template of claims; the claims are there, as their controller made them.
std::vector<PodRef> pods_with_claims(PerfCluster& c, int count) {
  const api::Ref<api::Pod> like = light_pod(R"(
    spec:
      containers: [{name: pause, resources: {claims: [{name: resource}]}}]
      resourceClaims: [{name: resource, resourceClaimTemplateName: test-claim-template}])");
  std::vector<PodRef> out;
  for (const PodRef& made : c.make_pods(like, count, "test")) {
    const api::Ref<api::Pod> pod = api::clone(*made);
    const std::string name = fmt::format("{}-resource", pod->metadata.name.view());
    api::PodResourceClaimStatus given;
    given.name = "resource";
    given.resource_claim_name = api::Str(name);
    pod->status.resource_claim_statuses = {given};
    const api::Ref<api::ResourceClaim> own = claim(name);
    api::OwnerReference owner;
    owner.api_version = "v1";
    owner.kind = "Pod";
    owner.name = pod->metadata.name;
    owner.uid = pod->metadata.uid;
    owner.controller = true;
    own->metadata.owner_references = {owner};
    c.put(own);
    out.push_back(pod);
  }
  return out;
}

// Claims that hold devices, and no pod: one device of every node after the other.
void allocate(PerfCluster& c, int count) {
  for (int i = 0; i < count; ++i) {
    const api::Ref<api::ResourceClaim> taken = claim(fmt::format("test-claim-{}", i));
    const api::Ref<api::ResourceClaim> given = make<api::ResourceClaim>(fmt::format(
        R"(
        apiVersion: resource.k8s.io/v1
        kind: ResourceClaim
        status:
          allocation:
            devices: {{results: [{{request: req-0, driver: {0}, pool: node-{1}, device: instance-{2}}}]}}
            nodeSelector:
              nodeSelectorTerms:
              - matchFields: [{{key: metadata.name, operator: In, values: [node-{1}]}}])",
        kDriver, i % kNodes, i / kNodes));
    taken->status = given->status;
    c.put(taken);
  }
}

void SchedulingWithResourceClaimTemplate(benchmark::State& state) {
  run(state, [](PerfCluster& c) {
    add_nodes_with_devices(c);
    c.schedule_all(pods_with_claims(c, 2500));
    return pods_with_claims(c, 2500);
  });
}

// Ten pods come, are bound, and go with their claims, again and again. Upstream does that for ten
// seconds, which is some 700 pods there.
void steady_state(benchmark::State& state, int claims) {
  constexpr size_t kPodsAtATime = 10;
  const auto prepare = [&](PerfCluster& c) {
    add_nodes_with_devices(c);
    allocate(c, claims);
    return pods_with_claims(c, 700);
  };
  run(state, prepare, [&](PerfCluster& c, const std::vector<PodRef>& pods) {
    for (size_t i = 0; i < pods.size(); ++i) {
      c.schedule(pods[i]);
      if ((i + 1) % kPodsAtATime != 0) continue;
      for (size_t k = i + 1 - kPodsAtATime; k <= i; ++k) {
        const api::Str& name = pods[k]->metadata.name;
        c.remove(api::Kind::Pod, "test", name);
        c.remove(api::Kind::ResourceClaim, "test", name.str() + "-resource");
      }
    }
  });
}
void SteadyStateClusterResourceClaimTemplate_empty(benchmark::State& s) { steady_state(s, 0); }
void SteadyStateClusterResourceClaimTemplate_half(benchmark::State& s) { steady_state(s, 2500); }
void SteadyStateClusterResourceClaimTemplate_full(benchmark::State& s) { steady_state(s, 4990); }

SCHEDULER_PERF(SchedulingWithResourceClaimTemplate);
SCHEDULER_PERF(SteadyStateClusterResourceClaimTemplate_empty);
SCHEDULER_PERF(SteadyStateClusterResourceClaimTemplate_half);
SCHEDULER_PERF(SteadyStateClusterResourceClaimTemplate_full);

}  // namespace
}  // namespace mainspring::bench
