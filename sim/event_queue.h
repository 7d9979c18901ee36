// The pending events of one World, popped in the exact order (time, sequence).
//
// Structure (measured in docs/adr/0001-event-queue.md): an implicit 4-ary heap of 16-byte keys with
// groups of children on one cache line, payloads in a slab beside it; and FIFO lanes, one per
// constant delay, whose events are already in order when they are pushed (leases, probes, resyncs)
// and which are merged with the heap by the same key.
//
// Costs: schedule and pop O(log n) on the heap, O(log lanes) on a lane. Cancel on the heap O(1)
// amortised: the slot is freed at once, the key is skipped when it comes up, and the heap is
// rebuilt when more than half of its keys are dead. Cancel on a lane O(log n): the event is marked,
// and skipped when its time comes. Nothing is allocated once the vectors have grown to the largest
// number of pending events.
//
// A value: copying copies the pending events, and handles and lanes stay valid in the copy.
// Limits, checked: 2^24 events pending in the heap, 2^39 events in a run, times not negative.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/check.h"
#include "sim/event.h"

namespace mainspring::sim {

class EventQueue {
 public:
  EventQueue();

  // Adds an event at a time; its sequence is the next one.
  EventId schedule(SimTime at, uint64_t cause, const EventPayload& payload);

  // The lane for a delay, made at the first call. Lanes are for a handful of constants of the
  // model, not for a delay per entity. Delay >= 0.
  LaneId lane(Duration delay);
  Duration lane_delay(LaneId lane) const { return lanes_[lane.value].delay; }
  // Adds an event at now + the lane's delay. Requires that `now` never goes back between calls.
  EventId schedule_on_lane(LaneId lane, SimTime now, uint64_t cause, const EventPayload& payload);

  // Removes an event. False if it was executed or cancelled before, or the handle names nothing.
  bool cancel(EventId id);
  bool pending(EventId id) const;

  size_t size() const { return live_; }
  bool empty() const { return live_ == 0; }
  // Sequence that the next event gets.
  uint64_t next_sequence() const { return next_sequence_; }

  // Time of the next event, SimTime::max() when there is none.
  SimTime next_time();
  // Takes the next event if its time is not after `limit`.
  bool pop_until(SimTime limit, Event& out);
  bool pop(Event& out) { return pop_until(SimTime::max(), out); }

  // Every pending event, in no particular order; for tests and inspection.
  std::vector<Event> snapshot() const;

 private:
  static constexpr int kSlotBits = 24;
  static constexpr int kSequenceShift = kSlotBits + 1;
  static constexpr uint64_t kLaneBit = 1;
  static constexpr uint32_t kNoSlot = 0xffffffff;
  // Elements before the root, so that the four children of a node share a cache line.
  static constexpr size_t kPad = 3;
  // Nodes before this index (128 KiB of keys) are in the nearer caches in any case.
  static constexpr size_t kPrefetchFrom = size_t{1} << 13;

  // Ordered by time, then sequence, which is the top of the id.
  struct Key {
    uint64_t at;
    uint64_t id;
  };
  static constexpr Key kNothing{~uint64_t{0}, ~uint64_t{0}};
  struct Slot {
    uint64_t id;  // 0 when free
    uint64_t cause;
    uint64_t a;  // when free: the next free slot
    uint64_t b;
    uint32_t c;
    uint16_t kind;
    ComponentId component;
  };
  // A ring of whole events, in order. A cancelled one has no component.
  struct Lane {
    explicit Lane(Duration d) : delay(d), ring(kSmallRing), first(ring.data()), free(first) {}
    Lane(const Lane& other)
        : delay(other.delay),
          ring(other.ring),
          first(ring.data() + (other.first - other.ring.data())),
          free(ring.data() + (other.free - other.ring.data())),
          last_at(other.last_at) {}
    Lane& operator=(const Lane& other) {
      if (this != &other) *this = Lane(other);
      return *this;
    }
    Lane(Lane&&) = default;
    Lane& operator=(Lane&&) = default;
    ~Lane() = default;

    bool empty() const { return first == free; }
    // Cancelled ones included.
    size_t count() const {
      return static_cast<size_t>(free - first) + (free < first ? ring.size() : 0);
    }
    // The event with that many before it.
    const Event& at(size_t i) const {
      i += static_cast<size_t>(first - ring.data());
      return ring[i < ring.size() ? i : i - ring.size()];
    }

