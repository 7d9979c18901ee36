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
    Duration delay;
    std::vector<Event> ring;  // its size is a power of two, from kSmallRing
    size_t mask = 0;          // that size minus one
    size_t head = 0;
    size_t count = 0;  // cancelled ones included
    SimTime last_at;

    size_t index(size_t i) const { return (head + i) & mask; }
  };
  static constexpr size_t kSmallRing = 16;
  static constexpr size_t kLargeRing = 4096;
  struct alignas(32) LaneHead {
    Key key;
    uint32_t lane;
  };
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
  // Gives the ring another size, a power of two that holds what is in it.
  static void resize(Lane& lane, size_t size);
  void push_lane_head(Key key, uint32_t lane);
  void advance_lane();
  void remove_first_lane();
  void sink_first_lane();
  static Key lane_key(const Event& event, uint32_t lane) {
    return {static_cast<uint64_t>(event.at.ns()),
            (event.sequence << kSequenceShift) | (uint64_t{lane} << 1) | kLaneBit};
  }
  // The event that a handle of a lane names, if it is pending.
  const Event* find_on_lane(EventId id) const;
  // Brings a live key to the front of the heap and of the lanes; returns where the next event is.
  enum class Source { kNone, kHeap, kLane };
  Source next_source();

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
  std::vector<LaneHead> lane_heads_;  // binary heap over the lanes that hold anything
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
  if (lane.count > lane.mask) [[unlikely]]
    resize(lane, lane.ring.size() * 2);
  Event& event = lane.ring[lane.index(lane.count)];
  event.at = at;
  event.sequence = new_sequence();
  event.cause = cause;
  event.component = payload.component;
  event.kind = payload.kind;
  event.c = payload.c;
  event.a = payload.a;
  event.b = payload.b;
  const Key key = lane_key(event, lane_id.value);
  if (lane.count++ == 0) push_lane_head(key, lane_id.value);
  ++live_;
  return EventId(key.id);
}

// Drops the first event of the lane that is first, and puts that lane where its next one belongs.
inline void EventQueue::advance_lane() {
  LaneHead& first = lane_heads_[0];
  Lane& lane = lanes_[first.lane];
  lane.head = lane.index(1);
  if (--lane.count == 0) {
    remove_first_lane();
    return;
  }
  // A burst that is over does not keep its memory.
  if (lane.count < lane.mask / 8 && lane.mask > kLargeRing) [[unlikely]]
    resize(lane, lane.ring.size() / 4);
  first.key = lane_key(lane.ring[lane.head], first.lane);
  if (lane_heads_.size() > 1) sink_first_lane();
}

inline EventQueue::Source EventQueue::next_source() {
  for (;;) {
    if (hole_) fill_hole();
    const bool in_heap = heap_size() > 0;
    const bool in_lane = !lane_heads_.empty();
    if (in_lane && !(in_heap && before(heap_[kPad], lane_heads_[0].key))) {
      const Lane& lane = lanes_[lane_heads_[0].lane];
      if (lane.ring[lane.head].component.valid()) return Source::kLane;
      advance_lane();
    } else if (in_heap) {
      const uint64_t id = heap_[kPad].id;
      if (slots_[slot_of(id)].id == id) return Source::kHeap;
      --dead_in_heap_;
      hole_ = true;
    } else {
      return Source::kNone;
    }
  }
}

inline bool EventQueue::pop_until(SimTime limit, Event& out) {
  const Source source = next_source();
  if (source == Source::kLane) {
    const Lane& lane = lanes_[lane_heads_[0].lane];
    const Event& event = lane.ring[lane.head];
    if (event.at > limit) return false;
    out = event;
    --live_;
    advance_lane();
    return true;
  }
  if (source == Source::kNone) return false;
  const Key key = heap_[kPad];
  const SimTime at = SimTime::from_ns(static_cast<int64_t>(key.at));
  if (at > limit) return false;
  const uint32_t slot = slot_of(key.id);
  const Slot& s = slots_[slot];
  out.at = at;
  out.sequence = key.id >> kSequenceShift;
  out.cause = s.cause;
  out.component = s.component;
  out.kind = s.kind;
  out.c = s.c;
  out.a = s.a;
  out.b = s.b;
  free_slot(slot);
  --live_;
  hole_ = true;
  return true;
}

}  // namespace mainspring::sim
