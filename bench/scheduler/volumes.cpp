// scheduler_perf/volumes: pods with secrets, and with claims that are bound before the pods come.
#include <fmt/format.h>

#include "bench/scheduler/perf_cluster.h"
#include "models/api/types/storage.h"

namespace mainspring::bench {
namespace {

constexpr const char* kDriver = "ebs.csi.aws.com";

void SchedulingSecrets(benchmark::State& s) {
  const api::Ref<api::Pod> pod =
      default_pod("spec: {volumes: [{name: secret, secret: {secretName: secret}}]}");
  steady(s, 5000, {}, pod, 1000, pod, 10'000);
}

// Plain pods, each with a claim of its own and the volume that the claim is bound to. `source` is
// the volume's, with {} for its name.
std::vector<PodRef> pods_with_volumes(PerfCluster& c, int count, const char* ns,
                                      const char* source) {
  std::vector<PodRef> out;
  for (const PodRef& like : c.make_pods(default_pod(), count, ns)) {
    const std::string volume = fmt::format("{}-vol-{}", ns, like->metadata.name.view());
    const std::string claim = fmt::format("pvc-{}", like->metadata.name.view());
    c.put(object(fmt::format(R"(
      apiVersion: v1
      kind: PersistentVolume
      metadata: {{name: {}}}
      spec:
        accessModes: [ReadOnlyMany]
        capacity: {{storage: 1Gi}}
        persistentVolumeReclaimPolicy: Retain
        claimRef: {{kind: PersistentVolumeClaim, apiVersion: v1, namespace: {}, name: {}}}
        {}
      status: {{phase: Bound}})",
                             volume, ns, claim, fmt::format(fmt::runtime(source), volume))));
    c.put(object(fmt::format(R"(
      apiVersion: v1
      kind: PersistentVolumeClaim
      metadata:
        name: {}
        namespace: {}
        annotations: {{pv.kubernetes.io/bind-completed: "true"}}
      spec:
        accessModes: [ReadOnlyMany]
        resources: {{requests: {{storage: 1Gi}}}}
        volumeName: {}
      status: {{phase: Bound}})",
                             claim, ns, volume)));
    const api::Ref<api::Pod> pod = api::clone(*like);
    api::Volume v;
    v.name = "vol";
    v.persistent_volume_claim.edit().claim_name = claim;
    pod->spec.volumes = {v};
    out.push_back(pod);
  }
  return out;
}

constexpr const char* kInTree = "awsElasticBlockStore: {{volumeID: {}}}";
constexpr const char* kCsi = "csi: {{driver: ebs.csi.aws.com, volumeHandle: {}}}";

// A driver on every node, which attaches up to 39 volumes.
void add_nodes_with_driver(PerfCluster& c, int count, const char* migrated) {
  c.add_nodes(count, {},
              default_node(fmt::format(R"(
    status: {{allocatable: {{attachable-volumes-csi-{}: "39"}}}})",
                                       kDriver)));
  for (int i = 0; i < count; ++i) {
    c.put(object(fmt::format(R"(
      apiVersion: storage.k8s.io/v1
      kind: CSINode
      metadata:
        name: node-{0}
        annotations: {{storage.alpha.kubernetes.io/migrated-plugins: "{1}"}}
      spec: {{drivers: [{{name: {2}, nodeID: node-{0}, allocatable: {{count: 39}}}}]}})",
                             i, migrated, kDriver)));
  }
}

void SchedulingInTreePVs(benchmark::State& state) {
  run(state, [](PerfCluster& c) {
    c.add_nodes(5000);
    c.schedule_all(pods_with_volumes(c, 1000, "sched-0", kInTree));
    return pods_with_volumes(c, 2000, "sched-1", kInTree);
  });
}

void SchedulingMigratedInTreePVs(benchmark::State& state) {
  run(state, [](PerfCluster& c) {
    add_nodes_with_driver(c, 5000, "kubernetes.io/aws-ebs");
    c.schedule_all(pods_with_volumes(c, 5000, "sched-0", kInTree));
    return pods_with_volumes(c, 5000, "sched-1", kInTree);
  });
}

void SchedulingCSIPVs(benchmark::State& state) {
  run(state, [](PerfCluster& c) {
    add_nodes_with_driver(c, 5000, "");
    c.schedule_all(pods_with_volumes(c, 5000, "sched-0", kCsi));
    return pods_with_volumes(c, 5000, "sched-1", kCsi);
  });
}

SCHEDULER_PERF(SchedulingSecrets);
SCHEDULER_PERF(SchedulingInTreePVs);
SCHEDULER_PERF(SchedulingMigratedInTreePVs);
SCHEDULER_PERF(SchedulingCSIPVs);

}  // namespace
}  // namespace mainspring::bench
