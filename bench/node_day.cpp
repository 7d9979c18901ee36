// A day of machines and pods without a control plane: 1,000 nodes, 30,000 pods with readiness and
// liveness probes, leases and metric samples.
//
// Idle: nothing happens to the pods. Churn: 30,000 pods of the day end and are replaced, one every
// 2.88 s, through delete, kubelet, create, start. Every wall second covers the whole day.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "models/api/types/core.h"
#include "models/node/node_fleet.h"

namespace mainspring::node {
namespace {

using sim::Duration;
using sim::SimTime;

constexpr int kNodes = 1000;
constexpr int kPods = 30'000;

api::Ref<api::Pod> make_pod(int number, int node) {
  api::Ref<api::Pod> pod = api::make<api::Pod>();
  pod->metadata.name = fmt::format("p-{}", number);
  pod->metadata.namespace_ = "default";
  pod->spec.node_name = fmt::format("n-{}", node);
  pod->spec.restart_policy = "Always";
  api::Container c;
  c.name = "app";
  c.image = fmt::format("app:{}", number % 20);
  c.image_pull_policy = "IfNotPresent";
  c.resources.requests.set("cpu", api::Quantity::from_milli(50));
  api::Probe probe;
  probe.tcp_socket = api::TCPSocketAction{};
  probe.period_seconds = 10;
  probe.timeout_seconds = 1;
  probe.success_threshold = 1;
  probe.failure_threshold = 3;
  c.readiness_probe = probe;
  c.liveness_probe = probe;
  pod->spec.containers.push_back(c);
  return pod;
}

struct Cluster {
  Cluster() : world(1) {
    world.journal().set_storage(sim::JournalStorage::kDigestOnly);
    api = world.add<apiserver::ApiServer>(apiserver::ApiServer::Options{});
    NodeFleet::Options options;
    options.server = api;
    fleet = world.add<NodeFleet>(std::move(options));
    for (int n = 0; n < kNodes; ++n) {
      MachineSpec spec;
      spec.name = fmt::format("n-{}", n);
      world.get(fleet).add_machine(world, spec, Duration());
    }
    world.start();
    world.run_until(SimTime() + Duration::seconds(1));
    for (int i = 0; i < kPods; ++i) create(i, i % kNodes);
    world.run_until(SimTime() + Duration::minutes(10));
  }
  void create(int number, int node) {
    client::Request r;
    r.verb = client::Verb::kCreate;
    r.kind = api::Kind::Pod;
    r.ns = "default";
    r.body = make_pod(number, node);
    world.get(api).execute(world, r);
  }
  void remove(int number) {
    client::Request r;
    r.verb = client::Verb::kDelete;
    r.kind = api::Kind::Pod;
    r.ns = "default";
    r.name = fmt::format("p-{}", number);
    world.get(api).execute(world, r);
  }
  sim::World world;
  sim::ComponentRef<apiserver::ApiServer> api;
  sim::ComponentRef<NodeFleet> fleet;
};

void BM_NodeDay_Start30kPods(benchmark::State& state) {
  for (auto _ : state) {
    Cluster cluster;
    benchmark::DoNotOptimize(cluster.world.execution_hash());
    state.counters["events"] = static_cast<double>(cluster.world.events_executed());
  }
}
BENCHMARK(BM_NodeDay_Start30kPods)->Unit(benchmark::kMillisecond)->Iterations(1);

void BM_NodeDay_Idle(benchmark::State& state) {
  Cluster cluster;
  for (auto _ : state) {
    const uint64_t before = cluster.world.events_executed();
    cluster.world.run_until(cluster.world.now() + Duration::hours(24));
    state.counters["events"] = static_cast<double>(cluster.world.events_executed() - before);
  }
}
BENCHMARK(BM_NodeDay_Idle)->Unit(benchmark::kMillisecond)->Iterations(1);

void BM_NodeDay_Churn30k(benchmark::State& state) {
  Cluster cluster;
  int next = kPods;
  for (auto _ : state) {
    const uint64_t before = cluster.world.events_executed();
    const SimTime start = cluster.world.now();
    for (int i = 0; i < kPods; ++i) {
      cluster.world.run_until(start + Duration::millis(2880) * i);
      cluster.remove(next - kPods);
      cluster.create(next, next % kNodes);
      ++next;
    }
    state.counters["events"] = static_cast<double>(cluster.world.events_executed() - before);
  }
}
BENCHMARK(BM_NodeDay_Churn30k)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace mainspring::node
