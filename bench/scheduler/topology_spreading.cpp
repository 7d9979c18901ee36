// scheduler_perf/topology_spreading: pods that are spread over zones and nodes.
#include <fmt/format.h>

#include "bench/scheduler/perf_cluster.h"

namespace mainspring::bench {
namespace {

const std::vector<std::string> kMoons = {"moon-1", "moon-2", "moon-3"};

api::Ref<api::Pod> spread_over_zones(const char* when) {
  return default_pod(fmt::format(R"(
    metadata: {{labels: {{color: blue}}}}
    spec:
      topologySpreadConstraints:
      - maxSkew: 5
        topologyKey: topology.kubernetes.io/zone
        whenUnsatisfiable: {}
        labelSelector: {{matchLabels: {{color: blue}}}})",
                                 when));
}

void TopologySpreading(benchmark::State& s) {
  steady(s, 5000, kMoons, default_pod(), 5000, spread_over_zones("DoNotSchedule"), 5000);
}

void PreferredTopologySpreading(benchmark::State& s) {
  steady(s, 5000, kMoons, default_pod(), 5000, spread_over_zones("ScheduleAnyway"), 5000);
}

// The default constraints spread the pods of a service.
void DefaultTopologySpreading(benchmark::State& state) {
  run(state, [](PerfCluster& c) {
    c.add_nodes(5000, kMoons);
    c.put(object(R"(
      apiVersion: v1
      kind: Service
      metadata: {name: blue, namespace: sched-1}
      spec: {selector: {color: blue}})"));
    return c.make_pods(default_pod("metadata: {labels: {color: blue}}"), 10'000);
  });
}

// A fifth of the nodes is tainted, and counts for nothing.
void SchedulingWithNodeInclusionPolicy(benchmark::State& state) {
  run(state, [](PerfCluster& c) {
    c.add_nodes(4000);
    c.add_nodes(1000, {}, default_node("spec: {taints: [{key: foo, effect: NoSchedule}]}"));
    return c.make_pods(default_pod(R"(
      metadata: {labels: {foo: bar}}
      spec:
        topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: DoNotSchedule
          nodeAffinityPolicy: Honor
          nodeTaintsPolicy: Honor
          labelSelector: {matchLabels: {foo: bar}})"),
                       4000);
  });
}

SCHEDULER_PERF(TopologySpreading);
SCHEDULER_PERF(PreferredTopologySpreading);
SCHEDULER_PERF(DefaultTopologySpreading);
SCHEDULER_PERF(SchedulingWithNodeInclusionPolicy);

}  // namespace
}  // namespace mainspring::bench
