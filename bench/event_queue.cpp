// The event queue against a bare heap of the same keys, against ns-3, and against the structures
// that lost; docs/adr/0001-event-queue.md has the figures.
//
// Hold model: with N events pending, take the first and schedule one at its time plus an increment.
// Increments are exponential, or bimodal (nine of ten a millisecond, the tenth an hour: request
// events beside long timers), from a table, so that no queue pays for random numbers. The time per
// iteration is that of one such step. All queues see the same increments and hand on a checksum.
//
//   build/bin/bench_event_queue --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "sim/distributions.h"
#include "sim/event_queue.h"
#include "sim/world.h"

#ifdef MAINSPRING_HAVE_NS3
#include <ns3/calendar-scheduler.h>
#include <ns3/heap-scheduler.h>
#include <ns3/map-scheduler.h>
#include <ns3/priority-queue-scheduler.h>
#endif

namespace mainspring::sim {
namespace {

enum class Increments { kExponential, kBimodal };
constexpr size_t kTable = 1 << 16;

const std::vector<uint64_t>& increments(Increments which) {
  static const std::vector<uint64_t> exponential = [] {
    Rng rng = Stream(1, "bench.hold").rng(0);
    std::vector<uint64_t> table;
    for (size_t i = 0; i < kTable; ++i) {
      table.push_back(static_cast<uint64_t>(sample_exponential(rng, 1e9)) + 1);
    }
    return table;
  }();
  static const std::vector<uint64_t> bimodal = [] {
    Rng rng = Stream(1, "bench.bimodal").rng(0);
    std::vector<uint64_t> table;
    for (size_t i = 0; i < kTable; ++i) {
      const double mean = rng.chance(1, 10) ? 3.6e12 : 1e6;
      table.push_back(static_cast<uint64_t>(sample_exponential(rng, mean)) + 1);
    }
    return table;
  }();
  return which == Increments::kExponential ? exponential : bimodal;
}

struct Key {
  uint64_t at;
  uint64_t sequence;
};
__extension__ using Wide = unsigned __int128;
Wide wide(const Key& k) { return (static_cast<Wide>(k.at) << 64) | k.sequence; }
bool before(const Key& a, const Key& b) { return wide(a) < wide(b); }

// The queues: push(at), and pop() giving the key of the first.

class Ours {
 public:
  void push(uint64_t at) {
    queue_.schedule(SimTime::from_ns(static_cast<int64_t>(at)), 0, {ComponentId{1}, 2, 3, at, 5});
  }
  uint64_t pop() {
    Event event;
    queue_.pop(event);
    benchmark::DoNotOptimize(event);
    return static_cast<uint64_t>(event.at.ns());
  }

 private:
  EventQueue queue_;
};

// The reference: nothing but an implicit heap of 16-byte keys.
template <size_t kArity>
class BareHeap {
 public:
  void push(uint64_t at) {
    const Key key{at, next_++};
    heap_.push_back(key);
    size_t hole = heap_.size() - 1;
    while (hole > 0) {
      const size_t parent = (hole - 1) / kArity;
      if (!before(key, heap_[parent])) break;
      heap_[hole] = heap_[parent];
      hole = parent;
    }
    heap_[hole] = key;
  }
  uint64_t pop() {
    const uint64_t at = heap_[0].at;
    const Key key = heap_.back();
    heap_.pop_back();
    const size_t size = heap_.size();
    if (size == 0) return at;
    size_t hole = 0;
    for (;;) {
      const size_t child = kArity * hole + 1;
      if (child >= size) break;
      const size_t end = std::min(child + kArity, size);
      size_t least = child;
      for (size_t i = child + 1; i < end; ++i) {
        if (before(heap_[i], heap_[least])) least = i;
      }
      if (!before(heap_[least], key)) break;
      heap_[hole] = heap_[least];
      hole = least;
    }
    heap_[hole] = key;
    return at;
  }

