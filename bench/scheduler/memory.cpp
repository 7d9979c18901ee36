// What a scheduler holds that has put 450,000 pods on 15,000 nodes.
#include "bench/heap.h"
#include "bench/scheduler/perf_cluster.h"

namespace mainspring::bench {
namespace {

// All of it with the informers' caches and the objects in them (in a simulation the API server and
// the other clients share these), and what is the scheduler's own.
void BytesOfBoundPods(benchmark::State& state) {
  constexpr int kNodes = 15'000;
  constexpr int kPods = 450'000;
  constexpr int kAtATime = 1'000;
  const auto in_use = [] { return static_cast<double>(heap_in_use()); };
  for (auto _ : state) {
    const double before = in_use();
    PerfCluster cluster(false);
    cluster.add_nodes(kNodes, {"zone-1", "zone-2", "zone-3"});
    for (int i = 0; i < kPods; i += kAtATime) {
      cluster.schedule_all(cluster.make_pods(default_pod(), kAtATime));
    }
    MAINSPRING_CHECK(cluster.bound() == kPods, "only {} pods were bound", cluster.bound());
    const double all = in_use();
    cluster.drop_scheduler();
    const double objects = in_use();
    state.counters["bytes"] = all - before;
    state.counters["scheduler_bytes"] = all - objects;
    state.counters["bytes_per_pod"] = (all - before) / kPods;
  }
}
BENCHMARK(BytesOfBoundPods)->Unit(benchmark::kSecond)->Iterations(1);

}  // namespace
}  // namespace mainspring::bench
