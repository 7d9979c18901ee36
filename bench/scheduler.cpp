// How many pods a second the scheduler decides on: everything between the pod's arrival at the
// scheduler and its appearance as bound (queue, snapshot, filters, scores, assume, bind request,
// cache update), without an API server. Workload: SchedulingBasic of Kubernetes' scheduler_perf:
// nodes of 4 CPU and 32Gi, pods of 100m and 500Mi; default profile.
#include <benchmark/benchmark.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/api/types/core.h"
#include "models/scheduler/scheduler.h"

namespace mainspring {
namespace {

constexpr int kPods = 10'000;

// Caches that hold still, and requests that are kept for the benchmark to look at.
class Context final : public client::ControlContext {
 public:
  void prepare(const client::ControlLoop& loop) {
    for (const client::WatchSpec& w : loop.watches()) {
      client::Cache& c = caches_.try_emplace(w.kind, w.kind).first->second;
      for (const client::IndexBy i : w.indexes) c.add_index(i);
    }
  }
  void add(api::ObjectRef object) {
    const api::Kind kind = object->kind;
    caches_.at(kind).apply(client::WatchType::kAdded, std::move(object));
  }
  api::Time now() const override { return api::Time::from_unix_seconds(1'700'000'000); }
  const client::Cache& cache(api::Kind kind) const override { return caches_.at(kind); }
  void submit(client::Request request, client::Cookie) override { sent = std::move(request); }
  client::TimerId set_timer(api::Time, client::Cookie) override { return 1; }
  void cancel_timer(client::TimerId) override {}
  std::vector<client::PodMetrics> pod_metrics(std::string_view) override { return {}; }
  uint64_t random(std::string_view, uint64_t draw) const override { return draw; }

  client::Request sent;

 private:
  std::map<api::Kind, client::Cache> caches_;
};

api::Ref<api::Node> make_node(int i) {
  api::Ref<api::Node> n = api::make<api::Node>();
  n->metadata.name = "node-" + std::to_string(i);
  n->metadata.labels.set("kubernetes.io/hostname", n->metadata.name);
  n->metadata.labels.set("topology.kubernetes.io/zone", "zone" + std::to_string(i % 3));
  n->status.allocatable = {{"cpu", api::Quantity::of("4")},
                           {"memory", api::Quantity::of("32Gi")},
                           {"pods", api::Quantity::of("110")}};
  return n;
}

std::vector<api::Ref<const api::Pod>> make_pods() {
  api::Pod prototype;
  prototype.metadata.namespace_ = "default";
  prototype.metadata.labels = {{"app", "basic"}};
  prototype.spec.scheduler_name = "default-scheduler";
  api::Container c;
  c.name = "pause";
  c.image = "pause:3";
  c.resources.requests = {{"cpu", api::Quantity::of("100m")},
                          {"memory", api::Quantity::of("500Mi")}};
  prototype.spec.containers = {c};
  prototype.status.phase = "Pending";
  std::vector<api::Ref<const api::Pod>> out;
  for (int i = 0; i < kPods; ++i) {
    api::Ref<api::Pod> p = api::clone(prototype);
    p->metadata.name = "pod-" + std::to_string(i);
    p->metadata.uid = "uid-" + std::to_string(i);
    out.push_back(p);
  }
  return out;
}

// `service`: the pods belong to a service, so that the default constraints spread them.
void schedule(benchmark::State& state, bool service) {
  const int nodes = static_cast<int>(state.range(0));
  const auto pods = make_pods();
  Context ctx;
  scheduler::SchedulerOptions options;
  options.cycle_time = api::Duration();
  scheduler::Scheduler prototype(options);
  ctx.prepare(prototype);
  for (int i = 0; i < nodes; ++i) ctx.add(make_node(i));
  if (service) {
    api::Ref<api::Service> s = api::make<api::Service>();
    s->metadata.name = "basic";
    s->metadata.namespace_ = "default";
    s->spec.selector = {{"app", "basic"}};
    ctx.add(s);
  }
  prototype.start(ctx);
  for (auto _ : state) {
    state.PauseTiming();
    auto loop = std::make_unique<scheduler::Scheduler>(prototype);
    state.ResumeTiming();
    for (const auto& pod : pods) {
      loop->on_watch(ctx, {client::WatchType::kAdded, pod, {}});
      api::Ref<api::Pod> bound = api::clone(*pod);
      bound->spec.node_name = ctx.sent.target;
      bound->metadata.resource_version = "2";
      loop->on_watch(ctx, {client::WatchType::kModified, bound, pod});
    }
    state.PauseTiming();
    loop.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * kPods);
}

void BM_SchedulingBasic(benchmark::State& state) { schedule(state, false); }
void BM_SchedulingSpreadByDefault(benchmark::State& state) { schedule(state, true); }
BENCHMARK(BM_SchedulingBasic)->Arg(1000)->Arg(5000)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_SchedulingSpreadByDefault)->Arg(1000)->Arg(5000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace mainspring