 private:
  std::vector<Key> heap_;
  uint64_t next_ = 0;
};

class StdPriorityQueue {
 public:
  void push(uint64_t at) { queue_.push({at, next_++}); }
  uint64_t pop() {
    const uint64_t at = queue_.top().at;
    queue_.pop();
    return at;
  }

 private:
  struct Later {
    bool operator()(const Key& a, const Key& b) const { return before(b, a); }
  };
  std::priority_queue<Key, std::vector<Key>, Later> queue_;
  uint64_t next_ = 0;
};

// A calendar whose buckets are sorted only when their turn comes. It is told the best bucket width
// for the mean increment, which a real one would have to estimate, and resizes by doubling.
class LazyCalendar {
 public:
  LazyCalendar(size_t pending, double mean_increment)
      : buckets_(std::max<size_t>(16, pending)),
        width_(std::max<uint64_t>(
            1, static_cast<uint64_t>(mean_increment / static_cast<double>(pending) * 4))) {}
  void push(uint64_t at) {
    const Key key{at, next_++};
    const uint64_t day = at / width_;
    if (day <= day_) {
      today_.insert(std::upper_bound(today_.begin(), today_.end(), key,
                                     [](const Key& a, const Key& b) { return before(b, a); }),
                    key);
    } else {
      buckets_[day % buckets_.size()].push_back(key);
    }
    ++size_;
  }
  uint64_t pop() {
    while (today_.empty()) {
      ++day_;
      std::vector<Key>& bucket = buckets_[day_ % buckets_.size()];
      for (size_t i = 0; i < bucket.size();) {
        if (bucket[i].at / width_ == day_) {
          today_.push_back(bucket[i]);
          bucket[i] = bucket.back();
          bucket.pop_back();
        } else {
          ++i;
        }
      }
      std::sort(today_.begin(), today_.end(),
                [](const Key& a, const Key& b) { return before(b, a); });
    }
    const uint64_t at = today_.back().at;
    today_.pop_back();
    --size_;
    return at;
  }

 private:
  std::vector<std::vector<Key>> buckets_;
  std::vector<Key> today_;  // latest first
  uint64_t width_;
  uint64_t day_ = 0;
  size_t size_ = 0;
  uint64_t next_ = 0;
};

#ifdef MAINSPRING_HAVE_NS3
// No event objects behind the keys: ns-3 would also allocate one for every event.
template <class Scheduler>
class Ns3 {
 public:
  Ns3() : scheduler_(ns3::CreateObject<Scheduler>()) {}
  void push(uint64_t at) { scheduler_->Insert({nullptr, {at, next_++, 0}}); }
  uint64_t pop() { return scheduler_->RemoveNext().key.m_ts; }

