#include "models/scheduler/queue.h"

#include <gtest/gtest.h>

#include "tests/models/scheduler/cluster.h"

namespace mainspring::scheduler {
namespace {

using Place = SchedulingQueue::Place;
constexpr PluginId kFit = 3;
constexpr PluginId kOther = 4;

// One plugin that wants to hear of node additions, and of pod deletions with a hint.
struct Host final : QueueHost {
  void pre_enqueue(QueuedPod& pod) override {
    pod.gating_plugin = gate ? kOther : kNoPlugin;
    if (gate) pod.unschedulable_plugins.insert(kOther);
  }
  uint32_t profiles() const override { return 2; }
  std::span<const Interest> interests(uint32_t profile) const override {
    if (profile != wanting) return {};
    return list;
  }
  bool hint(const Interest&, const QueuedPod&, const EventObjects&) const override {
    return answer;
  }
  std::vector<Interest> list = {
      {kFit, {{Resource::kNode, kAdd | kUpdateNodeAllocatable}, EventRegistration::kAlways}},
      {kFit, {{Resource::kAssignedPod, kDelete}, 0}}};
  uint32_t wanting = 0;  // the profile that wants to hear of them
  bool answer = true;
  bool gate = false;
};

class Queue : public ::testing::Test {
 protected:
  SchedulingQueue::Call at(double seconds) {
    return {epoch + api::Duration::nanos(static_cast<int64_t>(seconds * 1e9)), host};
  }
  PodInfoRef pod(const char* name, int32_t priority = 0) {
    auto p = test::make_pod(name);
    p->spec.priority = priority;
    return cluster.make_pod_info(p);
  }
  void fail(double seconds, PluginSet plugins) {
    QueuedPod p = *queue.pop(at(seconds));
    p.unschedulable_plugins = plugins;
    queue.add_unschedulable(at(seconds), p);
  }
  static PluginSet by(PluginId id) {
    PluginSet s;
    s.insert(id);
    return s;
  }
  std::string pop(double seconds) {
    const auto p = queue.pop(at(seconds));
    if (!p) return "";
    queue.done(p->pod->uid());
    return p->pod->pod->metadata.name.str();
  }

