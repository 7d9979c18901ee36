#include "models/autoscaling/horizontal_controller.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/api/pod_helpers.h"
#include "models/api/types/apps.h"
#include "models/api/types/autoscaling.h"
#include "models/client/reconciler.h"
#include "tests/support/fake_cluster.h"

namespace mainspring::autoscaling {
namespace {

using api::Deployment;
using api::Duration;
using api::HorizontalPodAutoscaler;
using api::Pod;
using mainspring::testing::FakeCluster;
using ::testing::ElementsAre;

class HorizontalTest : public ::testing::Test {
 protected:
  HorizontalTest() {
    fake_.add(std::make_unique<client::ReconcilerLoop>(make_horizontal_controller()));
    fake_.start();
  }
  void deploy(int32_t replicas) {
    api::Ref<Deployment> d = api::make<Deployment>();
    d->metadata.name = "web";
    d->metadata.namespace_ = "default";
    d->spec.replicas = replicas;
    d->status.replicas = replicas;
    d->spec.selector.edit().match_labels.set("app", "web");
    fake_.put(d);
    set_pods(replicas);
  }
  // Pods that have been ready for long; request 200m each.
  void set_pods(int32_t n) {
    for (const auto& p : fake_.all<Pod>()) fake_.remove(*p);
    for (int32_t i = 0; i < n; ++i) {
      api::Ref<Pod> p = api::make<Pod>();
      p->metadata.name = fmt::format("p-{:03}", i);
      p->metadata.namespace_ = "default";
      p->metadata.labels.set("app", "web");
      p->status.phase = "Running";
      p->status.start_time = fake_.now() - Duration::minutes(10);
      api::PodCondition c;
      c.type = "Ready";
      c.status = "True";
      c.last_transition_time = fake_.now() - Duration::minutes(10);
      p->status.conditions = {c};
      api::Container container;
      container.name = "c";
      container.resources.requests.set("cpu", api::Quantity::of("200m"));
      p->spec.containers = {container};
      fake_.put(p);
    }
    api::Ref<Deployment> d = api::clone(*fake_.get<Deployment>("default", "web"));
    d->status.replicas = n;
    fake_.put(d);
  }
  void serve(int64_t each_milli) {
    fake_.metrics.clear();
    for (const auto& p : fake_.all<Pod>()) {
      client::PodMetrics m;
      m.name = p->metadata.name;
      m.timestamp = fake_.now();
      m.window = Duration::seconds(15);
      m.containers = {{"c", each_milli, 0}};
      fake_.metrics.push_back(m);
    }
  }
  void autoscale(int32_t min, int32_t max) {
    api::Ref<HorizontalPodAutoscaler> h = api::make<HorizontalPodAutoscaler>();
    h->metadata.name = "web";
    h->metadata.namespace_ = "default";
    h->spec.scale_target_ref.api_version = "apps/v1";
    h->spec.scale_target_ref.kind = "Deployment";
    h->spec.scale_target_ref.name = "web";
    h->spec.min_replicas = min;
    h->spec.max_replicas = max;
    api::MetricSpec m;
    m.type = "Resource";
    api::ResourceMetricSource r;
    r.name = "cpu";
    r.target.type = "Utilization";
    r.target.average_utilization = 50;
    m.resource = r;
    h->spec.metrics = {m};
    fake_.put(h);
  }
  api::Ref<const HorizontalPodAutoscaler> hpa() {
    return fake_.get<HorizontalPodAutoscaler>("default", "web");
  }
  int32_t replicas() { return *fake_.get<Deployment>("default", "web")->spec.replicas; }
  std::string condition(std::string_view type) {
    const auto* c = api::find_condition(hpa()->status.conditions, type);
    return c ? fmt::format("{} {}", c->status.view(), c->reason.view()) : "none";
  }
  // One turn later, with this use in every pod.
  void turn(int64_t each_milli) {
    serve(each_milli);
    fake_.advance(Duration::seconds(15));
  }

