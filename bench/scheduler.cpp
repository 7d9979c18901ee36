// How many pods a second the scheduler gets through: all that it does between a pod's arrival and
// its appearance as bound (queue, snapshot, filters, scores, assume, bind request, its answer with
// the event, cache update). Timed are the calls of the scheduler alone, not the pretended API
// server and informer around it. The workloads, their names, nodes and pods are those of
// Kubernetes' scheduler_perf (test/integration/scheduler_perf, v1.35), whose own figures include
// API server and etcd.
//
// remember:0 is the plain path, which builds on nothing from earlier cycles: the reference.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/api/node_affinity.h"
#include "models/api/types/core.h"
#include "models/scheduler/scheduler.h"
#include "sim/check.h"

namespace mainspring {
namespace {

using PodRef = api::Ref<const api::Pod>;

// Caches that are told what happens, and requests that are kept for the benchmark to answer.
class Context final : public client::ControlContext {
 public:
  explicit Context(const client::ControlLoop& loop) {
    for (const client::WatchSpec& w : loop.watches()) {
      client::Cache& c = caches_.try_emplace(w.kind, w.kind).first->second;
      for (const client::IndexBy i : w.indexes) c.add_index(i);
    }
  }
  client::WatchEvent apply(client::WatchType type, api::ObjectRef object) {
    const api::Kind kind = object->kind;
    return caches_.at(kind).apply(type, std::move(object));
  }
  api::Time now() const override { return time; }
  const client::Cache& cache(api::Kind kind) const override { return caches_.at(kind); }
  void submit(client::Request request, client::Cookie cookie) override {
    sent.emplace_back(std::move(request), cookie);
  }
  client::TimerId set_timer(api::Time, client::Cookie) override { return 1; }
  void cancel_timer(client::TimerId) override {}
  std::vector<client::PodMetrics> pod_metrics(std::string_view) override { return {}; }
  uint64_t random(std::string_view, uint64_t draw) const override { return draw * 7919; }

