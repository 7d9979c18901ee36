// Permit and PreBind over time, and what becomes of pods that do not get through.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/models/scheduler/cluster.h"

namespace mainspring::scheduler {
namespace {

using test::Cluster;
using test::make_node;
using test::make_pod;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Place = SchedulingQueue::Place;

// Lets pods whose name begins with "wait" wait for 10 s. "open" lets them in; "shut" sends them
// away.
class Doorman final : public PluginBase<Doorman> {
 public:
  static constexpr std::string_view kName = "Doorman";
  static constexpr Points kPoints = kPermit;

  std::vector<EventRegistration> events() const override {
    return {{{Resource::kNode, kAdd}, EventRegistration::kAlways}};
  }
  Status permit(Cycle& cycle, const PodInfo& pod, const NodeInfo&,
                api::Duration* timeout) override {
    const api::Str& name = pod.pod->metadata.name;
    for (const PodInfoRef& w : cycle.waiting->waiting()) {
      if (name == "open") cycle.waiting->allow(w->uid(), id());
      if (name == "shut") cycle.waiting->reject(w->uid(), id(), "no more guests");
    }
    if (!name.view().starts_with("wait")) return {};
    *timeout = api::Duration::seconds(10);
    return Status(Code::kWait);
  }
};

// Works for two seconds in two steps; "unlucky" fails after the first, "unwelcome" is rejected.
class Mover final : public PluginBase<Mover> {
 public:
  static constexpr std::string_view kName = "Mover";
  static constexpr Points kPoints = kPreBind;

  Status pre_bind_pre_flight(client::ControlContext&, const PodInfo& pod,
                             const api::Str&) override {
    return pod.pod->metadata.name == "light" ? Status::skip() : Status();
  }
  Status pre_bind(client::ControlContext&, const PodInfo& pod, const api::Str&,
                  PreBindStep* step) override {
    const api::Str& name = pod.pod->metadata.name;
    if (steps_++ == 2) return {};
    if (steps_ == 2 && name == "unlucky") return Status::error("the van broke down");
    if (steps_ == 2 && name == "unwelcome") return Status::unschedulable("no parking");
    step->wait = api::Duration::seconds(1);
    return Status(Code::kWait);
  }

