#include "scenarios/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/scenarios/journal_builder.h"

namespace mainspring::scenarios {
namespace {

using ::testing::HasSubstr;

sim::Journal small_journal() {
  JournalBuilder b;
  api::Pod pod = make_pod("web-1");
  b.put(1, make_node("n1", "zone-a"));
  b.put(2, pod);
  pod.spec.node_name = "n1";
  b.put(3, pod);
  b.record(3.5, "model.note", "Node/n1", "of no account here");
  set_ready(pod, true, b.wall(4));
  b.put(4, pod);
  b.remove(6, pod);
  return b.journal();
}

std::string node_of(const ClusterState& s) {
  const api::ObjectRef o = s.find("Pod", "default", "web-1");
  return o ? "on:" + api::as<api::Pod>(*o).spec.node_name.str() : "none";
}

TEST(HistoryTest, GivesTheStateAtAnyInstantForwardsAndBackwards) {
  History history(small_journal());
  EXPECT_EQ(node_of(history.state_at(JournalBuilder::at(1.9))), "none");
  EXPECT_EQ(node_of(history.state_at(JournalBuilder::at(2))), "on:");
  EXPECT_EQ(node_of(history.state_at(JournalBuilder::at(5))), "on:n1");
  EXPECT_EQ(node_of(history.final_state()), "none");
  EXPECT_EQ(node_of(history.state_at(JournalBuilder::at(2.5))), "on:");
  EXPECT_EQ(node_of(history.state_at(JournalBuilder::at(3))), "on:n1");
  EXPECT_EQ(history.state_at(JournalBuilder::at(5)).list("Node").size(), 1u);
  EXPECT_TRUE(history.error().empty()) << history.error();
}

TEST(HistoryTest, ReadsAFileAsItReadsMemory) {
  const std::string path = ::testing::TempDir() + "/history_test.journal";
  ASSERT_EQ(small_journal().save(path), "");
  History history(path);
  EXPECT_EQ(node_of(history.state_at(JournalBuilder::at(3))), "on:n1");
  EXPECT_EQ(node_of(history.state_at(JournalBuilder::at(2))), "on:");
  EXPECT_EQ(history.wall(JournalBuilder::at(2)), JournalBuilder::wall(2));
  std::remove(path.c_str());
}

TEST(HistoryTest, SaysWhichRecordCannotBeCarriedOut) {
  JournalBuilder b;
  b.record(1, "store.update", "Pod/default/ghost", "");
  History history(b.journal());
  history.final_state();
  EXPECT_THAT(history.error(), HasSubstr("Pod/default/ghost"));
}

TEST(HistoryTest, FindsTheEpochInTheFirstObjectIfTheHeaderHasNone) {
  // Created at 2.7 s of an epoch of whole seconds: the timestamp says epoch + 2 s.
  api::Pod pod = make_pod("p");
  pod.metadata.creation_timestamp = api::Time::from_unix_seconds(1002);
  EXPECT_EQ(epoch_from_creation(pod, JournalBuilder::at(2.7)).unix_seconds(), 1000);
}

}  // namespace
}  // namespace mainspring::scenarios