  std::vector<std::pair<client::Request, client::Cookie>> sent;
  api::Time time = api::Time::from_unix_seconds(1'700'000'000);

 private:
  std::map<api::Kind, client::Cache> caches_;
};

// ---- objects

api::Ref<api::Node> make_node(const std::string& name, const std::string& zone,
                              const char* pods = "110") {
  api::Ref<api::Node> n = api::make<api::Node>();
  n->metadata.name = name;
  n->metadata.labels.set("kubernetes.io/hostname", n->metadata.name);
  if (!zone.empty()) n->metadata.labels.set("topology.kubernetes.io/zone", zone);
  n->status.allocatable = {{"cpu", api::Quantity::of("4")},
                           {"memory", api::Quantity::of("32Gi")},
                           {"pods", api::Quantity::of(pods)}};
  return n;
}

// pod-default.yaml: 100m and 500Mi.
api::Pod pod_default() {
  api::Pod p;
  p.metadata.namespace_ = "sched-1";
  p.spec.scheduler_name = "default-scheduler";
  api::Container c;
  c.name = "pause";
  c.image = "registry.k8s.io/pause:3.10.1";
  c.resources.requests = {{"cpu", api::Quantity::of("100m")},
                          {"memory", api::Quantity::of("500Mi")}};
  p.spec.containers = {c};
  p.status.phase = "Pending";
  return p;
}

api::LabelSelector select_label(const char* key, const char* value) {
  api::LabelSelector s;
  s.match_labels.set(key, value);
  return s;
}

api::PodAffinityTerm term(const char* color, const char* key) {
  api::PodAffinityTerm t;
  t.label_selector = select_label("color", color);
  t.topology_key = key;
  t.namespaces = {"sched-1", "sched-0"};
  return t;
}

constexpr const char* kHostnameLabel = "kubernetes.io/hostname";
constexpr const char* kZoneLabel = "topology.kubernetes.io/zone";

// A pod that has to be on a node of one term.
api::Pod on_nodes(api::Pod pod, const api::NodeSelectorTerm& term) {
  api::NodeAffinity& affinity = pod.spec.affinity.edit().node_affinity.edit();
  affinity.required_during_scheduling_ignored_during_execution = api::selector_of(term);
  return pod;
}

// pod-with-node-affinity.yaml
api::Pod pod_node_affinity() {
  api::NodeSelectorTerm t;
  t.match_expressions = {api::requirement_in(kZoneLabel, {"zone1", "zone2"})};
  return on_nodes(pod_default(), t);
}

// daemonset-pod.yaml: best effort, for one node by its name.
api::Pod pod_daemonset() {
  api::Pod p = pod_default();
  p.spec.containers.edit()[0].resources.requests.clear();
  api::NodeSelectorTerm t;
  t.match_fields = {api::requirement_in("metadata.name", {"scheduler-perf-node"})};
  return on_nodes(p, t);
}

// pod-with-topology-spreading.yaml
api::Pod pod_spread(const char* when) {
  api::Pod p = pod_default();
  p.metadata.labels.set("color", "blue");
  api::TopologySpreadConstraint c;
  c.max_skew = 5;
  c.topology_key = kZoneLabel;
  c.when_unsatisfiable = when;
  c.label_selector = select_label("color", "blue");
  p.spec.topology_spread_constraints = {c};
  return p;
}

// pod-with-pod-affinity.yaml
api::Pod pod_affinity() {
  api::Pod p = pod_default();
  p.metadata.labels.set("color", "blue");
  p.spec.affinity.edit().pod_affinity.edit().required_during_scheduling_ignored_during_execution = {
      term("blue", kZoneLabel)};
  return p;
}

// pod-with-pod-anti-affinity.yaml
api::Pod pod_anti_affinity() {
  api::Pod p = pod_default();
  p.metadata.labels.set("color", "green");
  p.spec.affinity.edit()
      .pod_anti_affinity.edit()
      .required_during_scheduling_ignored_during_execution = {term("green", kHostnameLabel)};
  return p;
}

// pod-with-preferred-pod-affinity.yaml and its anti-affinity twin
api::Pod pod_preferred(bool anti) {
  api::Pod p = pod_default();
  p.metadata.labels.set("color", anti ? "yellow" : "red");
  api::WeightedPodAffinityTerm w;
  w.weight = 1;
  w.pod_affinity_term = term(anti ? "yellow" : "red", kHostnameLabel);
  api::Affinity& a = p.spec.affinity.edit();
  if (anti) {
    a.pod_anti_affinity.edit().preferred_during_scheduling_ignored_during_execution = {w};
  } else {
    a.pod_affinity.edit().preferred_during_scheduling_ignored_during_execution = {w};
  }
  return p;
}

// pod-anti-affinity-ns-selector.yaml and its affinity twin
api::Pod pod_ns_selector(bool anti) {
  api::Pod p = pod_default();
  p.metadata.labels.set("color", anti ? "green" : "blue");
  api::PodAffinityTerm t;
  t.label_selector = select_label("color", anti ? "green" : "blue");
  t.topology_key = anti ? kHostnameLabel : kZoneLabel;
  t.namespace_selector = select_label("team", "devops");
  api::Affinity& a = p.spec.affinity.edit();
  if (anti) {
    a.pod_anti_affinity.edit().required_during_scheduling_ignored_during_execution = {t};
  } else {
    a.pod_affinity.edit().required_during_scheduling_ignored_during_execution = {t};
  }
  return p;
}

// ---- a cluster under load

class Bench {
 public:
  explicit Bench(bool plain)
      : scheduler_(std::make_unique<scheduler::Scheduler>(options(plain))), ctx(*scheduler_) {}

