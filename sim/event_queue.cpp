#include "sim/event_queue.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <utility>

namespace mainspring::sim {

namespace {
constexpr size_t kHugePage = size_t{2} << 20;
std::align_val_t alignment_of(size_t bytes) {
  return std::align_val_t(bytes >= kHugePage ? kHugePage : 64);
}
}  // namespace

void* EventQueue::allocate_lines(size_t bytes) {
  void* const p = ::operator new(bytes, alignment_of(bytes));
  // A hint; where it is refused only the speed differs.
  if (bytes >= kHugePage) ::madvise(p, bytes, MADV_HUGEPAGE);
  return p;
}

void EventQueue::free_lines(void* p, size_t bytes) noexcept {
  ::operator delete(p, alignment_of(bytes));
}

EventQueue::EventQueue() : heap_(kPad, Key{0, 0}), firsts_(2, kNothing) {}

void EventQueue::too_many_events() {
  check_failed("too many events in a run, or pending", __FILE_NAME__, __LINE__);
}
void EventQueue::no_such_lane() { check_failed("no such lane", __FILE_NAME__, __LINE__); }
void EventQueue::negative_time(SimTime at) {
  check_failed("at >= 0", __FILE_NAME__, __LINE__, fmt::format("event at {} ns", at.ns()));
}
void EventQueue::lane_time_went_back(SimTime at, SimTime last) {
  check_failed("at >= last on the lane", __FILE_NAME__, __LINE__,
               fmt::format("event at {} ns after one at {} ns", at.ns(), last.ns()));
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
  const Wide wide_key = wide(key);
  for (;;) {
    const size_t child = 4 * hole + 1;
    if (child + 4 > size) break;
    if (child >= kPrefetchFrom) {
      // The sixteen grandchildren lie on four lines; by the time one is needed it is there.
      const Key* const grandchildren = heap + std::min(4 * child + 1, size);
      __builtin_prefetch(grandchildren);
      __builtin_prefetch(grandchildren + 4);
      __builtin_prefetch(grandchildren + 8);
      __builtin_prefetch(grandchildren + 12);
    }
    // Two pairs, then the winners, by conditional moves: which child is least is anybody's guess.
    const Wide c0 = wide(heap[child]), c1 = wide(heap[child + 1]);
    const Wide c2 = wide(heap[child + 2]), c3 = wide(heap[child + 3]);
    const bool right0 = c1 < c0, right1 = c3 < c2;
    const Wide w0 = right0 ? c1 : c0, w1 = right1 ? c3 : c2;
    const size_t i0 = child + (right0 ? 1 : 0), i1 = child + (right1 ? 3 : 2);
    const bool right = w1 < w0;
    const Wide least = right ? w1 : w0;
    if (least >= wide_key) {
      heap[hole] = key;
      return;
    }
    const Key winner{static_cast<uint64_t>(least >> 64), static_cast<uint64_t>(least)};
    heap[hole] = winner;
    // A key that comes up to the root's children is popped a few steps from now.
    if (hole <= 4) prefetch_slot(winner);
    hole = right ? i1 : i0;
  }
  const size_t child = 4 * hole + 1;
  if (child < size) {  // the last node that has children: one to three of them
    size_t least = child;
    for (size_t i = child + 1; i < std::min(child + 4, size); ++i) {
      if (before(heap[i], heap[least])) least = i;
    }
    if (before(heap[least], key)) {
      heap[hole] = heap[least];
      hole = least;
    }
  }
  heap[hole] = key;
}

void EventQueue::fill_hole() {
  hole_ = false;
  const Key last = heap_.back();
  heap_.pop_back();
  if (heap_size() > 0) sift_down(0, last);
}

LaneId EventQueue::lane(Duration delay) {
  MAINSPRING_CHECK(delay.ns() >= 0, "lane with a negative delay: {} ns", delay.ns());
  for (size_t i = 0; i < lanes_.size(); ++i) {
    if (lanes_[i].delay == delay) return LaneId{static_cast<uint32_t>(i)};
  }
  if (lanes_.size() == first_leaf_) {
    // A level more. The leaves move by their number, and the old root becomes a child.
    std::vector<Key> firsts(firsts_.size() * 2, kNothing);
    for (size_t level = 1; level <= first_leaf_; level *= 2) {
      std::copy_n(firsts_.begin() + static_cast<ptrdiff_t>(level), level,
                  firsts.begin() + static_cast<ptrdiff_t>(2 * level));
    }
    firsts[1] = firsts[2];
    firsts_ = std::move(firsts);
    first_leaf_ *= 2;
  }
  lanes_.emplace_back(delay);
  return LaneId{static_cast<uint32_t>(lanes_.size() - 1)};
}

void EventQueue::resize(Lane& lane, size_t size, size_t count) {
  std::vector<Event> ring(size);
  for (size_t i = 0; i < count; ++i) ring[i] = lane.at(i);
  lane.ring = std::move(ring);
  lane.first = lane.ring.data();
  lane.free = lane.first + count;
}

void EventQueue::enlarge(Lane& lane) { resize(lane, lane.ring.size() * 2, lane.ring.size()); }

void EventQueue::begin_round(Lane& lane) {
  lane.first = lane.ring.data();
  // Nor does a lane keep what it needed for a burst of which little is left.
  const size_t count = lane.count();
  if (count < lane.ring.size() / 8 && lane.ring.size() > kLargeRing) {
    resize(lane, lane.ring.size() / 4, count);
  }
}

void EventQueue::begin_lane(uint32_t lane, const Event& event) {
  set_first(lane, lane_key(event, lane));
}

void EventQueue::end_lane(Lane& lane) {
  // A burst that is over does not keep its memory.
  if (lane.ring.size() > kLargeRing) resize(lane, kSmallRing, 0);
}

EventQueue::Source EventQueue::next_source() {
  for (;;) {
    if (hole_) fill_hole();
    const bool in_heap = heap_size() > 0;
    const Key first = firsts_[1];
    if (first.id != kNothing.id && !(in_heap && before(heap_[kPad], first))) {
      const Lane& lane = lanes_[slot_of(first.id)];
      if (lane.first->component.valid()) return Source::kLane;
      advance_lane(slot_of(first.id));
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

bool EventQueue::pop_any_until(SimTime limit, Event& out) {
  const Source source = next_source();
  if (source == Source::kLane) return take_first(slot_of(firsts_[1].id), limit, out);
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

const Event* EventQueue::find_on_lane(EventId id) const {
  const Lane& lane = lanes_[slot_of(id.packed())];
  const uint64_t sequence = id.packed() >> kSequenceShift;
  // Sequences rise along a lane.
  const size_t count = lane.count();
  size_t low = 0;
  size_t high = count;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (lane.at(middle).sequence < sequence) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == count) return nullptr;
  const Event& event = lane.at(low);
  return event.sequence == sequence && event.component.valid() ? &event : nullptr;
}

bool EventQueue::pending(EventId id) const {
  if (!id.valid()) return false;
  if ((id.packed() & kLaneBit) != 0) return find_on_lane(id) != nullptr;
  return slots_[slot_of(id.packed())].id == id.packed();
}

bool EventQueue::cancel(EventId id) {
  if (!id.valid()) return false;
  if ((id.packed() & kLaneBit) != 0) {
    const Event* const found = find_on_lane(id);
    if (found == nullptr) return false;
    Lane& lane = lanes_[slot_of(id.packed())];
    lane.ring[static_cast<size_t>(found - lane.ring.data())].component = ComponentId();
    --live_;
    return true;
  }
  if (slots_[slot_of(id.packed())].id != id.packed()) return false;
  free_slot(slot_of(id.packed()));
  --live_;
  ++dead_in_heap_;
  if (dead_in_heap_ > 64 && dead_in_heap_ * 2 > heap_size()) drop_dead_keys();
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

SimTime EventQueue::next_time() {
  switch (next_source()) {
    case Source::kHeap:
      return SimTime::from_ns(static_cast<int64_t>(heap_[kPad].at));
    case Source::kLane:
      return SimTime::from_ns(static_cast<int64_t>(firsts_[1].at));
    case Source::kNone:
      break;
  }
  return SimTime::max();
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
    for (size_t i = 0; i < lane.count(); ++i) {
      const Event& event = lane.at(i);
      if (event.component.valid()) events.push_back(event);
    }
  }
  return events;
}

}  // namespace mainspring::sim