    Duration delay;
    std::vector<Event> ring;
    Event* first;  // in `ring`
    Event* free;   // the place after the last event: one of the ring is always free
    SimTime last_at;
  };
  static constexpr size_t kSmallRing = 16;
  static constexpr size_t kLargeRing = 4096;
  // Memory aligned to cache lines; large blocks ask for huge pages, since a heap is walked at
  // random.
  static void* allocate_lines(size_t bytes);
  static void free_lines(void* p, size_t bytes) noexcept;
  template <class T>
  struct LineAllocator {
    using value_type = T;
    LineAllocator() = default;
    template <class U>
    LineAllocator(const LineAllocator<U>&) {}  // NOLINT
    T* allocate(size_t n) { return static_cast<T*>(allocate_lines(n * sizeof(T))); }
    void deallocate(T* p, size_t n) { free_lines(p, n * sizeof(T)); }
    friend bool operator==(const LineAllocator&, const LineAllocator&) { return true; }
  };

  __extension__ using Wide = unsigned __int128;
  static Wide wide(const Key& k) { return (static_cast<Wide>(k.at) << 64) | k.id; }
  static bool before(const Key& x, const Key& y) { return wide(x) < wide(y); }
  static uint32_t slot_of(uint64_t id) {
    return static_cast<uint32_t>(id >> 1) & ((1u << kSlotBits) - 1);
  }

  uint64_t new_slot(uint64_t cause, const EventPayload& payload);
  void free_slot(uint32_t slot) {
    slots_[slot].id = 0;
    slots_[slot].a = free_;
    free_ = slot;
  }

  uint64_t new_sequence() {
    const uint64_t sequence = next_sequence_++;
    if (sequence >> (64 - kSequenceShift) != 0) [[unlikely]]
      too_many_events();
    return sequence;
  }
  void prefetch_slot(const Key& key) const {
    const Slot* const slot = &slots_[slot_of(key.id)];
    __builtin_prefetch(slot);
    __builtin_prefetch(&slot->component);  // half of the slots lie across two lines
  }

  // Broken limits, out of line to keep the functions below small.
  [[noreturn]] static void too_many_events();
  [[noreturn]] static void no_such_lane();
  [[noreturn]] static void negative_time(SimTime at);
  [[noreturn]] static void lane_time_went_back(SimTime at, SimTime last);

  size_t heap_size() const { return heap_.size() - kPad; }
  void sift_up(size_t hole, Key key);
  void sift_down(size_t hole, Key key);
  void fill_hole();
  void drop_dead_keys();
  // Gives the ring another size, larger than the number of events.
  static void resize(Lane& lane, size_t size, size_t count);
  // Out of line: for a ring that became full.
  static void enlarge(Lane& lane);
  // Out of line: for a ring whose last place was the first event's.
  static void begin_round(Lane& lane);
  void advance_lane(uint32_t lane);
  bool take_first(uint32_t lane, SimTime limit, Event& out);
  static Key lane_key(const Event& event, uint32_t lane) {
    return {static_cast<uint64_t>(event.at.ns()),
            (event.sequence << kSequenceShift) | (uint64_t{lane} << 1) | kLaneBit};
  }
  // Makes `key` the first of a lane, and the least of all firsts the root.
  void set_first(uint32_t lane, Key key);
  // Out of line: for a lane that held nothing.
  void begin_lane(uint32_t lane, const Event& event);
  // Out of line: for a lane that holds nothing any more.
  static void end_lane(Lane& lane);
  // The event that a handle of a lane names, if it is pending.
  const Event* find_on_lane(EventId id) const;
  // Brings a live key to the front of the heap and of the lanes; returns where the next event is.
  enum class Source { kNone, kHeap, kLane };
  Source next_source();
  bool pop_any_until(SimTime limit, Event& out);

