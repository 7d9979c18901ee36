// StatefulSets, DaemonSets, Jobs, budgets, namespaces and quotas on a small fake cluster. Their
// full courses are held by tests/conformance/timelines.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/api/pod_helpers.h"
#include "models/api/types/all.h"
#include "models/client/reconciler.h"
#include "models/controllers/registry.h"
#include "tests/support/fake_cluster.h"

namespace mainspring::controllers {
namespace {

using api::Duration;
using api::Pod;
using mainspring::testing::FakeCluster;
using ::testing::ElementsAre;

class WorkloadTest : public ::testing::Test {
 protected:
  void run_with(std::unique_ptr<client::Reconciler> reconciler) {
    fake_.add(std::make_unique<client::ReconcilerLoop>(std::move(reconciler)));
    fake_.start();
  }
  template <class T>
  static api::Ref<T> named(std::string_view name) {
    api::Ref<T> object = api::make<T>();
    object->metadata.name = name;
    object->metadata.namespace_ = "default";
    return object;
  }
  void set_phase(std::string_view name, std::string_view phase) {
    api::Ref<Pod> p = api::clone(*fake_.get<Pod>("default", name));
    p->status.phase = phase;
    api::PodCondition c;
    c.type = "Ready";
    c.status = phase == "Running" ? "True" : "False";
    c.last_transition_time = fake_.now();
    p->status.conditions = {c};
    fake_.put(p);
    fake_.advance(Duration::millis(1));
  }
  std::vector<std::string> pods() {
    std::vector<std::string> names;
    for (const auto& p : fake_.all<Pod>()) names.push_back(p->metadata.name.str());
    return names;
  }
  // Room for batches and retries.
  void settle() { fake_.advance(Duration::millis(1100)); }