  void add_nodes(int count, const std::vector<std::string>& zones = {}) {
    for (int i = 0; i < count; ++i) {
      add_node(make_node("node-" + std::to_string(i),
                         zones.empty() ? "" : zones[static_cast<size_t>(i) % zones.size()]));
    }
  }
  void add_node(const api::ObjectRef& node) {
    scheduler_->on_watch(ctx, ctx.apply(client::WatchType::kAdded, node));
  }
  void add(api::ObjectRef object) { ctx.apply(client::WatchType::kAdded, std::move(object)); }
  std::vector<PodRef> make_pods(const api::Pod& prototype, int count) {
    std::vector<PodRef> out;
    for (int i = 0; i < count; ++i) {
      api::Ref<api::Pod> p = api::clone(prototype);
      p->metadata.name = "pod-" + std::to_string(++made_);
      p->metadata.uid = "00000000-0000-4000-8000-" + std::to_string(100'000'000'000 + made_);
      p->metadata.resource_version = "1";
      out.push_back(p);
    }
    return out;
  }
  // Sends a pod in and answers what the scheduler asks for, until it rests.
  void schedule(const PodRef& pod) {
    watch(ctx.apply(client::WatchType::kAdded, pod));
    while (!ctx.sent.empty()) answer();
  }
  void schedule_all(const std::vector<PodRef>& pods) {
    for (const PodRef& p : pods) schedule(p);
  }
  // Leaves the objects and the informers' caches.
  void drop_scheduler() { scheduler_.reset(); }
  int64_t bound() const { return bound_; }
  int64_t deleted() const { return deleted_; }
  // Seconds within the scheduler so far.
  double seconds() const { return std::chrono::duration<double>(busy_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  template <class F>
  void timed(F&& f) {
    const Clock::time_point start = Clock::now();
    f();
    busy_ += Clock::now() - start;
  }
  void watch(const client::WatchEvent& event) {
    timed([&] { scheduler_->on_watch(ctx, event); });
  }
  static scheduler::SchedulerOptions options(bool plain) {
    scheduler::SchedulerOptions o;
    o.cycle_time = api::Duration();
    o.remember_verdicts = !plain;
    return o;
  }
  void answer() {
    auto [request, cookie] = std::move(ctx.sent.back());
    ctx.sent.pop_back();
    client::Outcome ok;
    ok.code = 200;
    timed([&] { scheduler_->on_outcome(ctx, cookie, ok); });
    if (request.kind != api::Kind::Pod) return;
    const auto pod = ctx.cache(api::Kind::Pod).get_ref<api::Pod>(request.ns, request.name);
    if (!pod) return;
    if (request.verb == client::Verb::kBind) {
      api::Ref<api::Pod> bound = api::clone(*pod);
      bound->spec.node_name = request.target;
      bound->metadata.resource_version = "2";
      watch(ctx.apply(client::WatchType::kModified, bound));
      ++bound_;
    } else if (request.verb == client::Verb::kDelete) {
      watch(ctx.apply(client::WatchType::kDeleted, pod));
      ++deleted_;
    }
  }

  std::unique_ptr<scheduler::Scheduler> scheduler_;

 public:
  Context ctx;

 private:
  Clock::duration busy_{};
  int64_t made_ = 0;
  int64_t bound_ = 0;
  int64_t deleted_ = 0;
};

// Fills a cluster by `prepare`, which returns the pods to measure; `feed` sends them in.
template <class Prepare, class Feed>
void run(benchmark::State& state, Prepare prepare, Feed feed) {
  int64_t pods = 0;
  for (auto _ : state) {
    Bench bench(state.range(0) == 0);
    const std::vector<PodRef> measured = prepare(bench);
    const double start = bench.seconds();
    const int64_t before = bench.bound();
    feed(bench, measured);
    state.SetIterationTime(bench.seconds() - start);
    const int64_t bound = bench.bound() - before;
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
      [](Bench& b, const std::vector<PodRef>& measured) { b.schedule_all(measured); });
}

// A workload whose pods of `init` are there before those of `measured` come.
void steady(benchmark::State& state, int nodes, const std::vector<std::string>& zones,
            api::Pod init, int init_pods, const api::Pod& measured, int pods) {
  init.metadata.namespace_ = "sched-0";
  run(state, [&](Bench& b) {
    for (const char* ns : {"sched-0", "sched-1"}) {
      api::Ref<api::Namespace> n = api::make<api::Namespace>();
      n->metadata.name = ns;
      b.add(n);
    }
    b.add_nodes(nodes, zones);
    b.schedule_all(b.make_pods(init, init_pods));
    return b.make_pods(measured, pods);
  });
}

void SchedulingBasic(benchmark::State& s) {
  steady(s, 5000, {}, pod_default(), 1000, pod_default(), 10'000);
}
void SchedulingNodeAffinity(benchmark::State& s) {
  steady(s, 5000, {"zone1"}, pod_default(), 5000, pod_node_affinity(), 10'000);
}
void TopologySpreading(benchmark::State& s) {
  steady(s, 5000, {"moon-1", "moon-2", "moon-3"}, pod_default(), 5000, pod_spread("DoNotSchedule"),
         5000);
}
void PreferredTopologySpreading(benchmark::State& s) {
  steady(s, 5000, {"moon-1", "moon-2", "moon-3"}, pod_default(), 5000, pod_spread("ScheduleAnyway"),
         5000);
}
void SchedulingPodAntiAffinity(benchmark::State& s) {
  steady(s, 5000, {}, pod_anti_affinity(), 1000, pod_anti_affinity(), 2000);
}
void SchedulingPodAffinity(benchmark::State& s) {
  steady(s, 5000, {"zone1"}, pod_affinity(), 5000, pod_affinity(), 5000);
}
void SchedulingPreferredPodAffinity(benchmark::State& s) {
  steady(s, 5000, {}, pod_preferred(false), 5000, pod_preferred(false), 5000);
}
void SchedulingPreferredPodAntiAffinity(benchmark::State& s) {
  steady(s, 5000, {}, pod_preferred(true), 5000, pod_preferred(true), 5000);
}

// 100 namespaces of the team with `per_ns` pods each, then 2,000 pods in another one of it.
void ns_selector(benchmark::State& state, bool anti, int nodes, int per_ns) {
  run(state, [&](Bench& b) {
    b.add_nodes(nodes, anti ? std::vector<std::string>() : std::vector<std::string>{"zone1"});
    api::Pod pod = pod_ns_selector(anti);
    for (int i = 0; i <= 100; ++i) {
      api::Ref<api::Namespace> n = api::make<api::Namespace>();
      n->metadata.name = i < 100 ? "init-ns-" + std::to_string(i) : "measure-ns-0";
      n->metadata.labels.set("team", "devops");
      b.add(n);
    }
    for (int i = 0; i < 100; ++i) {
      pod.metadata.namespace_ = "init-ns-" + std::to_string(i);
      b.schedule_all(b.make_pods(pod, per_ns));
    }
    pod.metadata.namespace_ = "measure-ns-0";
    return b.make_pods(pod, 2000);
  });
}
void SchedulingRequiredPodAntiAffinityWithNSSelector(benchmark::State& s) {
  ns_selector(s, true, 6000, 40);
}
void SchedulingRequiredPodAffinityWithNSSelector(benchmark::State& s) {
  ns_selector(s, false, 5000, 50);
}

// 10,000 pods of each of five kinds are there before plain pods come.
void MixedSchedulingBasePod(benchmark::State& state) {
  run(state, [&](Bench& b) {
    b.add_nodes(5000, {"zone1"});
    for (api::Pod pod : {pod_default(), pod_affinity(), pod_anti_affinity(), pod_preferred(false),
                         pod_preferred(true)}) {
      pod.metadata.namespace_ = "sched-0";
      b.schedule_all(b.make_pods(pod, 2000));
    }
    return b.make_pods(pod_default(), 5000);
  });
}

void SchedulingDaemonset(benchmark::State& state) {
  run(state, [&](Bench& b) {
    b.add_node(make_node("scheduler-perf-node", "", "90000"));
    b.add_nodes(15'000);
    return b.make_pods(pod_daemonset(), 30'000);
  });
}

// Every node is full but for a corner that holds plain pods; upstream sends a 3-CPU pod of high
// priority every 200 ms among them, which at its floor of 160 pods/s is one for 32 plain pods.
void PreemptionAsync(benchmark::State& state) {
  constexpr size_t kPerPreemptor = 32;
  std::vector<PodRef> preemptors;
  const auto prepare = [&](Bench& b) {
    b.add_nodes(5000);
    api::Pod low = pod_default();
    low.spec.containers.edit()[0].resources.requests.set("cpu", api::Quantity::of("900m"));
    b.schedule_all(b.make_pods(low, 20'000));
    api::Pod high = pod_default();
    high.spec.priority = 10;
    high.spec.containers.edit()[0].resources.requests.set("cpu", api::Quantity::of("3000m"));
    preemptors = b.make_pods(high, 5000 / kPerPreemptor + 1);
    return b.make_pods(pod_default(), 5000);
  };
  run(state, prepare, [&](Bench& b, const std::vector<PodRef>& plain) {
    for (size_t i = 0; i < plain.size(); ++i) {
      if (i % kPerPreemptor == 0) b.schedule(preemptors[i / kPerPreemptor]);
      b.schedule(plain[i]);
    }
    MAINSPRING_CHECK(b.deleted() > 0, "nothing was preempted");
  });
}

// The default constraints spread the pods of a service.
void DefaultTopologySpreading(benchmark::State& state) {
  run(state, [&](Bench& b) {
    b.add_nodes(5000, {"moon-1", "moon-2", "moon-3"});
    api::Ref<api::Service> s = api::make<api::Service>();
    s->metadata.name = "blue";
    s->metadata.namespace_ = "sched-1";
    s->spec.selector = {{"color", "blue"}};
    b.add(s);
    api::Pod pod = pod_default();
    pod.metadata.labels.set("color", "blue");
    return b.make_pods(pod, 10'000);
  });
}

// What a scheduler holds that has put 450,000 pods on 15,000 nodes: all of it with the informers'
// caches and the objects in them (in a simulation the API server and the other clients share
// these), and what is the scheduler's own.
void BytesOfBoundPods(benchmark::State& state) {
  constexpr int kNodes = 15'000;
  constexpr int kPods = 450'000;
  constexpr int kAtATime = 1'000;
  // Large blocks are mapped, and counted apart.
  const auto in_use = [] {
    const auto heap = mallinfo2();
    return static_cast<double>(heap.uordblks + heap.hblkhd);
  };
  for (auto _ : state) {
    const double before = in_use();
    Bench bench(false);
    bench.add_nodes(kNodes, {"zone-1", "zone-2", "zone-3"});
    for (int i = 0; i < kPods; i += kAtATime) {
      bench.schedule_all(bench.make_pods(pod_default(), kAtATime));
    }
    MAINSPRING_CHECK(bench.bound() == kPods, "only {} pods were bound", bench.bound());
    const double all = in_use();
    bench.drop_scheduler();
    const double objects = in_use();
    state.counters["bytes"] = all - before;
    state.counters["scheduler_bytes"] = all - objects;
    state.counters["bytes_per_pod"] = (all - before) / kPods;
  }
}
BENCHMARK(BytesOfBoundPods)->Unit(benchmark::kSecond)->Iterations(1);

#define WORKLOAD(name) \
  BENCHMARK(name)->ArgName("remember")->Arg(1)->UseManualTime()->Unit(benchmark::kMillisecond)
WORKLOAD(SchedulingBasic);
WORKLOAD(SchedulingNodeAffinity);
WORKLOAD(TopologySpreading);
WORKLOAD(PreferredTopologySpreading);
WORKLOAD(DefaultTopologySpreading);
WORKLOAD(SchedulingPodAntiAffinity);
WORKLOAD(SchedulingPodAffinity);
WORKLOAD(SchedulingPreferredPodAffinity);
WORKLOAD(SchedulingPreferredPodAntiAffinity);
WORKLOAD(SchedulingRequiredPodAntiAffinityWithNSSelector);
WORKLOAD(SchedulingRequiredPodAffinityWithNSSelector);
WORKLOAD(MixedSchedulingBasePod);
WORKLOAD(PreemptionAsync);
WORKLOAD(SchedulingDaemonset);
BENCHMARK(SchedulingBasic)
    ->ArgName("remember")
    ->Arg(0)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace mainspring
