// What preemption does beside the cycle, request by request, and whom it prefers as a victim.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/api/types/policy.h"
#include "tests/models/scheduler/cluster.h"

namespace mainspring::scheduler {
namespace {

using test::Cluster;
using test::make_node;
using test::make_pod;
using test::on_node;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using Place = SchedulingQueue::Place;

api::Ref<api::Pod> with_priority(int32_t priority, api::Ref<api::Pod> pod) {
  pod->spec.priority = priority;
  return pod;
}
api::Ref<api::Pod> running(std::string_view name, int32_t priority, const char* cpu,
                           std::string_view node = "n") {
  auto p = on_node(with_priority(priority, make_pod(name, cpu, "")), node);
  p->status.phase = "Running";
  p->status.start_time = api::Time::from_unix_seconds(1'600'000'000);
  return p;
}

// The last victim is begun with when the others are done; until it is seen going, the preemptor is
// held back.
TEST(Preemption, DeletesTheLastVictimAlone) {
  Cluster c;
  c.put(make_node("n", "4"));
  for (const char* name : {"v-1", "v-2", "v-3"}) c.put(running(name, 0, "1"));
  c.put(running("other", 100, "1"));
  c.put_object(with_priority(10, make_pod("high", "3", "")));
  EXPECT_THAT(c.asked(), ElementsAre("patch high", "patch v-1", "patch v-2"));
  c.answer_next();
  // Something makes room meanwhile: the preemptor would be tried, but is held back.
  c.ctx.deliver(*c.loop, client::WatchType::kDeleted,
                *c.ctx.cache(api::Kind::Pod).find("default", "other"));
  EXPECT_EQ(c.loop->queue().place("default", "high"), Place::kUnschedulable);
  EXPECT_TRUE(c.loop->queue().find("default", "high")->gated());
  c.answer_before("patch v-3");
  EXPECT_THAT(c.asked(), ElementsAre("patch v-3"));
  c.answer();
  EXPECT_TRUE(c.pod("v-3").metadata.deletion_timestamp);
  EXPECT_FALSE(c.scheduled("high"));
  // Its room comes with the victims' end.
  for (const char* name : {"v-1", "v-2"}) c.remove_pod(name);
  EXPECT_EQ(c.node_of("high"), "n");
}

// The gate opens when the last victim is seen going, before the answer to its deletion is.
TEST(Preemption, LetsThePreemptorGoOnceTheLastVictimIsGone) {
  Cluster c;
  c.put(make_node("n", "1"));
  c.put(running("v", 0, "1"));
  c.put_object(with_priority(10, make_pod("high", "1", "")));
  EXPECT_THAT(c.asked(), ElementsAre("patch high", "patch v"));
  c.answer_before("patch v");
  c.ctx.deliver(*c.loop, client::WatchType::kDeleted,
                *c.ctx.cache(api::Kind::Pod).find("default", "v"));
  EXPECT_THAT(c.asked(), Contains("bind high"));
  c.answer();
  EXPECT_EQ(c.node_of("high"), "n");
}

// A victim that has ended is no longer in sight of the scheduler.
TEST(Preemption, CountsAVictimThatEndedAsGone) {
  Cluster c;
  c.put(make_node("n", "1"));
  c.put(running("v", 0, "1"));
  c.put_object(with_priority(10, make_pod("high", "1", "")));
  c.answer_before("patch v");
  auto ended = running("v", 0, "1");
  ended->status.phase = "Failed";
  c.put_object(ended);
  EXPECT_THAT(c.asked(), Contains("bind high"));
}

// One request after the other, and before any victim's.
TEST(Preemption, TakesBackNominationsOfLowerPriorityFirst) {
  Cluster c;
  c.put(make_node("n", "4"));
  c.put(running("a", 0, "1"));
  c.put(running("b", 0, "1"));
  c.put(running("x", 50, "2"));
  for (const char* name : {"mid-1", "mid-2"}) c.put(with_priority(5, make_pod(name, "1", "")));
  for (const char* name : {"mid-1", "mid-2"}) {
    ASSERT_EQ(c.pod(name).status.nominated_node_name, "n") << name;
  }
  ASSERT_TRUE(c.pod("a").metadata.deletion_timestamp);
  ASSERT_TRUE(c.pod("b").metadata.deletion_timestamp);
  c.put_object(with_priority(100, make_pod("high", "4", "")));
  EXPECT_THAT(c.asked(), ElementsAre("patch high", "patch mid-1"));
  c.answer_before("patch mid-1");
  c.answer_next();
  EXPECT_EQ(c.pod("mid-1").status.nominated_node_name, "");
  EXPECT_THAT(c.asked(), Contains("patch mid-2"));
  EXPECT_THAT(c.asked(), Not(Contains("patch x")));
  c.answer();
  EXPECT_EQ(c.pod("mid-2").status.nominated_node_name, "");
  EXPECT_TRUE(c.pod("x").metadata.deletion_timestamp);
}

// 16 workers take victims by ones up to 15 of them, by twos from 16 on.
TEST(Preemption, SharesVictimsAmongWorkers) {
  Cluster c;
  c.put(make_node("n", "100"));
  for (int i = 0; i < 19; ++i) c.put(running("v-" + std::to_string(10 + i), 0, "1"));
  c.put_object(with_priority(10, make_pod("high", "100", "")));
  // Of 18, every second one.
  std::vector<std::string> expected = {"patch high"};
  for (int i = 0; i < 18; i += 2) expected.push_back("patch v-" + std::to_string(10 + i));
  EXPECT_EQ(c.asked(), expected);
  c.answer();
  for (int i = 0; i < 19; ++i) {
    EXPECT_TRUE(c.pod("v-" + std::to_string(10 + i)).metadata.deletion_timestamp) << i;
  }
}

TEST(Preemption, LeavesTheOtherVictimsAloneWhenOneCannotBeDeleted) {
  Cluster c;
  c.put(make_node("n", "3"));
  for (const char* name : {"v-1", "v-2", "v-3"}) c.put(running(name, 0, "1"));
  c.deletions_fail = true;
  c.put_object(with_priority(10, make_pod("high", "3", "")));
  c.answer_before("delete v-1");
  EXPECT_EQ(c.loop->queue().place("default", "high"), Place::kUnschedulable);
  c.answer_next();
  c.deletions_fail = false;
  c.answer_before("patch high");
  EXPECT_FALSE(api::find_condition(c.pod("v-3").status.conditions, "DisruptionTarget"));
}

// The preemptor tries again when a request failed.
TEST(Preemption, TriesAgainWhenADeletionFails) {
  Cluster c;
  c.put(make_node("n", "1"));
  c.put(running("v", 0, "1"));
  c.deletions_fail = true;
  c.put_object(with_priority(10, make_pod("high", "1", "")));
  c.answer_before("delete v");
  c.deletions_fail = true;
  c.answer_next();
  EXPECT_FALSE(c.pod("v").metadata.deletion_timestamp);
  c.deletions_fail = false;
  c.answer();
  EXPECT_TRUE(c.pod("v").metadata.deletion_timestamp);
}

// Checked with the real scheduler: recorded/regressions.jsonl has this case.
TEST(Preemption, KeepsNoMoreViolatingCandidatesThanWanted) {
  SchedulerOptions options{.cycle_time = api::Duration()};
  options.profiles[0].config.preemption = {.min_candidate_nodes_percentage = 0,
                                           .min_candidate_nodes_absolute = 1};
  Cluster c(options);
  auto budget = api::make<api::PodDisruptionBudget>();
  budget->metadata.name = "b";
  budget->metadata.namespace_ = "default";
  budget->spec.selector.edit().match_labels.set("app", "x");
  c.put(budget);
  for (int i = 0; i < 3; ++i) {
    const std::string n = "n-" + std::to_string(i);
    c.put(make_node(n, "1"));
    auto p = running("p-" + std::to_string(i), 30 - 10 * i, "1", n);
    p->metadata.labels.set("app", "x");
    c.put(p);
  }
  c.put(with_priority(1000, make_pod("high", "1", "")));
  // Not n-2, whose pod is the least important.
  EXPECT_EQ(c.pod("high").status.nominated_node_name, "n-0");
}

}  // namespace
}  // namespace mainspring::scheduler
