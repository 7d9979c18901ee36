#include "models/scheduler/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/api/node_affinity.h"
#include "tests/models/scheduler/cluster.h"

namespace mainspring::scheduler {
namespace {

using test::Cluster;
using test::make_node;
using test::make_pod;
using test::on_node;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kNoVictims =
    " no new claims to deallocate, preemption: 0/3 nodes are available: 3 No preemption victims "
    "found for incoming pod.";

Cluster three_nodes(const char* cpu = "4") {
  Cluster c;
  for (int i = 0; i < 3; ++i) {
    const std::string n = std::to_string(i);
    c.put(make_node("n-" + n, cpu, "16Gi", "z" + n));
  }
  return c;
}

// A service that selects app=web: its pods are spread by the default constraints.
void add_service(Cluster& c) {
  auto s = api::make<api::Service>();
  s->metadata.name = "web";
  s->metadata.namespace_ = "default";
  s->spec.selector = {{"app", "web"}};
  c.put(s);
}

TEST(Scheduler, BindsAPodAndSaysSo) {
  Cluster c = three_nodes();
  c.put(make_pod("a"));
  EXPECT_EQ(c.node_of("a"), "n-0");
  EXPECT_THAT(c.events, ElementsAre("Scheduled a Successfully assigned default/a to n-0"));
}

// A plugin that has its say only when the node is chosen.
class Gate final : public PluginBase<Gate> {
 public:
  static constexpr std::string_view kName = "Gate";
  static constexpr Points kPoints = kPermit | kPreBind;

  Status permit(Cycle&, const PodInfo& pod, const NodeInfo&, api::Duration*) override {
    return pod.pod->metadata.name == "unwanted" ? Status::unschedulable("not this one") : Status();
  }
  Status pre_bind_pre_flight(client::ControlContext&, const PodInfo&, const api::Str&) override {
    return {};
  }
  Status pre_bind(client::ControlContext&, const PodInfo& pod, const api::Str&,
                  PreBindStep*) override {
    return pod.pod->metadata.name == "unready" ? Status::error("not ready") : Status();
  }
};

TEST(Scheduler, AsksPluginsOnceTheNodeIsChosen) {
  SchedulerOptions options{.cycle_time = api::Duration()};
  options.libraries = {[](Registry& registry) {
    registry.add(Gate::kName, Gate::kPoints,
                 [](const PluginConfig&, ClusterCache&) -> std::unique_ptr<Plugin> {
                   return std::make_unique<Gate>();
                 });
  }};
  for (const Points point : {kPermit, kPreBind}) {
    options.profiles[0].plugins.at(point).enabled = {{"Gate", 0}};
  }
  Cluster c(options);
  c.put(make_node("n"));
  for (const char* name : {"wanted", "unwanted", "unready"}) c.put(make_pod(name));
  EXPECT_TRUE(c.scheduled("wanted"));
  EXPECT_FALSE(c.scheduled("unwanted"));
  EXPECT_THAT(c.why("unwanted"), HasSubstr("not this one"));
  EXPECT_FALSE(c.scheduled("unready"));
  EXPECT_THAT(c.why("unready"), HasSubstr("running PreBind plugin \"Gate\": not ready"));
}

// Holds back pods named "late".
class Curfew final : public PluginBase<Curfew> {
 public:
  static constexpr std::string_view kName = "Curfew";
  static constexpr Points kPoints = kPreEnqueue;

