// The pending events of one World, popped in the exact order (time, sequence).
//
// Structure (measured in docs/adr/0001-event-queue.md): an implicit 4-ary heap of 16-byte keys with
// groups of children on one cache line, payloads in a slab beside it; and FIFO lanes, one per
// constant delay, whose events are already in order when they are pushed (leases, probes, resyncs)
// and which are merged with the heap by the same key.
//
// Costs: schedule and pop O(log n) on the heap, O(log lanes) on a lane; cancel O(1) amortised:
// the slot is freed at once, the key is skipped when it comes up, and the heap is rebuilt when more
// than half of its keys are dead. Nothing is allocated once the vectors have grown to the largest
// number of pending events. Dead keys of a lane are kept until their time.
//
// A value: copying copies the pending events, and handles and lanes stay valid in the copy.
// Limits, checked: 2^24 events pending at a time, 2^39 events in a run, times not negative.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
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
  bool pending(EventId id) const {
    return id.valid() && slots_[slot_of(id.packed())].id == id.packed();
  }

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
  struct Lane {
    Duration delay;
    std::vector<Key> ring;  // power of two
    size_t head = 0;
    size_t count = 0;
    uint64_t last_at = 0;
  };
  struct LaneHead {
    Key key;
    uint32_t lane;
  };
  template <class T>
  struct LineAllocator {
    using value_type = T;
    LineAllocator() = default;
    template <class U>
    LineAllocator(const LineAllocator<U>&) {}  // NOLINT
    T* allocate(size_t n) {
      return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t(64)));
    }
    void deallocate(T* p, size_t) { ::operator delete(p, std::align_val_t(64)); }
    friend bool operator==(const LineAllocator&, const LineAllocator&) { return true; }
  };

  __extension__ using Wide = unsigned __int128;
  static Wide wide(const Key& k) { return (static_cast<Wide>(k.at) << 64) | k.id; }
  static bool before(const Key& x, const Key& y) { return wide(x) < wide(y); }
  static uint32_t slot_of(uint64_t id) {
    return static_cast<uint32_t>(id >> 1) & ((1u << kSlotBits) - 1);
  }

  uint64_t new_slot(uint64_t cause, const EventPayload& payload, uint64_t lane_bit);
  void free_slot(uint32_t slot) {
    slots_[slot].id = 0;
    slots_[slot].a = free_;
    free_ = slot;
  }

  size_t heap_size() const { return heap_.size() - kPad; }
  void sift_up(size_t hole, Key key);
  void sift_down(size_t hole, Key key);
  void fill_hole();
  void drop_dead_keys();
  void grow(Lane& lane);
  void push_lane_head(LaneHead head);
  void advance_lane();
  // Brings a live key to the front of the heap and of the lanes; returns where the next event is.
  enum class Source { kNone, kHeap, kLane };
  Source next_source();

  std::vector<Key, LineAllocator<Key>> heap_;
  // After a pop the root is left empty, since handling an event mostly schedules another, which
  // then takes the root's place and sinks: one pass instead of two.
  bool hole_ = false;
  size_t dead_in_heap_ = 0;
  std::vector<Slot> slots_;
  uint32_t free_ = kNoSlot;
  size_t live_ = 0;
  uint64_t next_sequence_ = 1;
  std::vector<Lane> lanes_;
  std::vector<LaneHead> lane_heads_;  // binary heap over the lanes that hold anything
};

}  // namespace mainspring::sim