  const api::Time epoch = api::Time::from_unix_seconds(1'700'000'000);
  Host host;
  ClusterCache cluster;
  SchedulingQueue queue;
};

TEST_F(Queue, ServesByPriorityThenArrival) {
  queue.start(epoch);
  queue.add(at(0), pod("a"), 0);
  queue.add(at(0), pod("b"), 0);
  queue.add(at(1), pod("urgent", 5), 0);
  EXPECT_EQ(pop(1), "urgent");
  EXPECT_EQ(pop(1), "a");
  EXPECT_EQ(pop(1), "b");
  EXPECT_EQ(pop(1), "");
}

TEST_F(Queue, DoublesTheBackoffUpToItsMaximum) {
  QueuedPod p;
  const std::vector<int64_t> seconds = {0, 1, 2, 4, 8, 10, 10};
  for (size_t i = 0; i < seconds.size(); ++i) {
    p.unschedulable_count = static_cast<int32_t>(i);
    EXPECT_EQ(queue.backoff_duration(p), api::Duration::seconds(seconds[i])) << i;
  }
  // Errors count by themselves.
  p.consecutive_errors = 2;
  EXPECT_EQ(queue.backoff_duration(p), api::Duration::seconds(2));
}

TEST_F(Queue, EndsBackoffsOnTheSecondAfterTheirExpiration) {
  queue.start(epoch);
  queue.add(at(0), pod("a"), 0);
  fail(15.15, {});  // an error: nobody to blame, no event needed
  EXPECT_EQ(queue.place("default", "a"), Place::kErrorBackoff);
  EXPECT_FALSE(queue.pop(at(15.2)));  // errors are never served early
  // Expires at floor(15.15 + 1) = 16 and is over when the clock's second is greater.
  ASSERT_EQ(queue.next_wakeup(), epoch + api::Duration::seconds(17));
  queue.on_time(at(16.9));
  EXPECT_EQ(queue.place("default", "a"), Place::kErrorBackoff);
  queue.on_time(at(17));
  EXPECT_EQ(queue.place("default", "a"), Place::kActive);
}

TEST_F(Queue, WaitsForAnEventThatHelps) {
  queue.start(epoch);
  queue.add(at(0), pod("a"), 0);
  fail(0.5, by(kFit));
  EXPECT_EQ(queue.place("default", "a"), Place::kUnschedulable);
  queue.move_all(at(0.6), {Resource::kNode, kUpdateNodeLabel}, {});  // nobody registered
  EXPECT_EQ(queue.place("default", "a"), Place::kUnschedulable);
  host.answer = false;
  queue.move_all(at(0.7), {Resource::kAssignedPod, kDelete}, {});  // the hint says no
  EXPECT_EQ(queue.place("default", "a"), Place::kUnschedulable);
  host.answer = true;
  queue.move_all(at(0.8), {Resource::kNode, kAdd}, {});
  EXPECT_EQ(queue.place("default", "a"), Place::kBackoff);
  EXPECT_EQ(pop(0.8), "a");  // served early, for want of others
}

TEST_F(Queue, HearsOfEventsThatOnlyALaterProfileWants) {
  host.wanting = 1;
  queue.start(epoch);
  queue.add(at(0), pod("a"), 1);
  fail(0.5, by(kFit));
  queue.move_all(at(2), {Resource::kNode, kAdd}, {});
  EXPECT_EQ(queue.place("default", "a"), Place::kActive);
}

TEST_F(Queue, SkipsTheBackoffThatIsOver) {
  queue.start(epoch);
  queue.add(at(0), pod("a"), 0);
  fail(0.5, by(kFit));
  queue.move_all(at(2), {Resource::kNode, kAdd}, {});
  EXPECT_EQ(queue.place("default", "a"), Place::kActive);
}

TEST_F(Queue, IgnoresEventsOfPluginsThatDidNotReject) {
  queue.start(epoch);
  queue.add(at(0), pod("a"), 0);
  fail(0.5, by(kOther));
  queue.move_all(at(2), {Resource::kNode, kAdd}, {});
  EXPECT_EQ(queue.place("default", "a"), Place::kUnschedulable);
}

TEST_F(Queue, RemembersEventsWhileAPodIsInFlight) {
  queue.start(epoch);
  queue.add(at(0), pod("a"), 0);
  QueuedPod p = *queue.pop(at(0));
  queue.move_all(at(0.1), {Resource::kNode, kAdd}, {});
  p.unschedulable_plugins = by(kFit);
  queue.add_unschedulable(at(0.2), p);
  EXPECT_EQ(queue.place("default", "a"), Place::kBackoff);
}

TEST_F(Queue, CountsNoEventsFromBeforeAPodWasTaken) {
  queue.start(epoch);
  queue.add(at(0), pod("a"), 0);
  queue.add(at(0), pod("b"), 0);
  QueuedPod a = *queue.pop(at(0));
  queue.move_all(at(0.1), {Resource::kNode, kAdd}, {});
  QueuedPod b = *queue.pop(at(0.2));
  // The event is kept for the older pod, and still is none of the younger one's.
  b.unschedulable_plugins = by(kFit);
  queue.add_unschedulable(at(0.3), b);
  EXPECT_EQ(queue.place("default", "b"), Place::kUnschedulable);
  a.unschedulable_plugins = by(kFit);
  queue.add_unschedulable(at(0.4), a);
  EXPECT_EQ(queue.place("default", "a"), Place::kBackoff);
}

TEST_F(Queue, ForgetsEventsOnceThePodIsDone) {
  queue.start(epoch);
  queue.add(at(0), pod("a"), 0);
  QueuedPod a = *queue.pop(at(0));
  queue.move_all(at(0.1), {Resource::kNode, kAdd}, {});
  queue.done(a.pod->uid());
  // It comes back when it is not in flight any more: nobody knows what it missed.
  a.unschedulable_plugins = by(kFit);
  queue.add_unschedulable(at(0.2), a);
  EXPECT_EQ(queue.place("default", "a"), Place::kBackoff);
  EXPECT_EQ(pop(0.3), "a");
  queue.add(at(1), pod("b"), 0);
  QueuedPod b = *queue.pop(at(1));
  b.unschedulable_plugins = by(kFit);
  queue.add_unschedulable(at(1.1), b);
  EXPECT_EQ(queue.place("default", "b"), Place::kUnschedulable);
}

TEST_F(Queue, CountsAnUpdateOfThePodInFlight) {
  queue.start(epoch);
  host.list.push_back({kFit, {{Resource::kPod, kUpdatePodLabel}, EventRegistration::kAlways}});
  const PodInfoRef before = pod("a");
  queue.add(at(0), before, 0);
  QueuedPod a = *queue.pop(at(0));
  auto changed = test::make_pod("a");
  changed->metadata.labels.set("k", "v");
  queue.update(at(0.1), before, cluster.make_pod_info(changed), 0);
  EXPECT_EQ(queue.place("default", "a"), Place::kNone);  // not queued a second time
  a.unschedulable_plugins = by(kFit);
  queue.add_unschedulable(at(0.2), a);
  EXPECT_EQ(queue.place("default", "a"), Place::kBackoff);
}

TEST_F(Queue, ActivatesPodsThatWaitAtOnce) {
  queue.start(epoch);
  queue.add(at(0), pod("a"), 0);
  fail(0.5, by(kFit));
  queue.activate(at(0.6), pod("a"));
  EXPECT_EQ(queue.place("default", "a"), Place::kActive);  // no backoff
  fail(0.7, by(kFit));
  queue.move_all(at(0.8), {Resource::kNode, kAdd}, {});
  EXPECT_EQ(queue.place("default", "a"), Place::kBackoff);
  queue.activate(at(0.9), pod("a"));
  EXPECT_EQ(queue.place("default", "a"), Place::kActive);
}

TEST_F(Queue, ActivatesGatedPodsOnceTheirGateIsOpen) {
  queue.start(epoch);
  host.gate = true;
  queue.add(at(0), pod("a"), 0);
  queue.activate(at(1), pod("a"));
  EXPECT_EQ(queue.place("default", "a"), Place::kUnschedulable);
  host.gate = false;
  queue.activate(at(2), pod("a"));
  EXPECT_EQ(queue.place("default", "a"), Place::kActive);
}

TEST_F(Queue, ActivatesOnlyThePodThatIsMeantAmongThoseInFlight) {
  queue.start(epoch);
  queue.add(at(0), pod("a"), 0);
  queue.add(at(0), pod("b"), 0);
  QueuedPod a = *queue.pop(at(0));
  QueuedPod b = *queue.pop(at(0));
  queue.activate(at(0.1), a.pod);
  for (QueuedPod* p : {&a, &b}) {
    p->unschedulable_plugins = by(kFit);
    queue.add_unschedulable(at(0.2), *p);
  }
  EXPECT_EQ(queue.place("default", "a"), Place::kBackoff);
  EXPECT_EQ(queue.place("default", "b"), Place::kUnschedulable);
}

TEST_F(Queue, GatesPodsOnTheirWayToTheBackoff) {
  queue.start(epoch);
  queue.add(at(0), pod("a"), 0);
  fail(0.5, by(kFit));
  host.gate = true;
  queue.move_all(at(0.6), {Resource::kNode, kAdd}, {});
  EXPECT_EQ(queue.place("default", "a"), Place::kUnschedulable);
  EXPECT_TRUE(queue.find("default", "a")->gated());
  // The gate's plugin did not ask for this event.
  host.gate = false;
  queue.move_all(at(5), {Resource::kNode, kAdd}, {});
  EXPECT_EQ(queue.place("default", "a"), Place::kUnschedulable);
  // Nor does time help a gated pod.
  queue.on_time(at(1000));
  EXPECT_EQ(queue.place("default", "a"), Place::kUnschedulable);
}

TEST_F(Queue, WakesNobodyWhomTheFrameworkRejected) {
  queue.start(epoch);
  queue.add(at(0), pod("a"), 0);
  PluginSet framework;
  framework.insert_framework();
  fail(0.5, framework);
  queue.move_all(at(1), {Resource::kNode, kAdd}, {});
  EXPECT_EQ(queue.place("default", "a"), Place::kUnschedulable);
  queue.on_time(at(330));  // but for the leftover flush
  EXPECT_EQ(queue.place("default", "a"), Place::kActive);
}

TEST_F(Queue, LetsLeftoversTryAgainAfterFiveMinutes) {
  queue.start(epoch);
  queue.add(at(0), pod("a"), 0);
  fail(10, by(kOther));
  // 10 s + 5 min = 310 s; the next flush after it is at 330 s.
  ASSERT_EQ(queue.next_wakeup(), epoch + api::Duration::seconds(330));
  queue.on_time(at(329));
  EXPECT_EQ(queue.place("default", "a"), Place::kUnschedulable);
  queue.on_time(at(330));
  EXPECT_EQ(queue.place("default", "a"), Place::kActive);
  EXPECT_FALSE(queue.next_wakeup());
}

TEST_F(Queue, KeepsGatedPodsOut) {
  queue.start(epoch);
  host.gate = true;
  queue.add(at(0), pod("a"), 0);
  EXPECT_EQ(queue.place("default", "a"), Place::kUnschedulable);
  host.gate = false;
  queue.move_all(at(1), {Resource::kNode, kAdd}, {});  // not an event of the gating plugin
  EXPECT_EQ(queue.place("default", "a"), Place::kUnschedulable);
  host.list.push_back({kOther, {{Resource::kNode, kAdd}, EventRegistration::kAlways}});
  queue.move_all(at(1), {Resource::kNode, kAdd}, {});
  EXPECT_EQ(queue.place("default", "a"), Place::kActive);
}

TEST_F(Queue, MatchesEventsByResourceAndMask) {
  const ClusterEvent pods{Resource::kPod, kAdd | kDelete};
  EXPECT_TRUE(pods.matches({Resource::kAssignedPod, kDelete}));
  EXPECT_FALSE(pods.matches({Resource::kNode, kAdd}));
  // A general update reaches only who registered all of its bits.
  const ClusterEvent labels{Resource::kNode, kAdd | kUpdateNodeLabel};
  EXPECT_FALSE(labels.matches({Resource::kNode, kUpdate}));
  EXPECT_TRUE((ClusterEvent{Resource::kNode, kUpdate}.matches({Resource::kNode, kUpdate})));
  EXPECT_TRUE(labels.matches({Resource::kNode, kUpdateNodeLabel}));
}

TEST_F(Queue, CopiesGoTheirOwnWay) {
  queue.start(epoch);
  for (const char* name : {"a", "b", "c"}) queue.add(at(0), pod(name), 0);
  fail(1, by(kFit));
  SchedulingQueue copy = queue;
  EXPECT_EQ(pop(2), "b");
  std::swap(copy, queue);
  EXPECT_EQ(pop(2), "b");
  EXPECT_EQ(pop(2), "c");
  std::swap(copy, queue);
  EXPECT_EQ(pop(2), "c");
  EXPECT_EQ(queue.unschedulable(), 1u);
}

}  // namespace
}  // namespace mainspring::scheduler
