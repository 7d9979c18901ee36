// A cluster for the workloads of Kubernetes' scheduler_perf (test/integration/scheduler_perf,
// v1.35): the scheduler, the caches that it reads, and an API server that answers at once.
//
// What is measured: how many pods a second the scheduler gets through, with all that it does
// between a pod's arrival and its appearance as bound (queue, snapshot, filters, scores, assume,
// requests and their answers with events, cache update). Timed are the calls of the scheduler
// alone, not the pretended API server and informer around it. Upstream's own figures include both
// and etcd.
//
// The argument remember:0 is the plain path, which builds on nothing from earlier cycles: the
// reference.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/api/types/core.h"
#include "models/client/control_loop.h"
#include "models/scheduler/scheduler.h"
#include "sim/check.h"

namespace mainspring::bench {

using PodRef = api::Ref<const api::Pod>;

// An object from YAML, which has to be right.
api::Ref<api::Object> object(std::string_view yaml);
template <class T>
api::Ref<T> make(std::string_view yaml) {
  api::Ref<api::Object> o = object(yaml);
  MAINSPRING_CHECK(o->kind == T::kKind, "an object of another kind: {}", yaml);
  return api::Ref<T>(static_cast<T*>(o.detach()));
}
// A pod that asks for nothing (light-pod.yaml), changed by a patch in YAML.
api::Ref<api::Pod> light_pod(std::string_view patch = "{}");
// A pod of 100m and 500Mi (pod-default.yaml), changed by a patch in YAML.
api::Ref<api::Pod> default_pod(std::string_view patch = "{}");
// A node of 4 CPUs, 32Gi and 110 pods (node-default.yaml), changed by a patch in YAML.
api::Ref<api::Node> default_node(std::string_view patch = "{}");

// Caches that are told what happens, and requests that are kept for the cluster to answer.
class Context final : public client::ControlContext {
 public:
  explicit Context(const client::ControlLoop& loop);
  client::WatchEvent apply(client::WatchType type, api::ObjectRef object) {
    const api::Kind kind = object->kind;
    return caches_.at(kind).apply(type, std::move(object));
  }
  api::Time now() const override { return api::Time::from_unix_seconds(1'700'000'000); }
  const client::Cache& cache(api::Kind kind) const override { return caches_.at(kind); }
  void submit(client::Request request, client::Cookie cookie) override {
    sent.emplace_back(std::move(request), cookie);
  }
  client::TimerId set_timer(api::Time, client::Cookie) override { return 1; }
  void cancel_timer(client::TimerId) override {}
  std::vector<client::PodMetrics> pod_metrics(std::string_view) override { return {}; }
  uint64_t random(std::string_view, uint64_t draw) const override { return draw * 7919; }

  std::vector<std::pair<client::Request, client::Cookie>> sent;

 private:
  std::map<api::Kind, client::Cache> caches_;
};

class PerfCluster {
 public:
  // `plain`: without what is remembered from earlier cycles.
  explicit PerfCluster(bool plain);

  // Nodes "node-0", "node-1", ... like the given one, in the zones in turn.
  void add_nodes(int count, const std::vector<std::string>& zones = {},
                 const api::Ref<api::Node>& like = default_node());
  void add_namespace(const std::string& name, const char* labels = "{}");
  // Pods with names and uids of their own, which are not in the cluster yet.
  std::vector<PodRef> make_pods(const api::Ref<api::Pod>& like, int count,
                                const char* in_namespace = "sched-1");

  // Puts an object there, in place of the one of its name, or takes it away; the scheduler hears.
  void put(api::ObjectRef object);
  void remove(api::Kind kind, std::string_view ns, std::string_view name);
  // Puts a pod there and answers what the scheduler asks for, until it rests.
  void schedule(const PodRef& pod);
  void schedule_all(const std::vector<PodRef>& pods);
  // Leaves the objects and the informers' caches.
  void drop_scheduler() { scheduler_.reset(); }

  int64_t bound() const { return bound_; }
  int64_t deleted() const { return deleted_; }  // by the scheduler
  // Seconds within the scheduler so far.
  double seconds() const { return std::chrono::duration<double>(busy_).count(); }

 private:
  // What a request comes to.
  struct Answer {
    client::Outcome outcome;
    client::WatchType type = client::WatchType::kModified;
    api::ObjectRef object;  // null: nothing changed
  };
  void answer();
  Answer carry_out(const client::Request& request);
  void hear(const client::WatchEvent& event);

  std::unique_ptr<scheduler::Scheduler> scheduler_;
  Context ctx_;
  std::chrono::steady_clock::duration busy_{};
  int64_t nodes_ = 0;
  int64_t pods_ = 0;
  int64_t version_ = 1;
  int64_t bound_ = 0;
  int64_t deleted_ = 0;
};

// Fills a cluster by `prepare`, which returns the pods to measure; `feed` sends them in.
template <class Prepare, class Feed>
void run(benchmark::State& state, Prepare prepare, Feed feed) {
  int64_t pods = 0;
  for (auto _ : state) {
    PerfCluster cluster(state.range(0) == 0);
    const std::vector<PodRef> measured = prepare(cluster);
    const double start = cluster.seconds();
    const int64_t before = cluster.bound();
    feed(cluster, measured);
    state.SetIterationTime(cluster.seconds() - start);
    const int64_t bound = cluster.bound() - before;
    MAINSPRING_CHECK(bound >= static_cast<int64_t>(measured.size()),
                     "only {} of {} pods were bound", bound, measured.size());
    pods += static_cast<int64_t>(measured.size());
  }
  state.counters["pods/s"] =
      benchmark::Counter(static_cast<double>(pods), benchmark::Counter::kIsRate);
}
template <class Prepare>
void run(benchmark::State& state, Prepare prepare) {
  run(state, prepare,
      [](PerfCluster& c, const std::vector<PodRef>& measured) { c.schedule_all(measured); });
}

// A workload whose pods `init` are there before those of `measured` come.
void steady(benchmark::State& state, int nodes, const std::vector<std::string>& zones,
            const api::Ref<api::Pod>& init, int init_pods, const api::Ref<api::Pod>& measured,
            int pods);

}  // namespace mainspring::bench

// Registers a workload.
#define SCHEDULER_PERF(name) \
  BENCHMARK(name)->ArgName("remember")->Arg(1)->UseManualTime()->Unit(benchmark::kMillisecond)
