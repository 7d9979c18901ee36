#include "sim/event_queue.h"

#include <algorithm>
#include <utility>

namespace mainspring::sim {

EventQueue::EventQueue() : heap_(kPad, Key{0, 0}) {}

uint64_t EventQueue::new_slot(uint64_t cause, const EventPayload& payload, uint64_t lane_bit) {
  uint32_t slot = free_;
  if (slot != kNoSlot) {
    free_ = static_cast<uint32_t>(slots_[slot].a);
  } else {
    slot = static_cast<uint32_t>(slots_.size());
    MAINSPRING_CHECK(slot < (1u << kSlotBits), "more than {} events pending", 1u << kSlotBits);
    slots_.emplace_back();
  }
  const uint64_t sequence = next_sequence_++;
  MAINSPRING_CHECK(sequence < (uint64_t{1} << (64 - kSequenceShift)), "too many events in a run");
  const uint64_t id = (sequence << kSequenceShift) | (uint64_t{slot} << 1) | lane_bit;
  slots_[slot] = Slot{id, cause, payload.a, payload.b, payload.c, payload.kind, payload.component};
  ++live_;
  return id;
}

void EventQueue::sift_up(size_t hole, Key key) {
  Key* const heap = heap_.data() + kPad;
  while (hole > 0) {
    const size_t parent = (hole - 1) / 4;
    if (!before(key, heap[parent])) break;
    heap[hole] = heap[parent];
    hole = parent;
  }
  heap[hole] = key;
}

void EventQueue::sift_down(size_t hole, Key key) {
  Key* const heap = heap_.data() + kPad;
  const size_t size = heap_size();
  for (;;) {
    const size_t child = 4 * hole + 1;
    if (child + 4 <= size) {
      // Two pairs, then the winners: no branch that a random heap would mispredict.
      const size_t x = child + (before(heap[child + 1], heap[child]) ? 1 : 0);
      const size_t y = child + (before(heap[child + 3], heap[child + 2]) ? 3 : 2);
      const size_t least = before(heap[y], heap[x]) ? y : x;
      if (!before(heap[least], key)) break;
      heap[hole] = heap[least];
      hole = least;
      continue;
    }
    if (child >= size) break;
    size_t least = child;
    for (size_t i = child + 1; i < size; ++i) {
      if (before(heap[i], heap[least])) least = i;
    }
    if (!before(heap[least], key)) break;
    heap[hole] = heap[least];
    hole = least;
  }
  heap[hole] = key;
}

void EventQueue::fill_hole() {
  hole_ = false;
  const Key last = heap_.back();
  heap_.pop_back();
  if (heap_size() > 0) sift_down(0, last);
}

EventId EventQueue::schedule(SimTime at, uint64_t cause, const EventPayload& payload) {
  MAINSPRING_CHECK(at.ns() >= 0, "event at a negative time: {} ns", at.ns());
  const uint64_t id = new_slot(cause, payload, 0);
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

LaneId EventQueue::lane(Duration delay) {
  MAINSPRING_CHECK(delay.ns() >= 0, "lane with a negative delay: {} ns", delay.ns());
  for (size_t i = 0; i < lanes_.size(); ++i) {
    if (lanes_[i].delay == delay) return LaneId{static_cast<uint32_t>(i)};
  }
  lanes_.push_back(Lane{delay, {}, 0, 0, 0});
  return LaneId{static_cast<uint32_t>(lanes_.size() - 1)};
}

void EventQueue::grow(Lane& lane) {
  std::vector<Key> ring(std::max<size_t>(16, lane.ring.size() * 2));
  for (size_t i = 0; i < lane.count; ++i) {
    ring[i] = lane.ring[(lane.head + i) & (lane.ring.size() - 1)];
  }
  lane.ring = std::move(ring);
  lane.head = 0;
}

void EventQueue::push_lane_head(LaneHead head) {
  size_t hole = lane_heads_.size();
  lane_heads_.push_back(head);
  while (hole > 0) {
    const size_t parent = (hole - 1) / 2;
    if (!before(head.key, lane_heads_[parent].key)) break;
    lane_heads_[hole] = lane_heads_[parent];
    hole = parent;
  }
  lane_heads_[hole] = head;
}

EventId EventQueue::schedule_on_lane(LaneId lane_id, SimTime now, uint64_t cause,
                                     const EventPayload& payload) {
  MAINSPRING_CHECK(lane_id.value < lanes_.size(), "no such lane");
  Lane& lane = lanes_[lane_id.value];
  const int64_t at_ns = (now + lane.delay).ns();
  const uint64_t at = static_cast<uint64_t>(at_ns);
  MAINSPRING_CHECK(at_ns >= 0 && at >= lane.last_at, "time went back on a lane: {} after {}", at_ns,
                   lane.last_at);
  lane.last_at = at;
  const uint64_t id = new_slot(cause, payload, kLaneBit);
  if (lane.count == lane.ring.size()) grow(lane);
  lane.ring[(lane.head + lane.count) & (lane.ring.size() - 1)] = Key{at, id};
  if (lane.count++ == 0) push_lane_head({Key{at, id}, lane_id.value});
  return EventId(id);
}

// Drops the first key of the lane that is first, and puts that lane where its next key belongs.
void EventQueue::advance_lane() {
  Lane& lane = lanes_[lane_heads_[0].lane];
  lane.head = (lane.head + 1) & (lane.ring.size() - 1);
  LaneHead moved;
  if (--lane.count > 0) {
    moved = {lane.ring[lane.head], lane_heads_[0].lane};
    __builtin_prefetch(&slots_[slot_of(lane.ring[(lane.head + 4) & (lane.ring.size() - 1)].id)]);
  } else {
    moved = lane_heads_.back();
    lane_heads_.pop_back();
    if (lane_heads_.empty()) return;
  }
  const size_t size = lane_heads_.size();
  size_t hole = 0;
  for (;;) {
    size_t child = 2 * hole + 1;
    if (child >= size) break;
    if (child + 1 < size && before(lane_heads_[child + 1].key, lane_heads_[child].key)) ++child;
    if (!before(lane_heads_[child].key, moved.key)) break;
    lane_heads_[hole] = lane_heads_[child];
    hole = child;
  }
  lane_heads_[hole] = moved;
}

bool EventQueue::cancel(EventId id) {
  if (!pending(id)) return false;
  free_slot(slot_of(id.packed()));
  --live_;
  if ((id.packed() & kLaneBit) == 0) {
    ++dead_in_heap_;
    if (dead_in_heap_ > 64 && dead_in_heap_ * 2 > heap_size()) drop_dead_keys();
  }
  return true;
}

void EventQueue::drop_dead_keys() {
  if (hole_) fill_hole();
  const auto dead = [this](const Key& key) { return slots_[slot_of(key.id)].id != key.id; };
  heap_.erase(std::remove_if(heap_.begin() + kPad, heap_.end(), dead), heap_.end());
  dead_in_heap_ = 0;
  if (heap_size() < 2) return;
  for (size_t i = (heap_size() - 2) / 4 + 1; i-- > 0;) sift_down(i, heap_[kPad + i]);
}

EventQueue::Source EventQueue::next_source() {
  for (;;) {
    if (hole_) fill_hole();
    const bool in_heap = heap_size() > 0;
    const bool in_lane = !lane_heads_.empty();
    if (!in_heap && !in_lane) return Source::kNone;
    const bool heap_first = in_heap && (!in_lane || before(heap_[kPad], lane_heads_[0].key));
    const uint64_t id = heap_first ? heap_[kPad].id : lane_heads_[0].key.id;
    if (slots_[slot_of(id)].id == id) return heap_first ? Source::kHeap : Source::kLane;
    if (heap_first) {
      --dead_in_heap_;
      hole_ = true;
    } else {
      advance_lane();
    }
  }
}

SimTime EventQueue::next_time() {
  switch (next_source()) {
    case Source::kHeap:
      return SimTime::from_ns(static_cast<int64_t>(heap_[kPad].at));
    case Source::kLane:
      return SimTime::from_ns(static_cast<int64_t>(lane_heads_[0].key.at));
    case Source::kNone:
      break;
  }
  return SimTime::max();
}

bool EventQueue::pop_until(SimTime limit, Event& out) {
  const Source source = next_source();
  if (source == Source::kNone) return false;
  const Key key = source == Source::kHeap ? heap_[kPad] : lane_heads_[0].key;
  if (limit.ns() < 0 || key.at > static_cast<uint64_t>(limit.ns())) return false;
  const uint32_t slot = slot_of(key.id);
  const Slot& s = slots_[slot];
  out.at = SimTime::from_ns(static_cast<int64_t>(key.at));
  out.sequence = key.id >> kSequenceShift;
  out.cause = s.cause;
  out.component = s.component;
  out.kind = s.kind;
  out.c = s.c;
  out.a = s.a;
  out.b = s.b;
  free_slot(slot);
  --live_;
  if (source == Source::kHeap) {
    hole_ = true;
  } else {
    advance_lane();
  }
  return true;
}

std::vector<Event> EventQueue::snapshot() const {
  std::vector<Event> events;
  const auto add = [&](const Key& key) {
    const Slot& s = slots_[slot_of(key.id)];
    if (s.id != key.id) return;
    events.push_back({SimTime::from_ns(static_cast<int64_t>(key.at)), key.id >> kSequenceShift,
                      s.cause, s.component, s.kind, s.c, s.a, s.b});
  };
  for (size_t i = hole_ ? 1 : 0; i < heap_size(); ++i) add(heap_[kPad + i]);
  for (const Lane& lane : lanes_) {
    for (size_t i = 0; i < lane.count; ++i) {
      add(lane.ring[(lane.head + i) & (lane.ring.size() - 1)]);
    }
  }
  return events;
}

}  // namespace mainspring::sim