  std::vector<Key, LineAllocator<Key>> heap_;
  // After a pop the root is left empty, since handling an event mostly schedules another, which
  // then takes the root's place and sinks: one pass instead of two.
  bool hole_ = false;
  size_t dead_in_heap_ = 0;
  std::vector<Slot, LineAllocator<Slot>> slots_;
  uint32_t free_ = kNoSlot;
  size_t live_ = 0;
  uint64_t next_sequence_ = 1;
  std::vector<Lane> lanes_;
  // The first key of every lane, kNothing for an empty one, and above them the lesser of each pair:
  // a complete binary tree, its root at 1, its leaves from first_leaf_ on.
  std::vector<Key> firsts_;
  uint32_t first_leaf_ = 1;
};

// Inline, since they run for every event, and so that payloads go straight to their places.

inline uint64_t EventQueue::new_slot(uint64_t cause, const EventPayload& payload) {
  uint32_t slot = free_;
  if (slot != kNoSlot) {
    free_ = static_cast<uint32_t>(slots_[slot].a);
  } else {
    slot = static_cast<uint32_t>(slots_.size());
    if (slot >> kSlotBits != 0) [[unlikely]]
      too_many_events();
    slots_.emplace_back();
  }
  const uint64_t id = (new_sequence() << kSequenceShift) | (uint64_t{slot} << 1);
  slots_[slot] = Slot{id, cause, payload.a, payload.b, payload.c, payload.kind, payload.component};
  return id;
}

inline EventId EventQueue::schedule(SimTime at, uint64_t cause, const EventPayload& payload) {
  if (at.ns() < 0) [[unlikely]]
    negative_time(at);
  const uint64_t id = new_slot(cause, payload);
  ++live_;
  const Key key{static_cast<uint64_t>(at.ns()), id};
  if (hole_) {
    hole_ = false;
    sift_down(0, key);
  } else {
    heap_.push_back(key);
    sift_up(heap_size() - 1, key);
  }
  return EventId(id);
}

[[gnu::always_inline]] inline EventId EventQueue::schedule_on_lane(LaneId lane_id, SimTime now,
                                                                   uint64_t cause,
                                                                   const EventPayload& payload) {
  if (lane_id.value >= lanes_.size()) [[unlikely]]
    no_such_lane();
  Lane& lane = lanes_[lane_id.value];
  const SimTime at = now + lane.delay;
  if (at < lane.last_at) [[unlikely]]
    lane_time_went_back(at, lane.last_at);
  lane.last_at = at;
  Event& event = *lane.free;
  event.at = at;
  event.sequence = new_sequence();
  event.cause = cause;
  event.component = payload.component;
  event.kind = payload.kind;
  event.c = payload.c;
  event.a = payload.a;
  event.b = payload.b;
  const EventId id(lane_key(event, lane_id.value).id);
  if (lane.empty()) [[unlikely]]
    begin_lane(lane_id.value, event);
  if (++lane.free == lane.ring.data() + lane.ring.size()) lane.free = lane.ring.data();
  if (lane.free == lane.first) [[unlikely]]
    enlarge(lane);
  ++live_;
  return id;
}

// Without branches on which of two is less: that is anybody's guess.
[[gnu::always_inline]] inline void EventQueue::set_first(uint32_t lane, Key key) {
  Key* const firsts = firsts_.data();
  size_t node = first_leaf_ + lane;
  firsts[node] = key;
  Wide least = wide(key);
  while (node > 1) {
    const Wide sibling = wide(firsts[node ^ 1]);
    least = sibling < least ? sibling : least;
    node /= 2;
    firsts[node] = {static_cast<uint64_t>(least >> 64), static_cast<uint64_t>(least)};
  }
}

// Drops the first event of a lane.
[[gnu::always_inline]] inline void EventQueue::advance_lane(uint32_t lane_index) {
  Lane& lane = lanes_[lane_index];
  if (++lane.first == lane.ring.data() + lane.ring.size()) [[unlikely]]
    begin_round(lane);
  set_first(lane_index, lane.empty() ? kNothing : lane_key(*lane.first, lane_index));
  if (lane.empty()) [[unlikely]]
    end_lane(lane);
}

// Takes the first event of a lane, if it is due.
[[gnu::always_inline]] inline bool EventQueue::take_first(uint32_t lane_index, SimTime limit,
                                                          Event& out) {
  const Event& event = *lanes_[lane_index].first;
  if (event.at > limit) return false;
  out = event;
  --live_;
  advance_lane(lane_index);
  return true;
}

[[gnu::always_inline]] inline bool EventQueue::pop_until(SimTime limit, Event& out) {
  const Key first = firsts_[1];
  if (!hole_ && (heap_size() == 0 || before(first, heap_[kPad])) && first.id != kNothing.id) {
    const uint32_t lane = slot_of(first.id);
    if (lanes_[lane].first->component.valid()) return take_first(lane, limit, out);
  }
  return pop_any_until(limit, out);
}

}  // namespace mainspring::sim
