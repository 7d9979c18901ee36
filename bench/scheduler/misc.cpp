// scheduler_perf/misc: plain pods, and clusters that change under them. What upstream does every so
// many milliseconds is done here after the pods that its own floor for the workload puts into that
// time.
#include "bench/scheduler/perf_cluster.h"

namespace mainspring::bench {
namespace {

// The node that holds the pods of a whole workload (node-with-name.yaml).
api::Ref<api::Node> node_with_name() {
  return default_node(R"(
    metadata: {name: scheduler-perf-node, labels: {kubernetes.io/hostname: scheduler-perf-node}}
    status: {allocatable: {pods: "90000"}})");
}

// A pod that no node has room for (pod-high-priority-large-cpu.yaml).
api::Ref<api::Pod> large_pod() {
  return default_pod(
      "spec: {priority: 10, containers: [{name: pause, resources: {requests: {cpu: 9}}}]}");
}

void SchedulingBasic(benchmark::State& s) {
  steady(s, 5000, {}, default_pod(), 1000, default_pod(), 10'000);
}

// Best-effort pods for one node, by its name.
void SchedulingDaemonset(benchmark::State& state) {
  run(state, [](PerfCluster& c) {
    c.put(node_with_name());
    c.add_nodes(15'000);
    return c.make_pods(light_pod(R"(
      spec:
        affinity:
          nodeAffinity:
            requiredDuringSchedulingIgnoredDuringExecution:
              nodeSelectorTerms:
              - matchFields:
                - {key: metadata.name, operator: In, values: [scheduler-perf-node]})"),
                       30'000);
  });
}

// Every 200 ms a pod that never fits.
void Unschedulable(benchmark::State& state) {
  constexpr size_t kPodsBetween = 170 / 5;
  std::vector<PodRef> large;
  const auto prepare = [&](PerfCluster& c) {
    c.add_nodes(5000);
    c.schedule_all(c.make_pods(default_pod(), 100));
    large = c.make_pods(large_pod(), 10'000 / kPodsBetween + 1);
    return c.make_pods(default_pod(), 10'000);
  };
  run(state, prepare, [&](PerfCluster& c, const std::vector<PodRef>& pods) {
    for (size_t i = 0; i < pods.size(); ++i) {
      if (i % kPodsBetween == 0) c.schedule(large[i / kPodsBetween]);
      c.schedule(pods[i]);
    }
  });
}

// Every second a node without room, a pod that never fits and a service go, and come again.
void SchedulingWithMixedChurn(benchmark::State& state) {
  constexpr size_t kPodsBetween = 265;
  const api::ObjectRef node = default_node(R"(
    metadata: {name: node-churn-0}
    status: {allocatable: {pods: "0"}})");
  const api::ObjectRef service = object(R"(
    apiVersion: v1
    kind: Service
    metadata: {name: service-churn-0, namespace: sched-1}
    spec: {selector: {app: foo}, ports: [{protocol: TCP, port: 8080, targetPort: 8080}]})");
  std::vector<PodRef> large;
  const auto prepare = [&](PerfCluster& c) {
    c.add_nodes(5000);
    large = c.make_pods(large_pod(), 10'000 / kPodsBetween + 1);
    return c.make_pods(default_pod(), 10'000);
  };
  run(state, prepare, [&](PerfCluster& c, const std::vector<PodRef>& pods) {
    for (size_t i = 0; i < pods.size(); ++i) {
      if (i % kPodsBetween == 0) {
        if (i > 0) {
          c.remove(api::Kind::Node, "", node->metadata.name);
          c.remove(api::Kind::Pod, "sched-1", large[i / kPodsBetween - 1]->metadata.name);
          c.remove(api::Kind::Service, "sched-1", service->metadata.name);
        }
        c.put(node);
        c.put(service);
        c.schedule(large[i / kPodsBetween]);
      }
      c.schedule(pods[i]);
    }
  });
}

// 10,000 pods wait behind a gate, while 50 of 20,000 bound pods go every second.
void SchedulingWhileGated(benchmark::State& state) {
  constexpr size_t kPodsBetween = 13;
  constexpr size_t kGoing = 5;
  std::vector<PodRef> going;
  const auto prepare = [&](PerfCluster& c) {
    c.put(node_with_name());
    c.schedule_all(
        c.make_pods(light_pod("spec: {schedulingGates: [{name: test.k8s.io/hold}]}"), 10'000));
    going = c.make_pods(light_pod(), 20'000, "namespace-3");
    c.schedule_all(going);
    return c.make_pods(light_pod(), 20'000);
  };
  run(state, prepare, [&](PerfCluster& c, const std::vector<PodRef>& pods) {
    for (size_t i = 0; i < pods.size(); ++i) {
      c.schedule(pods[i]);
      if ((i + 1) % kPodsBetween != 0) continue;
      for (size_t k = 0; k < kGoing; ++k) {
        c.remove(api::Kind::Pod, "namespace-3", going.back()->metadata.name);
        going.pop_back();
      }
    }
  });
}

// Every node is full but for a corner that holds plain pods; every 200 ms comes a pod that has to
// displace others.
void PreemptionAsync(benchmark::State& state) {
  constexpr size_t kPodsBetween = 160 / 5;
  std::vector<PodRef> preemptors;
  const auto prepare = [&](PerfCluster& c) {
    c.add_nodes(5000);
    c.schedule_all(c.make_pods(
        default_pod("spec: {containers: [{name: pause, resources: {requests: {cpu: 900m}}}]}"),
        20'000));
    preemptors = c.make_pods(
        default_pod(
            "spec: {priority: 10, containers: [{name: pause, resources: {requests: {cpu: 3}}}]}"),
        5000 / kPodsBetween + 1);
    return c.make_pods(default_pod(), 5000);
  };
  run(state, prepare, [&](PerfCluster& c, const std::vector<PodRef>& pods) {
    for (size_t i = 0; i < pods.size(); ++i) {
      if (i % kPodsBetween == 0) c.schedule(preemptors[i / kPodsBetween]);
      c.schedule(pods[i]);
    }
    MAINSPRING_CHECK(c.deleted() > 0, "nothing was preempted");
  });
}

SCHEDULER_PERF(SchedulingBasic);
SCHEDULER_PERF(SchedulingDaemonset);
SCHEDULER_PERF(Unschedulable);
SCHEDULER_PERF(SchedulingWithMixedChurn);
SCHEDULER_PERF(SchedulingWhileGated);
SCHEDULER_PERF(PreemptionAsync);
BENCHMARK(SchedulingBasic)
    ->ArgName("remember")
    ->Arg(0)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace mainspring::bench