  Status pre_enqueue(const client::ControlContext&, const PodInfo& pod) override {
    return pod.pod->metadata.name == "late" ? Status(Code::kPending, "not now") : Status();
  }
};

TEST(Scheduler, AsksThePluginThatHoldsAPodBackBeforeOthers) {
  SchedulerOptions options{.cycle_time = api::Duration()};
  options.libraries = {[](Registry& registry) {
    registry.add(Curfew::kName, Curfew::kPoints,
                 [](const PluginConfig&, ClusterCache&) -> std::unique_ptr<Plugin> {
                   return std::make_unique<Curfew>();
                 });
  }};
  options.profiles[0].plugins.at(kPreEnqueue).enabled = {{"Curfew", 0}};
  Cluster c(options);
  c.put(make_node("n"));
  auto late = make_pod("late");
  c.put(late);
  const auto gate = [&] {
    return c.loop->profile().plugin_name(c.loop->queue().find("default", "late")->gating_plugin);
  };
  EXPECT_EQ(gate(), "Curfew");
  // Whatever the status, the plugin counts among those that rejected the pod.
  EXPECT_TRUE(c.loop->queue().find("default", "late")->pending_plugins.empty());
  api::PodSchedulingGate closed;
  closed.name = "closed";
  late->spec.scheduling_gates = {closed};
  c.put(late);
  c.put(make_node("n-2"));  // an event that Curfew asked for, as it asked for all
  EXPECT_EQ(gate(), "Curfew");
}

// Recorded timeline pending-then-node: three pods of 3 CPU fill three nodes of 4, the fourth waits.
TEST(Scheduler, ExplainsWhyAPodWaits) {
  Cluster c = three_nodes();
  for (const char* name : {"a", "b", "c", "d"}) c.put(make_pod(name, "3", "128Mi"));
  const std::string why = std::string("0/3 nodes are available: 3 Insufficient cpu.") + kNoVictims;
  EXPECT_EQ(c.why("d"), why);
  EXPECT_THAT(c.events, Contains("FailedScheduling d " + why));
  const auto* condition = api::find_condition(c.pod("d").status.conditions, "PodScheduled");
  EXPECT_EQ(condition->status, "False");
  EXPECT_EQ(condition->reason, "Unschedulable");
  EXPECT_EQ(condition->observed_generation, 1);
  // A deleted pod makes room: the pod in backoff is tried at once, for want of others.
  c.remove_pod("b");
  EXPECT_TRUE(c.scheduled("d"));
}

TEST(Scheduler, RetriesWhenANodeComes) {
  Cluster c;
  c.put(make_pod("a"));
  EXPECT_EQ(c.why("a"), "no nodes available to schedule pods");
  c.put(make_node("n"));
  // No plugin rejected it: the pod sits in the error backoff until that is over.
  EXPECT_FALSE(c.scheduled("a"));
  c.run_for(api::Duration::seconds(3));
  EXPECT_EQ(c.node_of("a"), "n");
}

// Recorded timeline taints-cordon has these reasons; texts of 1.34.2 and later.
TEST(Scheduler, CountsTheReasonsOfEveryNode) {
  Cluster c = three_nodes();
  auto tainted = make_node("n-0", "4", "16Gi", "z0");
  api::Taint taint;
  taint.key = "dedicated";
  taint.value = "x";
  taint.effect = "NoExecute";
  tainted->spec.taints = {taint};
  c.put(tainted);
  auto cordoned = make_node("n-1", "4", "16Gi", "z1");
  cordoned->spec.unschedulable = true;
  c.put(cordoned);
  c.put(make_pod("a", "5"));
  EXPECT_EQ(c.why("a"),
            "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), 1 "
            "node(s) were unschedulable. no new claims to deallocate, preemption: 0/3 nodes are "
            "available: 3 Preemption is not helpful for scheduling.");
  c.put(make_pod("b", "100m"));
  EXPECT_EQ(c.node_of("b"), "n-2");
  // Uncordoned, the node takes a pod that fits it.
  c.put(make_pod("d", "4"));
  EXPECT_FALSE(c.scheduled("d"));
  c.put(make_node("n-1", "4", "16Gi", "z1"));
  EXPECT_EQ(c.node_of("d"), "n-1");
}

TEST(Scheduler, LeavesADaemonPodToItsNode) {
  Cluster c = three_nodes();
  auto pod = make_pod("ds", "5");
  api::NodeSelectorTerm term;
  term.match_fields = {api::requirement_in("metadata.name", {"n-1"})};
  api::NodeAffinity node;
  node.required_during_scheduling_ignored_during_execution = api::selector_of(term);
  api::Affinity affinity;
  affinity.node_affinity = node;
  pod->spec.affinity = affinity;
  c.put(pod);
  EXPECT_EQ(c.why("ds"),
            "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) "
            "[NodeAffinity]. no new claims to deallocate, preemption: 0/3 nodes are available: 3 "
            "Preemption is not helpful for scheduling.");
}

TEST(Scheduler, HoldsGatedPodsWithoutAWord) {
  Cluster c = three_nodes();
  auto pod = make_pod("a");
  api::PodSchedulingGate gate;
  gate.name = "wait";
  pod->spec.scheduling_gates = {gate};
  c.put(pod);
  EXPECT_FALSE(c.scheduled("a"));
  EXPECT_TRUE(c.events.empty());
  c.put(make_pod("a"));
  EXPECT_TRUE(c.scheduled("a"));
}

TEST(Scheduler, IgnoresPodsOfOthersAndSkipsTerminatingOnes) {
  Cluster c = three_nodes();
  auto other = make_pod("other");
  other->spec.scheduler_name = "custom";
  c.put(other);
  auto going = make_pod("going");
  going->metadata.deletion_timestamp = c.ctx.now();
  c.put(going);
  EXPECT_FALSE(c.scheduled("other"));
  EXPECT_FALSE(c.scheduled("going"));
  EXPECT_THAT(c.events,
              ElementsAre("FailedScheduling going skip schedule deleting pod: default/going"));
}

TEST(Scheduler, TriesAgainWhenBindingFails) {
  Cluster c = three_nodes();
  c.bindings_fail = true;
  c.put(make_pod("a"));
  EXPECT_FALSE(c.scheduled("a"));
  const auto* condition = api::find_condition(c.pod("a").status.conditions, "PodScheduled");
  EXPECT_EQ(condition->reason, "SchedulerError");
  EXPECT_EQ(condition->message,
            "running Bind plugin \"DefaultBinder\": Operation cannot be fulfilled");
  c.bindings_fail = false;
  c.run_for(api::Duration::seconds(3));
  EXPECT_TRUE(c.scheduled("a"));
}

// Recorded timeline deploy-create: ten pods of a service on six nodes of three zones.
TEST(Scheduler, SpreadsAServiceOverZonesAndHosts) {
  Cluster c;
  for (int i = 0; i < 6; ++i) {
    c.put(make_node("n-" + std::to_string(i), "4", "16Gi", "z" + std::to_string(i % 3)));
  }
  add_service(c);
  std::map<std::string, int> per_node;
  std::map<char, int> per_zone;
  for (int i = 0; i < 10; ++i) {
    const std::string name = "web-" + std::to_string(i);
    c.put(make_pod(name, "200m", "128Mi", {{"app", "web"}}));
    const std::string node = c.node_of(name);
    ++per_node[node];
    ++per_zone[static_cast<char>('0' + (node[2] - '0') % 3)];
    if (i == 5) {
      EXPECT_EQ(per_node.size(), 6u);
    }
  }
  // As recorded: two pods on four of the nodes, one on the others; zones 4, 3, 3.
  for (const auto& [node, n] : per_node) EXPECT_LE(n, 2) << node;
  for (const auto& [zone, n] : per_zone) EXPECT_THAT(n, ::testing::AnyOf(3, 4)) << zone;
}

// Fact sheet §10: soft constraint over zones that hold 2, 1 and 0 pods; and the system defaults.
TEST(PodTopologySpread, ScoresTheWorkedVectors) {
  Cluster c = three_nodes();
  const api::StrMap labels = {{"app", "web"}};
  c.put(on_node(make_pod("x", "", "", labels), "n-0"));
  c.put(on_node(make_pod("y", "", "", labels), "n-0"));
  c.put(on_node(make_pod("z", "", "", labels), "n-1"));
  auto pod = make_pod("p", "", "", labels);
  api::LabelSelector selector;
  selector.match_labels = labels;
  api::TopologySpreadConstraint constraint;
  constraint.max_skew = 1;
  constraint.topology_key = "topology.kubernetes.io/zone";
  constraint.when_unsatisfiable = "ScheduleAnyway";
  constraint.label_selector = selector;
  pod->spec.topology_spread_constraints = {constraint};
  const auto scores = [](Cluster& cluster, const PodRef& p) {
    std::vector<Profile::PluginScores> detail;
    const Decision d =
        cluster.loop->decide(cluster.ctx, 0, cluster.loop->cluster().make_pod_info(p), &detail);
    std::map<std::string, int64_t> out;
    for (const auto& s : detail) {
      if (cluster.loop->profile().plugin_name(s.plugin) != "PodTopologySpread") continue;
      for (size_t i = 0; i < d.feasible.size(); ++i) {
        const int64_t weighted = s.weighted[i];
        out[cluster.loop->cluster().node(d.feasible[i]).name.str()] = weighted / 2;
      }
    }
    return out;
  };
  // ln(5) * (2, 1, 0) = 3.2, 1.6, 0: 3, 2, 0 after rounding.
  EXPECT_THAT(scores(c, pod),
              ElementsAre(std::pair("n-0", 0), std::pair("n-1", 33), std::pair("n-2", 100)));

  // Hosts (2, 1, 1, 0) in two zones (3, 1): raw 14, 12, 9, 7.
  Cluster d;
  for (int i = 0; i < 4; ++i) {
    d.put(make_node("n-" + std::to_string(i), "4", "16Gi", i < 2 ? "z0" : "z1"));
  }
  add_service(d);
  d.put(on_node(make_pod("x", "", "", labels), "n-0"));
  d.put(on_node(make_pod("y", "", "", labels), "n-0"));
  d.put(on_node(make_pod("z", "", "", labels), "n-1"));
  d.put(on_node(make_pod("w", "", "", labels), "n-2"));
  EXPECT_THAT(scores(d, make_pod("q", "", "", labels)),
              ElementsAre(std::pair("n-0", 50), std::pair("n-1", 64), std::pair("n-2", 85),
                          std::pair("n-3", 100)));
}

TEST(PodTopologySpread, FiltersByHardConstraints) {
  Cluster c = three_nodes();
  c.put(make_node("bare"));  // without the zone label
  const api::StrMap labels = {{"app", "web"}};
  api::LabelSelector selector;
  selector.match_labels = labels;
  api::TopologySpreadConstraint constraint;
  constraint.max_skew = 1;
  constraint.topology_key = "topology.kubernetes.io/zone";
  constraint.when_unsatisfiable = "DoNotSchedule";
  constraint.label_selector = selector;
  const auto spread = [&](const char* name) {
    auto p = make_pod(name, "3", "", labels);
    p->spec.topology_spread_constraints = {constraint};
    c.put(p);
  };
  for (const char* name : {"a", "b", "d"}) spread(name);
  std::set<std::string> nodes = {c.node_of("a"), c.node_of("b"), c.node_of("d")};
  EXPECT_THAT(nodes, ElementsAre("n-0", "n-1", "n-2"));
  c.put(make_node("n-0b", "4", "16Gi", "z0"));
  spread("e");  // zones 1, 1, 1: any may get one, and z0 has room
  EXPECT_EQ(c.node_of("e"), "n-0b");
  c.put(make_node("n-0c", "4", "16Gi", "z0"));
  spread("f");  // zones 2, 1, 1: z0 would be two ahead
  EXPECT_THAT(c.why("f"), HasSubstr("0/6 nodes are available: 1 node(s) didn't match pod topology "
                                    "spread constraints, 1 node(s) didn't match pod topology "
                                    "spread constraints (missing required label), 4 "
                                    "Insufficient cpu."));
}

api::PodAffinityTerm near(const char* key, api::StrMap labels) {
  api::LabelSelector selector;
  selector.match_labels = std::move(labels);
  api::PodAffinityTerm term;
  term.label_selector = selector;
  term.topology_key = key;
  return term;
}

TEST(InterPodAffinity, KeepsPodsTogetherAndApart) {
  Cluster c = three_nodes();
  constexpr const char* kZone = "topology.kubernetes.io/zone";
  const auto put = [&](const char* name, api::StrMap labels, bool together, api::StrMap other) {
    auto p = make_pod(name, "100m", "", std::move(labels));
    api::Affinity affinity;
    if (together) {
      api::PodAffinity a;
      a.required_during_scheduling_ignored_during_execution = {near(kZone, other)};
      affinity.pod_affinity = a;
    } else {
      api::PodAntiAffinity a;
      a.required_during_scheduling_ignored_during_execution = {near(kZone, other)};
      affinity.pod_anti_affinity = a;
    }
    p->spec.affinity = affinity;
    c.put(p);
  };
  // The first of a group may start anywhere; the others follow.
  put("a", {{"app", "db"}}, true, {{"app", "db"}});
  put("b", {{"app", "db"}}, true, {{"app", "db"}});
  EXPECT_EQ(c.node_of("b"), c.node_of("a"));
  // Nobody to be near.
  put("lost", {{"app", "x"}}, true, {{"app", "none"}});
  EXPECT_THAT(c.why("lost"), HasSubstr("3 node(s) didn't match pod affinity rules. no new claims"));
  // One per zone.
  for (const char* name : {"l1", "l2", "l3", "l4"}) {
    put(name, {{"app", "lonely"}}, false, {{"app", "lonely"}});
  }
  EXPECT_THAT((std::set<std::string>{c.node_of("l1"), c.node_of("l2"), c.node_of("l3")}),
              ElementsAre("n-0", "n-1", "n-2"));
  EXPECT_THAT(c.why("l4"), HasSubstr("3 node(s) didn't match pod anti-affinity rules. no new"));
  // The other way round: those that are there do not want it.
  c.put(make_pod("guest", "100m", "", {{"app", "lonely"}}));
  EXPECT_THAT(c.why("guest"),
              HasSubstr("3 node(s) didn't satisfy existing pods anti-affinity rules. no new"));
}

// Fact sheet §10: raw scores -7, 3, 12, 0 come to 0, 52, 100, 36.
TEST(InterPodAffinity, NormalizesNegativeScores) {
  Cluster c;
  for (int i = 0; i < 4; ++i) c.put(make_node("n-" + std::to_string(i)));
  int n = 0;
  const auto there = [&](const char* app, const char* node) {
    c.put(on_node(make_pod("e" + std::to_string(n++), "", "", {{"app", app}}), node));
  };
  there("minus", "n-0");
  there("three", "n-1");
  there("twelve", "n-2");
  auto pod = make_pod("p", "", "");
  const auto weighted = [](int32_t weight, const char* app) {
    api::WeightedPodAffinityTerm w;
    w.weight = weight;
    w.pod_affinity_term = near("kubernetes.io/hostname", {{"app", app}});
    return w;
  };
  api::PodAffinity to;
  to.preferred_during_scheduling_ignored_during_execution = {weighted(3, "three"),
                                                             weighted(12, "twelve")};
  api::PodAntiAffinity from;
  from.preferred_during_scheduling_ignored_during_execution = {weighted(7, "minus")};
  api::Affinity affinity;
  affinity.pod_affinity = to;
  affinity.pod_anti_affinity = from;
  pod->spec.affinity = affinity;
  std::vector<Profile::PluginScores> detail;
  const Decision d = c.loop->decide(c.ctx, 0, c.loop->cluster().make_pod_info(pod), &detail);
  ASSERT_EQ(d.feasible.size(), 4u);
  for (const auto& s : detail) {
    if (c.loop->profile().plugin_name(s.plugin) != "InterPodAffinity") continue;
    EXPECT_THAT(s.weighted, ElementsAre(2 * 0, 2 * 52, 2 * 100, 2 * 36));
  }
}

// Recorded timeline preemption: nominated, victims told and deleted, then bound.
TEST(Preemption, MakesRoomForTheMoreImportant) {
  Cluster c = three_nodes();
  for (const char* name : {"a", "b", "c"}) {
    auto p = make_pod(name, "3", "128Mi");
    p->status.start_time = c.ctx.now();
    c.put(p);
  }
  auto high = make_pod("high", "3", "128Mi");
  high->spec.priority = 1000;
  c.put(high);
  EXPECT_EQ(c.why("high"), "0/3 nodes are available: 3 Insufficient cpu.");
  const std::string node = c.pod("high").status.nominated_node_name.str();
  ASSERT_FALSE(node.empty());
  std::string victim;
  for (const char* name : {"a", "b", "c"}) {
    if (c.node_of(name) == node) victim = name;
  }
  const auto* target = api::find_condition(c.pod(victim).status.conditions, "DisruptionTarget");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->reason, "PreemptionByScheduler");
  EXPECT_EQ(target->message, "default-scheduler: preempting to accommodate a higher priority pod");
  EXPECT_TRUE(c.pod(victim).metadata.deletion_timestamp);
  EXPECT_THAT(c.events,
              Contains("Preempted " + victim + " Preempted by pod uid-high on node " + node));
  // The room is kept for it: a pod of lower priority does not get in.
  c.remove_pod(victim);
  EXPECT_EQ(c.node_of("high"), node);
}

TEST(Preemption, RespectsTheNomination) {
  Cluster c = three_nodes();
  for (const char* name : {"a", "b", "c"}) c.put(make_pod(name, "3", "128Mi"));
  auto high = make_pod("high", "4", "128Mi");
  high->spec.priority = 1000;
  c.put(high);
  c.put(make_pod("low", "3", "128Mi"));
  EXPECT_THAT(c.why("low"), HasSubstr("3 No preemption victims found for incoming pod."));
  auto never = make_pod("polite", "3", "128Mi");
  never->spec.priority = 500;
  never->spec.preemption_policy = "Never";
  c.put(never);
  EXPECT_EQ(c.why("polite"),
            "0/3 nodes are available: 3 Insufficient cpu. no new claims to deallocate, "
            "preemption: not eligible due to preemptionPolicy=Never.");
}

TEST(Preemption, TakesTheVictimThatHurtsLeast) {
  Cluster c = three_nodes();
  int32_t priority = 30;
  for (const char* name : {"a", "b", "c"}) {  // priorities 30, 20, 10
    auto p = make_pod(name, "3", "128Mi");
    p->spec.priority = priority;
    priority -= 10;
    c.put(p);
  }
  const std::string expected = c.node_of("c");
  auto high = make_pod("high", "3", "128Mi");
  high->spec.priority = 1000;
  c.put(high);
  EXPECT_EQ(c.pod("high").status.nominated_node_name, expected);
}

// A copy made in mid-run continues exactly as the original does.
TEST(Scheduler, CopiesContinueIdentically) {
  Cluster c = three_nodes();
  add_service(c);
  for (int i = 0; i < 7; ++i) {
    c.put(make_pod("p" + std::to_string(i), "1500m", "128Mi", {{"app", "web"}}));
  }
  EXPECT_FALSE(c.why("p6").empty());
  const auto go_on = [](Cluster& k) {
    k.remove_pod("p2");
    for (int i = 10; i < 14; ++i) {
      k.put(make_pod("q" + std::to_string(i), "200m", "128Mi", {{"app", "web"}}));
    }
    k.run_for(api::Duration::minutes(6));
    std::string out;
    for (const auto& s : k.ctx.sent) {
      out += std::to_string(static_cast<int>(s.request.verb)) + s.request.name.str() +
             s.request.target.str() + ";";
    }
    return out + std::to_string(k.loop->next_start());
  };
  Cluster copy(c);
  const std::string first = go_on(c);
  EXPECT_EQ(go_on(copy), first);
}

// With more nodes than are wanted, the walk ends one past the last and starts there again.
TEST(Scheduler, WalksOnFromWhereItStopped) {
  SchedulerOptions options{.cycle_time = api::Duration()};
  options.percentage_of_nodes_to_score = 50;
  Cluster c(options);
  for (int i = 0; i < 240; ++i) {
    char name[8];
    snprintf(name, sizeof name, "n-%03d", i);
    c.put(make_node(name));
  }
  c.put(make_pod("a"));  // 120 of 240
  EXPECT_EQ(c.node_of("a"), "n-000");
  EXPECT_EQ(c.loop->next_start(), 120u);
  c.put(make_pod("b"));
  EXPECT_EQ(c.node_of("b"), "n-120");
  EXPECT_EQ(c.loop->next_start(), 0u);
}

TEST(Scheduler, PacesPodsByTheCycleTime) {
  SchedulerOptions options;
  options.cycle_time = api::Duration::millis(2);
  Cluster c(options);
  c.put(make_node("n"));
  c.put(make_pod("a"));
  c.put(make_pod("b"));
  EXPECT_TRUE(c.scheduled("a"));
  EXPECT_FALSE(c.scheduled("b"));
  c.run_for(api::Duration::millis(2));
  EXPECT_TRUE(c.scheduled("b"));
}

}  // namespace
}  // namespace mainspring::scheduler
