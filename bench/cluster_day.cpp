// A day of a whole cluster: machines with leases, probes and metric samples, pods that come and go,
// the real scheduler and controllers. What a figure means stands in its label.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "bench/heap.h"
#include "models/api/types/apps.h"
#include "models/api/types/core.h"
#include "scenarios/kubectl/command.h"
#include "scenarios/loader.h"
#include "scenarios/simulation.h"

namespace mainspring::scenarios {
namespace {

api::ObjectRef deployment(int number, int replicas) {
  api::Ref<api::Deployment> d = api::make<api::Deployment>();
  d->metadata.name = fmt::format("app-{}", number);
  d->metadata.namespace_ = "default";
  d->spec.replicas = replicas;
  api::LabelSelector selector;
  selector.match_labels.set("app", d->metadata.name);
  d->spec.selector = selector;
  d->spec.template_.metadata.labels.set("app", d->metadata.name);
  api::Container c;
  c.name = "c";
  c.image = fmt::format("app-{}:1", number);
  c.resources.requests.set("cpu", api::Quantity::of("100m"));
  c.resources.requests.set("memory", api::Quantity::of("128Mi"));
  api::Probe probe;
  api::HTTPGetAction get;
  get.port = api::IntOrString(8080);
  probe.http_get = get;
  c.readiness_probe = probe;
  c.liveness_probe = probe;
  d->spec.template_.spec.containers.push_back(c);
  return d;
}

LoadedScenario cluster(int nodes, int deployments, int replicas, sim::Duration horizon) {
  LoadedScenario s;
  s.horizon = horizon;
  s.epoch_unix_ns = 1'767'603'600'000'000'000;  // 2026-01-05T09:00:00Z
  s.spec.namespace_ = "default";
  spec::NodePoolSpec pool;
  pool.name = "n";
  pool.count = nodes;
  pool.zones = {"a", "b", "c"};
  pool.cpu = api::Quantity::of("16");
  pool.memory = api::Quantity::of("64Gi");
  pool.max_pods = 110;
  pool.boot_time = "50s";
  s.spec.cluster.node_pools.push_back(pool);
  s.spec.cluster.registry_bandwidth = "100MB/s";
  for (int i = 0; i < deployments; ++i) s.objects.push_back(deployment(i, replicas));
  return s;
}

// 30 deployments of 1,000 replicas; each is restarted once over the day: 30,000 pods of churn.
void BM_ClusterDay(benchmark::State& state) {
  for (auto _ : state) {
    LoadedScenario s = cluster(static_cast<int>(state.range(0)), 30,
                               static_cast<int>(state.range(1)) / 30, sim::Duration::hours(24));
    for (int i = 0; i < 30; ++i) {
      std::string error;
      s.timeline.push_back(
          {sim::Duration::minutes(60 + i * 40),
           *parse_kubectl(fmt::format("rollout restart deployment/app-{}", i), error), true});
    }
    Simulation simulation(s, {.seed = 1, .keep_journal = false});
    simulation.run_until(simulation.end());
    state.counters["events"] = static_cast<double>(simulation.world().events_executed());
    state.counters["records"] = static_cast<double>(simulation.world().journal().records());
  }
  state.SetLabel("one simulated day per iteration");
}
BENCHMARK(BM_ClusterDay)
    ->Args({100, 3000})
    ->Args({1000, 30000})
    ->Unit(benchmark::kSecond)
    ->Iterations(1);

// Memory that running pods add: heap in use with 10,000 replicas running, less that of the same
// cluster with none.
void BM_BytesPerRunningPod(benchmark::State& state) {
  const auto heap_after = [&](int replicas) {
    const size_t before = bench::heap_in_use();
    Simulation simulation(cluster(200, 1, replicas, sim::Duration::hours(2)),
                          {.seed = 1, .keep_journal = false});
    simulation.run_until(simulation.end());
    return static_cast<double>(bench::heap_in_use() - before);
  };
  for (auto _ : state) {
    const double empty = heap_after(0);
    const double full = heap_after(10'000);
    state.counters["bytes_per_pod"] = (full - empty) / 10'000.0;
  }
  state.SetLabel("a deployment of 10,000 replicas, all components, no kept journal");
}
BENCHMARK(BM_BytesPerRunningPod)->Unit(benchmark::kSecond)->Iterations(1);

}  // namespace
}  // namespace mainspring::scenarios
