#include "sim/event_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <utility>
#include <vector>

#include "sim/random.h"

namespace mainspring::sim {
namespace {

EventPayload payload(uint64_t a) { return {ComponentId{0}, 0, 0, a, 0}; }

std::vector<uint64_t> drain(EventQueue queue) {
  std::vector<uint64_t> order;
  Event event;
  while (queue.pop(event)) order.push_back(event.a);
  return order;
}

TEST(EventQueue, PopsByTimeThenByOrderOfScheduling) {
  EventQueue queue;
  queue.schedule(SimTime::from_ns(20), 0, payload(1));
  queue.schedule(SimTime::from_ns(10), 0, payload(2));
  queue.schedule(SimTime::from_ns(20), 0, payload(3));
  queue.schedule(SimTime::from_ns(10), 0, payload(4));
  EXPECT_EQ(drain(queue), (std::vector<uint64_t>{2, 4, 1, 3}));
}

TEST(EventQueue, KeepsEveryFieldOfAnEvent) {
  EventQueue queue;
  queue.schedule(SimTime::from_ns(5), 77, {ComponentId{3}, 9, 11, 12, 13});
  Event event;
  ASSERT_TRUE(queue.pop(event));
  EXPECT_EQ(event.at.ns(), 5);
  EXPECT_EQ(event.sequence, 1u);
  EXPECT_EQ(event.cause, 77u);
  EXPECT_EQ(event.component, ComponentId{3});
  EXPECT_EQ(event.kind, 9);
  EXPECT_EQ(event.c, 11u);
  EXPECT_EQ(event.a, 12u);
  EXPECT_EQ(event.b, 13u);
  EXPECT_FALSE(queue.pop(event));
}

TEST(EventQueue, PopUntilLeavesLaterEvents) {
  EventQueue queue;
  queue.schedule(SimTime::from_ns(10), 0, payload(1));
  Event event;
  EXPECT_FALSE(queue.pop_until(SimTime::from_ns(9), event));
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_TRUE(queue.pop_until(SimTime::from_ns(10), event));
}

TEST(EventQueue, CancelIsTrueOnceAndNeverHitsALaterEvent) {
  EventQueue queue;
  const EventId first = queue.schedule(SimTime::from_ns(10), 0, payload(1));
  EXPECT_TRUE(queue.pending(first));
  EXPECT_TRUE(queue.cancel(first));
  EXPECT_FALSE(queue.cancel(first));
  // The second event takes the slot of the first.
  const EventId second = queue.schedule(SimTime::from_ns(20), 0, payload(2));
  EXPECT_FALSE(queue.cancel(first));
  EXPECT_TRUE(queue.pending(second));
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_EQ(queue.next_time().ns(), 20);
  EXPECT_EQ(drain(queue), (std::vector<uint64_t>{2}));
  EXPECT_FALSE(queue.cancel(EventId()));
}

TEST(EventQueue, AnExecutedEventCannotBeCancelled) {
  EventQueue queue;
  const EventId id = queue.schedule(SimTime::from_ns(10), 0, payload(1));
  Event event;
  ASSERT_TRUE(queue.pop(event));
  EXPECT_FALSE(queue.cancel(id));
}

TEST(EventQueue, LaneOfADelayIsMadeOnce) {
  EventQueue queue;
  const LaneId ten = queue.lane(Duration::seconds(10));
  EXPECT_EQ(queue.lane(Duration::seconds(10)), ten);
  EXPECT_NE(queue.lane(Duration::seconds(15)), ten);
  EXPECT_EQ(queue.lane_delay(ten), Duration::seconds(10));
}

TEST(EventQueue, LanesAndHeapInterleaveByTimeThenSequence) {
  EventQueue queue;
  const LaneId ten = queue.lane(Duration::nanos(10));
  const LaneId five = queue.lane(Duration::nanos(5));
  queue.schedule(SimTime::from_ns(10), 0, payload(1));
  queue.schedule_on_lane(ten, SimTime::from_ns(0), 0, payload(2));   // at 10, after event 1
  queue.schedule_on_lane(five, SimTime::from_ns(5), 0, payload(3));  // at 10, after event 2
  queue.schedule(SimTime::from_ns(10), 0, payload(4));
  queue.schedule_on_lane(five, SimTime::from_ns(6), 0, payload(5));  // at 11
  queue.schedule(SimTime::from_ns(9), 0, payload(6));
  EXPECT_EQ(drain(queue), (std::vector<uint64_t>{6, 1, 2, 3, 4, 5}));
}

TEST(EventQueue, ALaneKeepsItsOrderWhileABurstComesAndGoes) {
  EventQueue queue;
  const LaneId lane = queue.lane(Duration::nanos(100'000));
  for (uint64_t i = 0; i < 70'000; ++i) {
    queue.schedule_on_lane(lane, SimTime::from_ns(static_cast<int64_t>(i)), 0, payload(i));
  }
  EventQueue fork;
  Event event;
  for (uint64_t i = 0; i < 70'000; ++i) {
    ASSERT_TRUE(queue.pop(event));
    ASSERT_EQ(event.a, i);
    if (i == 60'000) fork = queue;
  }
  EXPECT_FALSE(queue.pop(event));
  EXPECT_EQ(drain(fork).size(), 9'999u);
  queue.schedule_on_lane(lane, SimTime::from_ns(70'000), 0, payload(1));
  EXPECT_EQ(drain(queue), std::vector<uint64_t>{1});
}

TEST(EventQueue, TimeMayNotGoBackOnALane) {
  EventQueue queue;
  const LaneId lane = queue.lane(Duration::nanos(10));
  queue.schedule_on_lane(lane, SimTime::from_ns(5), 0, payload(1));
  EXPECT_THROW(queue.schedule_on_lane(lane, SimTime::from_ns(4), 0, payload(2)), InvariantBroken);
}

TEST(EventQueue, NegativeTimeIsRefused) {
  EventQueue queue;
  EXPECT_THROW(queue.schedule(SimTime::from_ns(-1), 0, payload(1)), InvariantBroken);
}

// Random schedules, lane schedules, cancels and pops, against a sorted map of the same keys.
class EventQueueAgainstModel : public ::testing::TestWithParam<uint64_t> {};

TEST_P(EventQueueAgainstModel, SameOrderSameSizeSameAnswers) {
  Rng rng = Stream(GetParam(), "test.queue").rng(0);
  EventQueue queue;
  std::map<std::pair<int64_t, uint64_t>, uint64_t> model;  // (time, sequence) -> a
  std::vector<std::pair<EventId, std::pair<int64_t, uint64_t>>> handles;
  const LaneId lanes[] = {queue.lane(Duration::nanos(50)), queue.lane(Duration::nanos(0)),
                          queue.lane(Duration::nanos(7))};
  const int64_t delays[] = {50, 0, 7};
  int64_t now = 0;
  // Each seed favours another operation, so that queues of all sizes and many cancels are seen.
  const uint64_t pop_weight = 20 + rng.below(30);
  const uint64_t cancel_weight = rng.below(40);
  for (int step = 0; step < 20'000; ++step) {
    const uint64_t a = rng.next();
    const uint64_t sequence = queue.next_sequence();
    const uint64_t dice = rng.below(100);
    if (dice < pop_weight) {
      Event event;
      if (model.empty()) {
        ASSERT_FALSE(queue.pop(event));
        ASSERT_EQ(queue.next_time(), SimTime::max());
        continue;
      }
      if (rng.below(2) == 0) {
        ASSERT_EQ(queue.next_time().ns(), model.begin()->first.first);
      }
      ASSERT_TRUE(queue.pop(event));
      ASSERT_EQ(std::pair(event.at.ns(), event.sequence), model.begin()->first);
      ASSERT_EQ(event.a, model.begin()->second);
      now = event.at.ns();
      model.erase(model.begin());
    } else if (dice < pop_weight + cancel_weight && !handles.empty()) {
      const size_t i = rng.below(handles.size());
      ASSERT_EQ(queue.pending(handles[i].first), model.count(handles[i].second) == 1);
      ASSERT_EQ(queue.cancel(handles[i].first), model.erase(handles[i].second) == 1);
      handles[i] = handles.back();
      handles.pop_back();
    } else if (rng.below(2) == 0) {
      const size_t lane = rng.below(3);
      const std::pair<int64_t, uint64_t> key(now + delays[lane], sequence);
      handles.emplace_back(
          queue.schedule_on_lane(lanes[lane], SimTime::from_ns(now), 0, payload(a)), key);
      model.emplace(key, a);
    } else {
      const std::pair<int64_t, uint64_t> key(now + rng.between(0, 60), sequence);
      handles.emplace_back(queue.schedule(SimTime::from_ns(key.first), 0, payload(a)), key);
      model.emplace(key, a);
    }
    ASSERT_EQ(queue.size(), model.size());
  }
  ASSERT_EQ(queue.snapshot().size(), model.size());
  // A copy gives the same events as the original.
  EventQueue copy = queue;
  for (const auto& [key, a] : model) {
    for (EventQueue* q : {&queue, &copy}) {
      Event event;
      ASSERT_TRUE(q->pop(event));
      ASSERT_EQ(std::pair(event.at.ns(), event.sequence), key);
      ASSERT_EQ(event.a, a);
    }
  }
  EXPECT_TRUE(queue.empty());
  EXPECT_TRUE(copy.empty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, EventQueueAgainstModel, ::testing::Range<uint64_t>(0, 24));

TEST(EventQueue, ManyCancelledTimersDoNotPileUp) {
  // A timeout far in the future is scheduled and cancelled over and over, as requests do: what is
  // left to look through stays small, so a million rounds take well under a second.
  EventQueue queue;
  for (int i = 0; i < 1'000'000; ++i) {
    const EventId id = queue.schedule(SimTime::from_ns(1'000'000'000 + i), 0, payload(1));
    ASSERT_TRUE(queue.cancel(id));
  }
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_EQ(queue.next_time(), SimTime::max());
}

}  // namespace
}  // namespace mainspring::sim