 private:
  ns3::Ptr<Scheduler> scheduler_;
  uint32_t next_ = 0;
};
#endif

template <class Queue, class... Args>
void hold(benchmark::State& state, Increments which, Args... args) {
  const size_t n = static_cast<size_t>(state.range(0));
  const std::vector<uint64_t>& table = increments(which);
  Queue queue(args...);
  size_t next = 0;
  for (size_t i = 0; i < n; ++i) queue.push(table[next++ % kTable]);
  // To the steady state, and with it every allocation.
  for (size_t i = 0; i < 2 * n; ++i) queue.push(queue.pop() + table[next++ % kTable]);
  uint64_t checksum = 0;
  for (auto _ : state) {
    const uint64_t at = queue.pop();
    checksum = checksum * 31 + at;
    queue.push(at + table[next++ % kTable]);
  }
  benchmark::DoNotOptimize(checksum);
  state.SetItemsProcessed(state.iterations());
}

template <class Queue>
void hold_exponential(benchmark::State& state) {
  hold<Queue>(state, Increments::kExponential);
}
template <class Queue>
void hold_bimodal(benchmark::State& state) {
  hold<Queue>(state, Increments::kBimodal);
}
void hold_calendar(benchmark::State& state) {
  hold<LazyCalendar>(state, Increments::kExponential, static_cast<size_t>(state.range(0)), 1e9);
}
void hold_calendar_bimodal(benchmark::State& state) {
  hold<LazyCalendar>(state, Increments::kBimodal, static_cast<size_t>(state.range(0)), 3.6e11);
}

// A fixed number of steps, so that the queues are compared over the same events and a million
// pending ones are not set up again and again while the library looks for a count.
void sizes(benchmark::internal::Benchmark* b) { b->Arg(100)->Arg(10'000)->Iterations(4'000'000); }
void large(benchmark::internal::Benchmark* b) { b->Arg(1'000'000)->Iterations(2'000'000); }

#define HOLD(function, name)                             \
  BENCHMARK(function)->Name("hold/" name)->Apply(sizes); \
  BENCHMARK(function)->Name("hold/" name)->Apply(large)
#define BIMODAL(function, name) BENCHMARK(function)->Name("bimodal/" name)->Apply(sizes)

HOLD(hold_exponential<Ours>, "event_queue");
HOLD(hold_exponential<BareHeap<4>>, "bare_4ary_heap");
#ifdef MAINSPRING_HAVE_NS3
HOLD(hold_exponential<Ns3<ns3::PriorityQueueScheduler>>, "ns3_priority_queue");
HOLD(hold_exponential<Ns3<ns3::MapScheduler>>, "ns3_map");
HOLD(hold_exponential<Ns3<ns3::HeapScheduler>>, "ns3_heap");
// At a million pending events it takes tens of microseconds a step.
BENCHMARK(hold_exponential<Ns3<ns3::CalendarScheduler>>)->Name("hold/ns3_calendar")->Apply(sizes);
#else
void ns3_absent(benchmark::State& state) { state.SkipWithError("ns-3 is not installed"); }
BENCHMARK(ns3_absent)->Name("hold/ns3");
#endif
HOLD(hold_exponential<BareHeap<8>>, "bare_8ary_heap");
HOLD(hold_exponential<StdPriorityQueue>, "std_priority_queue");
HOLD(hold_calendar, "lazy_calendar");
BIMODAL(hold_bimodal<Ours>, "event_queue");
BIMODAL(hold_bimodal<BareHeap<4>>, "bare_4ary_heap");
BIMODAL(hold_calendar_bimodal, "lazy_calendar");

// Timers of constant period. Arguments: entities, each with one timer per lane; number of lanes.
// Beside them a thousand ordinary events are pending in the heap.
void lane_timers(benchmark::State& state) {
  const size_t entities = static_cast<size_t>(state.range(0));
  const size_t lane_count = static_cast<size_t>(state.range(1));
  EventQueue queue;
  std::vector<LaneId> lanes;
  for (size_t i = 0; i < lane_count; ++i) {
    lanes.push_back(queue.lane(Duration::seconds(static_cast<int64_t>(10 * (i + 1)))));
  }
  for (int64_t i = 0; i < 1000; ++i) {
    queue.schedule(SimTime::from_ns(INT64_MAX - i), 0, {ComponentId{0}, 0, 0, 0, 0});
  }
  // Every entity starts at its own moment within the first ten seconds.
  Rng rng = Stream(1, "bench.phase").rng(0);
  std::vector<int64_t> phases;
  for (size_t i = 0; i < entities; ++i) phases.push_back(rng.between(0, 9'999'999'999));
  std::sort(phases.begin(), phases.end());
  for (size_t i = 0; i < entities; ++i) {
    for (size_t lane = 0; lane < lane_count; ++lane) {
      queue.schedule_on_lane(lanes[lane], SimTime::from_ns(phases[i]), 0,
                             {ComponentId{0}, static_cast<uint16_t>(lane), 0, i, 0});
    }
  }
  Event event;
  uint64_t checksum = 0;
  for (auto _ : state) {
    queue.pop(event);
    checksum = checksum * 31 + event.a;
    queue.schedule_on_lane(lanes[event.kind], event.at, event.sequence,
                           {event.component, event.kind, 0, event.a, 0});
  }
  benchmark::DoNotOptimize(checksum);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(lane_timers)
    ->Args({1'000, 1})
    ->Args({30'000, 1})
    ->Args({30'000, 3})
    ->Args({30'000, 8})
    ->Args({450'000, 3})
    ->Iterations(10'000'000);

// The same timers through the heap.
void heap_timers(benchmark::State& state) {
  const int64_t entities = state.range(0);
  EventQueue queue;
  Rng rng = Stream(1, "bench.phase").rng(0);
  for (int64_t i = 0; i < entities; ++i) {
    queue.schedule(SimTime::from_ns(rng.between(0, 9'999'999'999)), 0,
                   {ComponentId{0}, 0, 0, static_cast<uint64_t>(i), 0});
  }
  Event event;
  for (auto _ : state) {
    queue.pop(event);
    queue.schedule(event.at + Duration::seconds(10), event.sequence,
                   {event.component, event.kind, 0, event.a, 0});
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(heap_timers)->Arg(1'000)->Arg(30'000)->Arg(450'000)->Iterations(4'000'000);

// A timeout per request that is nearly always cancelled, with N requests in flight.
void schedule_and_cancel(benchmark::State& state) {
  const size_t in_flight = static_cast<size_t>(state.range(0));
  EventQueue queue;
  std::vector<EventId> timeouts(in_flight);
  int64_t now = 0;
  size_t i = 0;
  for (auto _ : state) {
    queue.cancel(timeouts[i]);
    timeouts[i] =
        queue.schedule(SimTime::from_ns(++now + 30'000'000'000), 0, {ComponentId{0}, 0, 0, i, 0});
    if (++i == in_flight) i = 0;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(schedule_and_cancel)->Arg(100)->Arg(10'000);

// A whole World: handlers that reschedule themselves on a lane, with cause, hash and dispatch.
class Ticker : public Cloneable<Ticker> {
 public:
  explicit Ticker(uint64_t entities) : entities_(entities) {}
  std::string_view name() const override { return "ticker"; }
  void start(World& world) override {
    lane_ = world.lane(Duration::seconds(10));
    for (uint64_t i = 0; i < entities_; ++i) world.schedule_on_lane(lane_, id(), 0, i);
  }
  void handle(World& world, const Event& event) override {
    sum_ += event.a;
    world.schedule_on_lane(lane_, id(), 0, event.a);
  }

 private:
  uint64_t entities_;
  uint64_t sum_ = 0;
  LaneId lane_;
};

void world_lane_timers(benchmark::State& state) {
  World world(1);
  world.add<Ticker>(static_cast<uint64_t>(state.range(0)));
  world.start();
  for (auto _ : state) {
    world.step();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(world_lane_timers)->Arg(30'000)->Iterations(10'000'000);

void journal_append(benchmark::State& state) {
  const auto storage = static_cast<JournalStorage>(state.range(0));
  const std::string payload(40, 'x');
  auto journal = std::make_unique<Journal>(storage);
  std::vector<TextId> keys;
  for (int i = 0; i < 1000; ++i) {
    keys.push_back(journal->text("Pod/default/web-" + std::to_string(i)));
  }
  const TextId type = journal->text("store.update");
  int64_t now = 0;
  uint64_t i = 0;
  for (auto _ : state) {
    ++i;
    now += 1000;
    journal->append(SimTime::from_ns(now), i * 3, i * 3 - 2, type, keys[i % 1000], payload);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(journal_append)
    ->ArgName("storage")
    ->Arg(static_cast<int>(JournalStorage::kMemory))
    ->Arg(static_cast<int>(JournalStorage::kCompressed))
    ->Arg(static_cast<int>(JournalStorage::kDigestOnly))
    ->Iterations(5'000'000);

}  // namespace
}  // namespace mainspring::sim
