// scheduler_perf/affinity: pods that look for nodes of a kind, or for other pods, or flee them.
#include <fmt/format.h>

#include "bench/scheduler/perf_cluster.h"

namespace mainspring::bench {
namespace {

constexpr const char* kHostname = "kubernetes.io/hostname";
constexpr const char* kZone = "topology.kubernetes.io/zone";

// What a pod says of others of its color: `where` is podAffinity or podAntiAffinity, `which` are
// the namespaces of the term.
struct Term {
  const char* where;
  bool required;
  const char* color;
  const char* key;
  const char* which = "namespaces: [sched-1, sched-0]";
};

api::Ref<api::Pod> pod_with(const Term& t) {
  const std::string term =
      fmt::format("{{labelSelector: {{matchLabels: {{color: {}}}}}, topologyKey: {}, {}}}", t.color,
                  t.key, t.which);
  const std::string list =
      t.required ? fmt::format("requiredDuringSchedulingIgnoredDuringExecution: [{}]", term)
                 : fmt::format(
                       "preferredDuringSchedulingIgnoredDuringExecution: [{{weight: 1, "
                       "podAffinityTerm: {}}}]",
                       term);
  return default_pod(
      fmt::format("{{metadata: {{labels: {{color: {}}}}}, spec: {{affinity: {{{}: {{{}}}}}}}}}",
                  t.color, t.where, list));
}

const Term kAffinity = {"podAffinity", true, "blue", kZone};
const Term kAntiAffinity = {"podAntiAffinity", true, "green", kHostname};
const Term kPreferredAffinity = {"podAffinity", false, "red", kHostname};
const Term kPreferredAntiAffinity = {"podAntiAffinity", false, "yellow", kHostname};

void SchedulingNodeAffinity(benchmark::State& s) {
  steady(s, 5000, {"zone1"}, default_pod(), 5000, default_pod(R"(
    spec:
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms:
            - matchExpressions:
              - {key: topology.kubernetes.io/zone, operator: In, values: [zone1, zone2]})"),
         10'000);
}
void SchedulingPodAffinity(benchmark::State& s) {
  steady(s, 5000, {"zone1"}, pod_with(kAffinity), 5000, pod_with(kAffinity), 5000);
}
void SchedulingPodAntiAffinity(benchmark::State& s) {
  steady(s, 5000, {}, pod_with(kAntiAffinity), 1000, pod_with(kAntiAffinity), 2000);
}
void SchedulingPreferredPodAffinity(benchmark::State& s) {
  steady(s, 5000, {}, pod_with(kPreferredAffinity), 5000, pod_with(kPreferredAffinity), 5000);
}
void SchedulingPreferredPodAntiAffinity(benchmark::State& s) {
  const api::Ref<api::Pod> pod = pod_with(kPreferredAntiAffinity);
  steady(s, 5000, {}, pod, 5000, pod, 5000);
}

// 2,000 pods of each of five kinds are there before plain pods come.
void MixedSchedulingBasePod(benchmark::State& state) {
  run(state, [](PerfCluster& c) {
    c.add_namespace("sched-0");
    c.add_namespace("sched-1");
    c.add_nodes(5000, {"zone1"});
    for (const api::Ref<api::Pod>& pod :
         {default_pod(), pod_with(kAffinity), pod_with(kAntiAffinity), pod_with(kPreferredAffinity),
          pod_with(kPreferredAntiAffinity)}) {
      c.schedule_all(c.make_pods(pod, 2000, "sched-0"));
    }
    return c.make_pods(default_pod(), 5000);
  });
}

// 100 namespaces of the team with `each` pods, then those measured in another one of it.
void in_team(benchmark::State& state, Term term, int nodes, int each, int measured) {
  term.which = "namespaceSelector: {matchLabels: {team: devops}}";
  const bool by_zone = std::string_view(term.key) == kZone;
  run(state, [&](PerfCluster& c) {
    c.add_nodes(nodes, by_zone ? std::vector<std::string>{"zone1"} : std::vector<std::string>{});
    const api::Ref<api::Pod> pod = pod_with(term);
    c.add_namespace("measure-ns-0", "{team: devops}");
    for (int i = 0; i < 100; ++i) {
      const std::string name = fmt::format("init-ns-{}", i);
      c.add_namespace(name, "{team: devops}");
      c.schedule_all(c.make_pods(pod, each, name.c_str()));
    }
    return c.make_pods(pod, measured, "measure-ns-0");
  });
}
void SchedulingRequiredPodAntiAffinityWithNSSelector(benchmark::State& s) {
  in_team(s, kAntiAffinity, 6000, 40, 2000);
}
void SchedulingPreferredAntiAffinityWithNSSelector(benchmark::State& s) {
  in_team(s, {"podAntiAffinity", false, "green", kHostname}, 5000, 40, 2000);
}
void SchedulingRequiredPodAffinityWithNSSelector(benchmark::State& s) {
  in_team(s, kAffinity, 5000, 50, 2000);
}
void SchedulingPreferredAffinityWithNSSelector(benchmark::State& s) {
  in_team(s, kPreferredAffinity, 5000, 50, 5000);
}

// 10,000 pods that wait behind a gate want to be near those that come.
void SchedulingGatedPodsWithPodAffinityImpactForThroughput(benchmark::State& state) {
  run(state, [](PerfCluster& c) {
    c.add_nodes(1, {}, default_node("status: {allocatable: {pods: \"90000\"}}"));
    c.schedule_all(c.make_pods(light_pod(R"(
      metadata: {labels: {app: scheduler-perf}}
      spec:
        schedulingGates: [{name: scheduling-gate-1}]
        affinity:
          podAffinity:
            requiredDuringSchedulingIgnoredDuringExecution:
            - labelSelector: {matchLabels: {app: scheduler-perf}}
              topologyKey: kubernetes.io/hostname)"),
                               10'000));
    return c.make_pods(light_pod("metadata: {labels: {app: scheduler-perf}}"), 20'000);
  });
}

SCHEDULER_PERF(SchedulingNodeAffinity);
SCHEDULER_PERF(SchedulingPodAffinity);
SCHEDULER_PERF(SchedulingPodAntiAffinity);
SCHEDULER_PERF(SchedulingPreferredPodAffinity);
SCHEDULER_PERF(SchedulingPreferredPodAntiAffinity);
SCHEDULER_PERF(MixedSchedulingBasePod);
SCHEDULER_PERF(SchedulingRequiredPodAntiAffinityWithNSSelector);
SCHEDULER_PERF(SchedulingPreferredAntiAffinityWithNSSelector);
SCHEDULER_PERF(SchedulingRequiredPodAffinityWithNSSelector);
SCHEDULER_PERF(SchedulingPreferredAffinityWithNSSelector);
SCHEDULER_PERF(SchedulingGatedPodsWithPodAffinityImpactForThroughput);

}  // namespace
}  // namespace mainspring::bench