  FakeCluster fake_;
};

// The course of the recording hpa-spike: 2 pods at 100 %, then 375 %, 187 %, 100 % of 200m.
TEST_F(HorizontalTest, GrowsAsRecorded) {
  deploy(2);
  autoscale(2, 20);
  turn(200);
  EXPECT_EQ(replicas(), 4);
  EXPECT_THAT(fake_.take_events(),
              ElementsAre("Normal SuccessfulRescale web: New size: 4; reason: cpu resource "
                          "utilization (percentage of request) above target"));
  EXPECT_EQ(condition("AbleToScale"), "True SucceededRescale");
  EXPECT_EQ(condition("ScalingActive"), "True ValidMetricFound");
  EXPECT_EQ(condition("ScalingLimited"), "False DesiredWithinRange");
  EXPECT_EQ(hpa()->status.current_replicas, 2);
  EXPECT_EQ(hpa()->status.desired_replicas, 4);
  EXPECT_EQ(hpa()->status.current_metrics[0].resource->current.average_utilization, 100);
  EXPECT_EQ(hpa()->status.current_metrics[0].resource->current.average_value->to_string(), "200m");
  set_pods(4);
  turn(750);  // 7.5 * 4 = 30, but at most double
  EXPECT_EQ(replicas(), 8);
  EXPECT_EQ(condition("ScalingLimited"), "True ScaleUpLimit");
  set_pods(8);
  turn(375);  // 187 / 50 * 8 = 29.92 -> 30 of at most 16
  EXPECT_EQ(replicas(), 16);
  set_pods(16);
  turn(200);
  EXPECT_EQ(replicas(), 20);
  EXPECT_EQ(condition("ScalingLimited"), "True TooManyReplicas");
}

TEST_F(HorizontalTest, ShrinksOnlyAfterFiveMinutes) {
  deploy(10);
  autoscale(2, 20);
  turn(100);  // 50 %: as it should be
  EXPECT_EQ(condition("AbleToScale"), "True ReadyForNewScale");
  for (int i = 0; i < 20; ++i) {
    turn(10);
    EXPECT_EQ(replicas(), 10) << i;
  }
  EXPECT_EQ(condition("AbleToScale"), "True ScaleDownStabilized");
  turn(10);
  EXPECT_EQ(replicas(), 2);  // 5 / 50 * 10 = 1, at least 2
  EXPECT_EQ(condition("ScalingLimited"), "True TooFewReplicas");
  EXPECT_THAT(fake_.take_events(), ElementsAre("Normal SuccessfulRescale web: New size: 2; reason: "
                                               "All metrics below target"));
}

// 54 % of 50 %: ratio 1.08, within a tenth.
TEST_F(HorizontalTest, ToleratesSmallDifferences) {
  deploy(4);
  autoscale(1, 10);
  turn(108);
  EXPECT_EQ(replicas(), 4);
  turn(111);  // 55 %: ratio 1.1, still within
  EXPECT_EQ(replicas(), 4);
  turn(112);  // 56 %: 1.12 * 4 = 4.48
  EXPECT_EQ(replicas(), 5);
}

TEST_F(HorizontalTest, SaysWhyThereIsNoMetric) {
  deploy(2);
  autoscale(1, 10);
  serve(200);
  for (const auto& p : fake_.all<Pod>()) {  // too young for their samples
    api::Ref<Pod> copy = api::clone(*p);
    copy->status.start_time = fake_.now();
    copy->status.conditions.edit()[0].last_transition_time = fake_.now();
    fake_.put(copy);
  }
  fake_.advance(Duration::seconds(15));
  EXPECT_THAT(
      fake_.take_events(),
      ElementsAre("Warning FailedGetResourceMetric web: failed to get cpu utilization: did not "
                  "receive metrics for targeted pods (pods might be unready)",
                  "Warning FailedComputeMetricsReplicas web: invalid metrics (1 invalid out of 1), "
                  "first error is: failed to get cpu resource metric value: failed to get cpu "
                  "utilization: did not receive metrics for targeted pods (pods might be "
                  "unready)"));
  EXPECT_EQ(condition("AbleToScale"), "True SucceededGetScale");
  EXPECT_EQ(condition("ScalingActive"), "False FailedGetResourceMetric");
  EXPECT_EQ(condition("ScalingLimited"), "none");
  EXPECT_EQ(hpa()->status.current_metrics.size(), 1u);
  EXPECT_EQ(replicas(), 2);
}

TEST_F(HorizontalTest, BehaviourLimitsTheRate) {
  deploy(10);
  autoscale(1, 100);
  api::Ref<HorizontalPodAutoscaler> h = api::clone(*hpa());
  api::HPAScalingRules up;
  api::HPAScalingPolicy p;
  p.type = "Pods";
  p.value = 3;
  p.period_seconds = 60;
  up.policies = {p};
  h->spec.behavior.edit().scale_up = up;
  fake_.put(h);
  turn(1000);
  EXPECT_EQ(replicas(), 13);
  EXPECT_EQ(condition("ScalingLimited"), "True ScaleUpLimit");
  set_pods(13);
  turn(1000);
  EXPECT_EQ(replicas(), 13);  // three in this minute already
  turn(1000);
  turn(1000);
  turn(1000);
  EXPECT_EQ(replicas(), 16);
}

TEST_F(HorizontalTest, DoesNotTouchAWorkloadAtZeroAndObeysItsLimits) {
  deploy(0);
  autoscale(1, 5);
  turn(100);
  EXPECT_EQ(condition("ScalingActive"), "False ScalingDisabled");
  deploy(8);
  turn(100);
  EXPECT_EQ(replicas(), 5);
  EXPECT_THAT(fake_.take_events(),
              ElementsAre("Normal SuccessfulRescale web: New size: 5; reason: Current number of "
                          "replicas above Spec.MaxReplicas"));
}

TEST_F(HorizontalTest, ReportsAMissingTarget) {
  autoscale(1, 5);
  fake_.advance(Duration::seconds(15));
  EXPECT_THAT(fake_.take_events(),
              ElementsAre("Warning FailedGetScale web: deployments/scale.apps \"web\" not found"));
  EXPECT_EQ(condition("AbleToScale"), "False FailedGetScale");
}

}  // namespace
}  // namespace mainspring::autoscaling
