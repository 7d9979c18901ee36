#include "models/scheduler/framework.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <utility>
#include <vector>

#include "models/scheduler/plugins/balanced_allocation.h"
#include "models/scheduler/plugins/default_preemption.h"
#include "models/scheduler/plugins/image_locality.h"
#include "models/scheduler/plugins/node_resources_fit.h"
#include "sim/random.h"
#include "tests/models/scheduler/cluster.h"

namespace mainspring::scheduler {
namespace {

using test::make_node;
using test::make_pod;
using test::on_node;
using ::testing::ElementsAre;

// Fact sheet §3.1; n * p / 100 with p = 50 - n / 125, at least 5 and at least 100 nodes.
TEST(NodesToFind, FollowsTheAdaptivePercentage) {
  const std::vector<std::pair<size_t, size_t>> table = {
      {99, 99},    {100, 100},  {200, 100},  {250, 120},  {500, 230},   {1000, 420}, {2000, 680},
      {3000, 780}, {4000, 720}, {5000, 500}, {6000, 300}, {10000, 500}, {15000, 750}};
  for (const auto& [n, want] : table) EXPECT_EQ(nodes_to_find(n, 0), want) << n;
  EXPECT_EQ(nodes_to_find(1000, 100), 1000u);
  EXPECT_EQ(nodes_to_find(1000, 30), 300u);
  EXPECT_EQ(nodes_to_find(150, 10), 100u);
}

// The heap of 1.35 is not "the first of the best".
TEST(PickHost, BreaksTiesAsTheHeapDoes) {
  const auto pick = [](std::vector<int64_t> totals) { return pick_host(totals); };
  EXPECT_EQ(pick({7}), 0u);
  EXPECT_EQ(pick({5, 5, 5, 5}), 0u);
  EXPECT_EQ(pick({1, 2, 2}), 1u);
  // i=1: index 3 (2) rises over index 1 (1); i=0: left is that 2, right a 2: left stays.
  EXPECT_EQ(pick({1, 1, 2, 2}), 3u);
  // i=0: right is greater than left.
  EXPECT_EQ(pick({1, 2, 3}), 2u);
  EXPECT_EQ(pick({3, 1, 3, 3}), 0u);
}

// Go's heap.Init over the indexes, greater totals first: the root.
size_t root_of_heap(const std::vector<int64_t>& totals) {
  std::vector<size_t> heap(totals.size());
  std::iota(heap.begin(), heap.end(), size_t{0});
  for (size_t start = heap.size() / 2; start-- > 0;) {
    for (size_t i = start, child; (child = 2 * i + 1) < heap.size(); i = child) {
      if (child + 1 < heap.size() && totals[heap[child + 1]] > totals[heap[child]]) ++child;
      if (totals[heap[child]] <= totals[heap[i]]) break;
      std::swap(heap[i], heap[child]);
    }
  }
  return heap[0];
}

TEST(PickHost, IsTheRootOfTheHeapForRandomTotals) {
  sim::Rng rng = sim::Stream(1, "pick-host").rng(0);
  for (int round = 0; round < 20'000; ++round) {
    const uint64_t values = 1 + rng.below(4);
    std::vector<int64_t> totals(1 + rng.below(40));
    for (int64_t& t : totals) t = static_cast<int64_t>(rng.below(values));
    ASSERT_EQ(pick_host(totals), root_of_heap(totals)) << ::testing::PrintToString(totals);
  }
}

TEST(DefaultNormalize, ScalesAndReverses) {
  std::vector<int64_t> taints = {0, 1, 3};  // 100 - 100 * s / 3
  default_normalize(taints, true);
  EXPECT_THAT(taints, ElementsAre(100, 67, 0));
  std::vector<int64_t> affinity = {80, 55, 0};
  default_normalize(affinity, false);
  EXPECT_THAT(affinity, ElementsAre(100, 68, 0));
  std::vector<int64_t> none = {0, 0};
  default_normalize(none, true);
  EXPECT_THAT(none, ElementsAre(100, 100));
  default_normalize(none, false);
  EXPECT_THAT(none, ElementsAre(100, 100));
}

TEST(RejectionHistogram, CountsReasonsAndSortsThemAsText) {
  NodeStatuses statuses;
  for (uint32_t i = 0; i < 10; ++i) statuses.list.emplace_back(i, Status::unschedulable("x"));
  Status two = Status::unschedulable("y");
  two.add_reason("z");
  statuses.list.emplace_back(10, two);
  statuses.list.emplace_back(11, two);
  // "10 x" sorts before "2 y".
  EXPECT_EQ(rejection_histogram(12, statuses), "0/12 nodes are available: 10 x, 2 y, 2 z.");
  statuses.absent = Status::unresolvable("gone");
  EXPECT_EQ(rejection_histogram(14, statuses), "0/14 nodes are available: 10 x, 2 gone, 2 y, 2 z.");
  EXPECT_EQ(rejection_histogram(3, {}, "no way"), "0/3 nodes are available: no way.");
  EXPECT_EQ(rejection_histogram(3, {}), "0/3 nodes are available:");
}

// Fact sheet §10: scores of one node for one pod, through the plugins themselves.
struct ScoreCase {
  const char* name;
  const char* node_cpu;
  const char* node_memory;
  const char* cpu;  // of the pod; empty: no request
  const char* memory;
  const char* used_cpu;  // of a pod that is there already; empty: none is
  const char* used_memory;
  int64_t least, most, balanced;  // balanced -1: skipped
};

class Scores : public ::testing::TestWithParam<ScoreCase> {};

TEST_P(Scores, MatchTheWorkedVectors) {
  const ScoreCase& c = GetParam();
  test::FakeControl ctx;
  ClusterCache cluster;
  cluster.add_node(make_node("n", c.node_cpu, c.node_memory));
  if (*c.used_cpu) {
    cluster.add_pod(
        cluster.make_pod_info(on_node(make_pod("old", c.used_cpu, c.used_memory), "n")));
  }
  cluster.refresh();
  Nominator nominator;
  Profile profile("p", Registry(), {}, {}, cluster);
  CycleState state;
  const PodInfoRef pod = cluster.make_pod_info(make_pod("p", c.cpu, c.memory));
  Cycle cycle{ctx, cluster, nominator, profile, pod, &state, nullptr};
  const NodeInfo& node = cluster.at(0);
  NodeResourcesFitArgs most;
  most.strategy = ScoringStrategy::kMostAllocated;
  EXPECT_EQ(NodeResourcesFit({}).score(cycle, node), c.least);
  EXPECT_EQ(NodeResourcesFit(most).score(cycle, node), c.most);
  NodeResourcesBalancedAllocation balanced({});
  if (balanced.pre_score(cycle, NodeList(cluster, {})).is_skip()) {
    EXPECT_EQ(c.balanced, -1);
  } else {
    EXPECT_EQ(balanced.score(cycle, node), c.balanced);
  }
}

INSTANTIATE_TEST_SUITE_P(
    FactSheet, Scores,
    ::testing::Values(
        // cpu (4000-100)*100/4000 = 97, memory (32768-500)*100/32768 = 98: mean 97.
        ScoreCase{"empty", "4", "32Gi", "100m", "500Mi", "", "", 97, 1, 99},
        // Best effort counts as 100m and 200Mi: 97 and 99.
        ScoreCase{"best_effort", "4", "32Gi", "", "", "", "", 98, 1, -1},
        // 400m and 2000Mi in all: 90 and 93 (most: 10 and 6).
        ScoreCase{"fourth", "4", "32Gi", "100m", "500Mi", "300m", "1500Mi", 91, 8, 98},
        // 6000 of 10000: 40; 5000 of 20000: 75.
        ScoreCase{"half", "10", "20000Mi", "3000m", "2500Mi", "3000m", "2500Mi", 57, 42, 82}),
    [](const auto& c) { return c.param.name; });

TEST(RequestedToCapacityRatio, DropsZeroScoresAndRounds) {
  NodeResourcesFitArgs args;
  args.strategy = ScoringStrategy::kRequestedToCapacityRatio;
  args.shape = {{0, 0}, {100, 10}};
  const auto score = [&](const char* cpu, const char* memory) {
    test::FakeControl ctx;
    ClusterCache cluster;
    cluster.add_node(make_node("n", "4", "32Gi"));
    cluster.refresh();
    Nominator nominator;
    Profile profile("p", Registry(), {}, {}, cluster);
    CycleState state;
    const PodInfoRef pod = cluster.make_pod_info(make_pod("p", cpu, memory));
    Cycle cycle{ctx, cluster, nominator, profile, pod, &state, nullptr};
    return NodeResourcesFit(args).score(cycle, cluster.at(0));
  };
  // 10 % and 6 % of capacity: scores 10 and 6, mean 8.
  EXPECT_EQ(score("400m", "2000Mi"), 8);
  // 75 and 50 with weights 3 and 1: 275 / 4 = 68.75.
  args.resources = {{"cpu", 3}, {"memory", 1}};
  EXPECT_EQ(score("3000m", "16Gi"), 69);
}

TEST(ImageLocality, ScoresBySizeAndSpread) {
  constexpr int64_t kMi = 1024 * 1024;
  // 250 MiB on 2 of 5 nodes counts 100 MiB: 100 * 77 / 977.
  EXPECT_EQ(ImageLocality::score_of(100 * kMi, 1), 7);
  // 100 MiB + 900 MiB of two containers: 100 * 977 / 1977.
  EXPECT_EQ(ImageLocality::score_of(1000 * kMi, 2), 49);
  EXPECT_EQ(ImageLocality::score_of(40 * kMi / 3, 1), 0);
  EXPECT_EQ(ImageLocality::score_of(5000 * kMi, 1), 100);
}

TEST(DefaultPreemption, LooksForAShareOfTheNodes) {
  const std::vector<std::pair<size_t, size_t>> table = {{5, 5},      {100, 100},  {500, 100},
                                                        {1000, 100}, {2000, 200}, {5000, 500}};
  for (const auto& [n, want] : table) {
    EXPECT_EQ(DefaultPreemption::candidates(n, {}), want) << n;
  }
}

TEST(PluginArgs, SayWhatIsWrong) {
  EXPECT_TRUE(validate(NodeResourcesFitArgs()).empty());
  EXPECT_TRUE(validate(DefaultPreemptionArgs()).empty());
  NodeResourcesFitArgs fit;
  fit.strategy = ScoringStrategy::kRequestedToCapacityRatio;
  EXPECT_EQ(validate(fit).size(), 1u);  // no shape
  fit.shape = {{50, 1}, {40, 11}};      // not increasing, and a score over 10
  EXPECT_EQ(validate(fit).size(), 2u);
  const auto texts = [](const std::vector<api::FieldError>& errors) {
    std::vector<std::string> out;
    for (const api::FieldError& e : errors) out.push_back(e.text());
    return out;
  };
  EXPECT_THAT(texts(validate(DefaultPreemptionArgs{0, 0})),
              ElementsAre("minCandidateNodesPercentage: Invalid value: 0: cannot be zero at the "
                          "same time as minCandidateNodesAbsolute",
                          "minCandidateNodesAbsolute: Invalid value: 0: cannot be zero at the same "
                          "time as minCandidateNodesPercentage"));
  InterPodAffinityArgs affinity;
  affinity.hard_pod_affinity_weight = 101;
  EXPECT_THAT(texts(validate(affinity)),
              ElementsAre("hardPodAffinityWeight: Invalid value: 101: not in valid range [0, "
                          "100]"));
}

TEST(NodeTree, InterleavesZones) {
  NodeTree tree;
  // z1 = [0, 1, 2], z2 = [3], z3 = [4, 5]
  for (const uint32_t n : {0u, 1u, 2u}) tree.add("z1", n);
  tree.add("z2", 3);
  for (const uint32_t n : {4u, 5u}) tree.add("z3", n);
  std::vector<uint32_t> list;
  tree.list(&list);
  EXPECT_THAT(list, ElementsAre(0, 3, 4, 1, 5, 2));
  // A zone that empties and comes back is last.
  tree.remove("z2", 3);
  tree.add("z2", 3);
  tree.list(&list);
  EXPECT_THAT(list, ElementsAre(0, 4, 3, 1, 5, 2));
}

TEST(ClusterCache, KeepsPodsInTheOrderOfKubernetes) {
  ClusterCache cluster;
  cluster.add_node(make_node("n"));
  for (const char* name : {"a", "b", "c"}) {
    cluster.add_pod(cluster.make_pod_info(on_node(make_pod(name), "n")));
  }
  cluster.remove_pod("uid-a");  // swapped with the last
  cluster.refresh();
  const NodeInfo& n = cluster.at(0);
  ASSERT_EQ(n.pods.size(), 2u);
  EXPECT_EQ(n.pods[0].pod->key(), "default/c");
  EXPECT_EQ(n.pods[1].pod->key(), "default/b");
  EXPECT_EQ(n.requested.milli_cpu, 200);
  EXPECT_EQ(n.nonzero_memory, 1000 * int64_t{1024} * 1024);
}

TEST(ClusterCache, HidesNodesThatAreGoneAndKeepsTheirPods) {
  ClusterCache cluster;
  cluster.add_node(make_node("n"));
  cluster.add_pod(cluster.make_pod_info(on_node(make_pod("a"), "n")));
  cluster.add_pod(cluster.make_pod_info(on_node(make_pod("b"), "unknown")));
  cluster.refresh();
  EXPECT_EQ(cluster.node_count(), 1u);
  cluster.remove_node("n");
  cluster.refresh();
  EXPECT_EQ(cluster.node_count(), 0u);
  EXPECT_EQ(cluster.find_node("n"), nullptr);
  cluster.add_node(make_node("n"));
  cluster.refresh();
  ASSERT_EQ(cluster.node_count(), 1u);
  EXPECT_EQ(cluster.at(0).pods.size(), 1u);
}

// An added node makes the list anew; a node that changes its zone does not.
TEST(ClusterCache, LeavesTheListAloneWhenAZoneLabelChanges) {
  ClusterCache cluster;
  cluster.add_node(make_node("a", "4", "8Gi", "z1"));
  cluster.add_node(make_node("b", "4", "8Gi", "z1"));
  cluster.add_node(make_node("c", "4", "8Gi", "z2"));
  const auto names = [&] {
    std::vector<std::string> out;
    cluster.refresh();
    for (const uint32_t slot : cluster.order()) out.push_back(cluster.node(slot).name.str());
    return out;
  };
  EXPECT_THAT(names(), ElementsAre("a", "c", "b"));
  cluster.update_node(make_node("b", "4", "8Gi", "z3"));
  EXPECT_THAT(names(), ElementsAre("a", "c", "b"));
  cluster.update_node(make_node("a", "4", "8Gi", "z3"));
  EXPECT_THAT(names(), ElementsAre("a", "c", "b"));
  cluster.add_node(make_node("d", "4", "8Gi", "z2"));
  // z1 is gone; z2 = [c, d] came before z3 = [b, a].
  EXPECT_THAT(names(), ElementsAre("c", "b", "d", "a"));
}

// Recorded as "node that came and went between snapshots".
TEST(ClusterCache, LeavesTheListAloneWhenANodeComesAndGoesBetweenSnapshots) {
  ClusterCache c;
  c.add_node(test::make_node("a", "4", "32Gi", "z1"));
  c.add_node(test::make_node("b"));
  c.refresh();
  c.update_node(test::make_node("a"));  // to the end of the other zone
  c.add_node(test::make_node("c"));
  c.remove_node("c");
  c.refresh();
  EXPECT_EQ(c.at(0).name, "a");
  EXPECT_EQ(c.at(1).name, "b");
  c.add_node(test::make_node("c"));
  c.refresh();
  EXPECT_EQ(c.at(0).name, "b");
}

TEST(ClusterCache, SharesTemplatesBetweenPodsOfEqualSpec) {
  ClusterCache cluster;
  const PodInfoRef a = cluster.make_pod_info(make_pod("a"));
  const PodInfoRef b = cluster.make_pod_info(make_pod("b"));
  const PodInfoRef c = cluster.make_pod_info(make_pod("c", "200m"));
  EXPECT_EQ(a->t.get(), b->t.get());
  EXPECT_NE(a->t.get(), c->t.get());
}

TEST(ClusterCache, CountsPodsByLabelClass) {
  ClusterCache cluster;
  cluster.add_node(make_node("n"));
  for (const char* name : {"a", "b"}) {
    const auto pod = make_pod(name, "1m", "1Mi", {{"app", "x"}});
    cluster.add_pod(cluster.make_pod_info(on_node(pod, "n")));
  }
  cluster.add_pod(cluster.make_pod_info(on_node(make_pod("c", "1m", "1Mi", {{"app", "y"}}), "n")));
  cluster.refresh();
  ASSERT_EQ(cluster.at(0).classes.size(), 2u);
  EXPECT_EQ(cluster.at(0).classes[0].pods, 2);
  cluster.remove_pod("uid-a");
  cluster.remove_pod("uid-b");
  ASSERT_EQ(cluster.at(0).classes.size(), 1u);
  EXPECT_EQ(cluster.classes()[0].users, 0u);
}

}  // namespace
}  // namespace mainspring::scheduler