 private:
  int steps_ = 0;
};

template <class P>
SchedulerOptions with(Points point) {
  SchedulerOptions options{.cycle_time = api::Duration()};
  options.libraries = {[](Registry& registry) {
    registry.add(P::kName, P::kPoints,
                 [](const PluginConfig&, ClusterCache&) -> std::unique_ptr<Plugin> {
                   return std::make_unique<P>();
                 });
  }};
  options.profiles[0].plugins.at(point).enabled = {{std::string(P::kName), 0}};
  return options;
}

Cluster guarded(const char* cpu = "4") {
  Cluster c(with<Doorman>(kPermit));
  c.put(make_node("n", cpu));
  return c;
}

const api::PodCondition& condition(const Cluster& c, std::string_view pod) {
  return *api::find_condition(c.pod(pod).status.conditions, "PodScheduled");
}

TEST(Permit, RejectsAPodWhosePatienceEnds) {
  Cluster c = guarded();
  c.put(make_pod("wait"));
  EXPECT_FALSE(c.scheduled("wait"));
  // Others shall know where it goes.
  EXPECT_EQ(c.pod("wait").status.nominated_node_name, "n");
  c.run_for(api::Duration::millis(9999));
  EXPECT_EQ(c.why("wait"), "");
  c.run_for(api::Duration::millis(1));
  EXPECT_EQ(c.why("wait"),
            "0/1 nodes are available: 1 rejected due to timeout after waiting 10s at plugin "
            "Doorman.");
  EXPECT_EQ(condition(c, "wait").reason, "Unschedulable");
  EXPECT_THAT(c.events, Contains("FailedScheduling wait " + c.why("wait")));
  // The failure's patch is against the pod of the cycle, which was not nominated: it stays so.
  EXPECT_EQ(c.pod("wait").status.nominated_node_name, "n");
  // The room it gave up does not wake it: an event that the plugin asked for does.
  EXPECT_EQ(c.loop->queue().place("default", "wait"), Place::kUnschedulable);
  c.put(make_node("n-2"));
  EXPECT_EQ(c.loop->queue().place("default", "wait"), Place::kNone);  // waits at the door again
}

TEST(Permit, BindsAPodOnceItIsAllowed) {
  Cluster c = guarded();
  c.put(make_pod("wait"));
  c.put(make_pod("wait-too"));
  c.put(make_pod("open"));
  EXPECT_EQ(c.node_of("wait"), "n");
  EXPECT_EQ(c.node_of("wait-too"), "n");
  // Patience that ends later means nothing any more.
  c.run_for(api::Duration::seconds(30));
  EXPECT_THAT(c.events, Not(Contains(HasSubstr("FailedScheduling"))));
}

TEST(Permit, SendsAPodAwayWithTheReasonGiven) {
  Cluster c = guarded();
  c.put(make_pod("wait"));
  c.put(make_pod("shut"));
  EXPECT_EQ(c.why("wait"), "0/1 nodes are available: 1 no more guests.");
  EXPECT_TRUE(c.scheduled("shut"));
}

// What a pod holds while it waits is free for others once it is rejected.
TEST(Permit, TellsOthersOfTheRoomThatARejectedPodHeld) {
  Cluster c = guarded("1");
  c.put(make_pod("wait", "1"));
  // A pod of equal priority would leave room for the other's nomination.
  auto next = make_pod("next", "1");
  next->spec.priority = 1;
  next->spec.preemption_policy = "Never";
  c.put(next);
  EXPECT_THAT(c.why("next"), HasSubstr("1 Insufficient cpu"));
  c.run_for(api::Duration::seconds(10));
  EXPECT_TRUE(c.scheduled("next"));
}

TEST(Permit, LetsGoAtOnceOfAPodThatIsDeleted) {
  Cluster c = guarded("1");
  c.put(make_pod("wait", "1"));
  c.put(make_pod("next", "1"));
  auto going = make_pod("wait", "1");
  going->metadata.deletion_timestamp = c.ctx.now();
  c.put(going);
  EXPECT_EQ(c.why("wait"), "0/1 nodes are available: 1 removed.");
  EXPECT_TRUE(c.scheduled("next"));
  // No plugin rejected it, so that no event of the cluster makes it try again.
  c.put(make_node("n-2"));
  c.run_for(api::Duration::seconds(30));
  EXPECT_EQ(c.loop->queue().place("default", "wait"), Place::kUnschedulable);
  EXPECT_THAT(c.events, Not(Contains(HasSubstr("skip schedule deleting pod"))));
}

TEST(Permit, RejectsInsteadOfDeletingAVictimThatWaits) {
  Cluster c = guarded("1");
  c.put(make_pod("wait", "1"));
  auto high = make_pod("high", "1");
  high->spec.priority = 10;
  c.put(high);
  EXPECT_EQ(c.why("wait"), "0/1 nodes are available: 1 preempted.");
  EXPECT_FALSE(c.pod("wait").metadata.deletion_timestamp);
  EXPECT_THAT(c.events, Contains("Preempted wait Preempted by pod uid-high on node n"));
  EXPECT_EQ(c.node_of("high"), "n");
}

TEST(PreBind, HoldsTheNodeUntilItIsDone) {
  Cluster c(with<Mover>(kPreBind));
  c.put(make_node("n", "1"));
  c.put(make_pod("heavy", "1"));
  EXPECT_EQ(c.pod("heavy").status.nominated_node_name, "n");
  c.put(make_pod("late", "1"));
  EXPECT_THAT(c.why("late"), HasSubstr("1 Insufficient cpu"));
  c.run_for(api::Duration::seconds(1));
  EXPECT_FALSE(c.scheduled("heavy"));
  c.run_for(api::Duration::seconds(1));
  EXPECT_TRUE(c.scheduled("heavy"));
}

TEST(PreBind, BindsAtOnceWhatItHasNothingToDoFor) {
  Cluster c(with<Mover>(kPreBind));
  c.put(make_node("n"));
  c.put(make_pod("light"));
  EXPECT_TRUE(c.scheduled("light"));
  EXPECT_EQ(c.pod("light").status.nominated_node_name, "");
}

TEST(PreBind, GivesTheNodeBackWhenItFails) {
  Cluster c(with<Mover>(kPreBind));
  c.put(make_node("n", "1"));
  c.put(make_pod("unlucky", "1"));
  auto light = make_pod("light", "1");
  light->spec.priority = 1;
  light->spec.preemption_policy = "Never";
  c.put(light);
  c.run_for(api::Duration::seconds(1));
  EXPECT_EQ(condition(c, "unlucky").reason, "SchedulerError");
  EXPECT_EQ(c.why("unlucky"), "running PreBind plugin \"Mover\": the van broke down");
  EXPECT_EQ(c.loop->queue().place("default", "unlucky"), Place::kErrorBackoff);
  EXPECT_TRUE(c.scheduled("light"));
}

// A rejection counts as one in the condition, but no plugin is noted: the pod retries as after an
// error.
TEST(PreBind, RetriesWhatItRejects) {
  Cluster c(with<Mover>(kPreBind));
  c.put(make_node("n", "1"));
  c.put(make_pod("unwelcome", "1"));
  c.run_for(api::Duration::seconds(1));
  EXPECT_EQ(condition(c, "unwelcome").reason, "Unschedulable");
  EXPECT_EQ(c.why("unwelcome"), "no parking");
  EXPECT_EQ(c.loop->queue().place("default", "unwelcome"), Place::kErrorBackoff);
}

TEST(Bind, SaysNothingOfAPodWhoseNameAnotherHasTaken) {
  Cluster c;
  c.put(make_node("n"));
  c.put_object(make_pod("a"));
  EXPECT_THAT(c.asked(), ElementsAre("bind a"));
  // Deleted and made anew before the binding, of the old one, is answered.
  c.ctx.deliver(*c.loop, client::WatchType::kDeleted,
                *c.ctx.cache(api::Kind::Pod).find("default", "a"));
  auto anew = make_pod("a", "100");
  anew->metadata.uid = "uid-anew";
  c.put_object(anew);
  c.bindings_fail = true;
  c.answer();
  EXPECT_THAT(c.why("a"), HasSubstr("Insufficient cpu"));
  EXPECT_THAT(c.events, Not(Contains(HasSubstr("running Bind plugin"))));
}

}  // namespace
}  // namespace mainspring::scheduler