  FakeCluster fake_;
};

TEST_F(WorkloadTest, AStatefulSetCreatesItsPodsOneAfterTheOther) {
  run_with(make_statefulset_controller());
  auto s = named<api::StatefulSet>("db");
  s->spec.replicas = 3;
  s->spec.service_name = "db";
  s->spec.selector.edit().match_labels.set("app", "db");
  s->spec.template_.metadata.labels.set("app", "db");
  s->spec.update_strategy.type = "RollingUpdate";
  fake_.put(s);
  settle();
  EXPECT_THAT(pods(), ElementsAre("db-0"));
  const auto first = fake_.get<Pod>("default", "db-0");
  EXPECT_EQ(first->spec.hostname, "db-0");
  EXPECT_EQ(first->metadata.labels.get("apps.kubernetes.io/pod-index"), "0");
  set_phase("db-0", "Running");
  EXPECT_THAT(pods(), ElementsAre("db-0", "db-1"));
  set_phase("db-1", "Running");
  set_phase("db-2", "Running");
  const auto set = fake_.get<api::StatefulSet>("default", "db");
  EXPECT_EQ(set->status.ready_replicas, 3);
  EXPECT_EQ(set->status.current_revision, set->status.update_revision);
  // Down again from the top.
  auto smaller = api::clone(*set);
  smaller->spec.replicas = 1;
  fake_.take_log();
  fake_.put(smaller);
  settle();
  EXPECT_THAT(pods(), ElementsAre("db-0"));
  EXPECT_THAT(fake_.take_events().back(),
              ::testing::HasSubstr("delete Pod db-1 in StatefulSet db successful"));
}

TEST_F(WorkloadTest, ADaemonSetPutsAPodOnEveryNodeThatTakesIt) {
  run_with(make_daemonset_controller());
  for (int i = 0; i < 3; ++i) {
    auto n = api::make<api::Node>();
    n->metadata.name = fmt::format("n-{}", i);
    if (i == 2) {
      api::Taint t;
      t.key = "dedicated";
      t.effect = "NoSchedule";
      n->spec.taints = {t};
    }
    fake_.put(n);
  }
  auto d = named<api::DaemonSet>("agent");
  d->spec.selector.edit().match_labels.set("app", "agent");
  d->spec.template_.metadata.labels.set("app", "agent");
  d->spec.update_strategy.type = "RollingUpdate";
  fake_.put(d);
  settle();
  EXPECT_EQ(pods().size(), 2u);
  auto status = fake_.get<api::DaemonSet>("default", "agent")->status;
  EXPECT_EQ(status.desired_number_scheduled, 2);
  EXPECT_EQ(status.current_number_scheduled, 2);
  for (const std::string& p : pods()) set_phase(p, "Running");
  EXPECT_EQ(fake_.get<api::DaemonSet>("default", "agent")->status.number_available, 2);
  // A new template: one pod at a time, as maxUnavailable is 1.
  auto next = api::clone(*fake_.get<api::DaemonSet>("default", "agent"));
  next->spec.template_.metadata.annotations.set("v", "2");
  ++next->metadata.generation;
  const std::vector<std::string> before = pods();
  fake_.put(next);
  settle();
  const std::vector<std::string> after = pods();
  int kept = 0;
  for (const std::string& p : after) kept += std::count(before.begin(), before.end(), p) > 0;
  EXPECT_EQ(after.size(), 2u);
  EXPECT_EQ(kept, 1);
}

TEST_F(WorkloadTest, AJobCountsItsPodsThroughTheirFinalizers) {
  run_with(make_job_controller());
  auto j = named<api::Job>("work");
  j->spec.completions = 2;
  j->spec.parallelism = 1;
  j->spec.backoff_limit = 6;
  fake_.put(j);
  fake_.settle();
  ASSERT_EQ(pods().size(), 1u);
  EXPECT_THAT(fake_.all<Pod>()[0]->metadata.finalizers,
              ElementsAre("batch.kubernetes.io/job-tracking"));
  set_phase(pods()[0], "Succeeded");
  settle();
  EXPECT_EQ(fake_.get<api::Job>("default", "work")->status.succeeded, 1);
  ASSERT_EQ(pods().size(), 2u);
  EXPECT_TRUE(fake_.all<Pod>()[0]->metadata.finalizers.empty());
  set_phase(pods()[1], "Succeeded");
  settle();
  const auto done = fake_.get<api::Job>("default", "work");
  EXPECT_EQ(done->status.succeeded, 2);
  EXPECT_TRUE(api::has_condition(done->status.conditions, "Complete", "True"));
  EXPECT_EQ(fake_.take_events().back(), "Normal Completed work: Job completed");
}

TEST_F(WorkloadTest, ABudgetAllowsWhatIsAboveItsMinimum) {
  run_with(make_disruption_controller());
  auto b = named<api::PodDisruptionBudget>("web");
  b->spec.min_available = api::IntOrString(2);
  b->spec.selector.edit().match_labels.set("app", "web");
  fake_.put(b);
  settle();
  EXPECT_EQ(fake_.take_events().front(), "Normal NoPods web: No matching pods found");
  for (int i = 0; i < 3; ++i) {
    auto p = named<Pod>(fmt::format("p-{}", i));
    p->metadata.labels.set("app", "web");
    fake_.put(p);
    set_phase(p->metadata.name, "Running");
  }
  const auto status = fake_.get<api::PodDisruptionBudget>("default", "web")->status;
  EXPECT_EQ(status.current_healthy, 3);
  EXPECT_EQ(status.disruptions_allowed, 1);
  EXPECT_EQ(status.conditions[0].reason, "SufficientPods");
}

TEST_F(WorkloadTest, AQuotaGivesBackWhatEndedPodsHeld) {
  run_with(make_resource_quota_controller());
  auto q = named<api::ResourceQuota>("q");
  q->spec.hard.set("pods", api::Quantity::of("5"));
  q->spec.hard.set("requests.cpu", api::Quantity::of("2"));
  fake_.put(q);
  settle();
  const auto used = [&](std::string_view what) {
    return fake_.get<api::ResourceQuota>("default", "q")->status.used.get(what).to_string();
  };
  EXPECT_EQ(used("pods"), "0");
  auto p = named<Pod>("p");
  api::Container c;
  c.name = "c";
  c.resources.requests.set("cpu", api::Quantity::of("500m"));
  p->spec.containers = {c};
  fake_.put(p);
  fake_.advance(Duration::minutes(5));  // the full count
  EXPECT_EQ(used("pods"), "1");
  EXPECT_EQ(used("requests.cpu"), "500m");
  set_phase("p", "Succeeded");
  settle();
  EXPECT_EQ(used("pods"), "0");
  EXPECT_EQ(used("requests.cpu"), "0");
}

}  // namespace
}  // namespace mainspring::controllers
