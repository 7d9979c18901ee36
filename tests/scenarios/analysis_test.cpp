#include "scenarios/analysis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "models/api/types/autoscaling.h"
#include "models/api/types/discovery.h"
#include "scenarios/report/writers.h"
#include "tests/scenarios/journal_builder.h"

namespace mainspring::scenarios {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

LoadedScenario scenario() {
  LoadedScenario s;
  s.file = "outage.yaml";
  s.spec.metadata.name = "outage";
  s.spec.namespace_ = "default";
  s.horizon = sim::Duration::seconds(200);
  spec::TrafficSpec users;
  users.service = "web";
  s.spec.traffic.push_back(users);
  return s;
}

AnalysisResult analysed(const JournalBuilder& b, const LoadedScenario& s = scenario()) {
  return analyse(s, sim::JournalReader(b.journal()), {.version = "test", .ended_seconds = 200});
}

const Series& series(const AnalysisResult& r, std::string_view metric, const Labels& labels = {}) {
  for (const Series& s : r.series) {
    if (s.metric == metric && s.labels == labels) return s;
  }
  ADD_FAILURE() << "no series " << metric;
  static const Series kNone;
  return kNone;
}

api::EndpointSlice slice(bool ready) {
  api::EndpointSlice s;
  s.metadata.name = "web-x";
  s.metadata.namespace_ = "default";
  s.metadata.labels.set("kubernetes.io/service-name", "web");
  api::Endpoint e;
  e.addresses.push_back("10.0.0.1");
  e.conditions.ready = ready;
  e.node_name = "n1";
  s.endpoints.push_back(e);
  return s;
}

// Node n1 in zone a runs web-1; it loses power at 50 s, is noticed at 95 s, and a replacement on
// n2 is ready at 130 s. Users send 10 requests/s; those between 50 s and 96 s fail.
JournalBuilder outage() {
  JournalBuilder b;
  b.put(0, make_node("n1", "a"));
  b.put(0, make_node("n2", "b"));
  b.put(1, make_deployment("web", 1, 0));
  api::Pod one = make_pod("web-1");
  b.put(1, one);
  one.spec.node_name = "n1";
  b.put(2, one);
  set_ready(one, true, b.wall(6));
  b.put(6, one);
  b.put(6, slice(true));
  b.put(6, make_deployment("web", 1, 1));
  b.traffic(10, 40, "service/default/web", 400, 20);
  b.record(50, "model.note", "Node/n1", "Node n1 lost power: zone a is out.");
  b.record(50, "fault.inject", "Fault/dark", "Zone a went down with 1 nodes.");
  b.put(95, make_node("n1", "a", false));
  set_ready(one, false, b.wall(95));
  b.put(95, one);
  b.put(95, make_deployment("web", 1, 0));
  b.put(96, slice(false));
  b.traffic(50, 46, "service/default/web", 0, 20, 460);
  one.metadata.deletion_timestamp = b.wall(100);
  b.put(100, one);
  api::Pod two = make_pod("web-2");
  b.put(100, two);
  two.spec.node_name = "n2";
  b.put(102, two);
  set_ready(two, true, b.wall(130));
  b.put(130, two);
  b.put(130, make_deployment("web", 1, 1));
  b.traffic(130, 60, "service/default/web", 600, 20);
  return b;
}

TEST(AnalysisTest, SeriesComeFromTheJournal) {
  const AnalysisResult r = analysed(outage());
  const Series& ready = series(r, metric::kReplicasReady, {{"workload", "web"}});
  EXPECT_THAT(ready.t_seconds, ElementsAre(1, 6, 95, 130));
  EXPECT_THAT(ready.value, ElementsAre(0, 1, 0, 1));
  const Series& lost = series(r, metric::kNodesNotReady, {{"zone", "a"}});
  EXPECT_EQ(lost.value.back(), 1);
  EXPECT_EQ(lost.t_seconds.back(), 95);
  // 2 nodes of 4 cores each, one of them not ready from 95 s on.
  EXPECT_EQ(series(r, metric::kCpuAllocatable).value.back(), 4);
  // web-1 still counts while it is deleted: 2 x 500m.
  EXPECT_EQ(series(r, metric::kCpuRequested).value.back(), 1);
  // 400 answers in 40 s; 460 failures in 46 s; before, between and after them nothing.
  const Series& ok = series(r, metric::kRequestsOk, {{"service", "web"}});
  EXPECT_THAT(ok.t_seconds, ElementsAre(0, 10, 50, 96, 130, 190));
  EXPECT_THAT(ok.value, ElementsAre(0, 10, 0, 0, 10, 0));
  EXPECT_EQ(series(r, metric::kRequestsFailed, {{"service", "web"}}).value[2], 10);
  const Series& p99 = series(r, metric::kLatencyP99, {{"service", "web"}});
  EXPECT_EQ(p99.value[1], 20);
  EXPECT_TRUE(std::isnan(p99.value[2]));
}

TEST(AnalysisTest, LanesFollowTheStatesOfNodesAndPods) {
  const RunReport r = analysed(outage()).report;
  ASSERT_EQ(r.nodes.size(), 2u);
  ASSERT_EQ(r.nodes[0].segments.size(), 2u);
  EXPECT_EQ(r.nodes[0].segments[0].end_seconds, 95);
  EXPECT_EQ(r.nodes[0].segments[1].state, NodeState::kUnreachable);
  EXPECT_EQ(r.nodes[0].segments[1].end_seconds, 200);
  ASSERT_EQ(r.pods.size(), 2u);
  EXPECT_EQ(r.pods[0].workload, "web");
  EXPECT_EQ(r.pods[0].zone, "a");
  std::vector<PodState> states;
  for (const PodSegment& s : r.pods[0].segments) states.push_back(s.state);
  EXPECT_THAT(states, ElementsAre(PodState::kPending, PodState::kStarting, PodState::kReady,
                                  PodState::kNotReady, PodState::kTerminating));
}

TEST(AnalysisTest, TheStoryOfAnOutageNamesEveryLinkOfItsChain) {
  const RunReport r = analysed(outage()).report;
  const StoryEntry* story = nullptr;
  for (const StoryEntry& e : r.story) {
    if (e.t_seconds == 50) story = &e;
  }
  ASSERT_NE(story, nullptr);
  EXPECT_EQ(story->severity, Severity::kBad);
  EXPECT_EQ(story->end_seconds, 130);
  EXPECT_THAT(story->text, HasSubstr("1 ready pod of 1 workload ran there"));
  EXPECT_THAT(story->text, HasSubstr("460 requests failed"));
  EXPECT_THAT(story->text, HasSubstr("ready again 1m20s after the fault"));
  std::string chain;
  for (const Reason& reason : story->because) chain += reason.text + "\n";
  EXPECT_THAT(chain, HasSubstr("the last replacement was ready at 2m10s"));
  EXPECT_THAT(chain, HasSubstr("1 replacement made from 1m40s"));
  EXPECT_THAT(chain, HasSubstr("1 pod deleted from 1m40s on, 50s after the fault"));
  EXPECT_THAT(chain, HasSubstr("1 endpoint of 1 service removed from 1m36s on"));
  EXPECT_THAT(chain, HasSubstr("marked the nodes unreachable 45s after the fault"));
  // The last link is the fault's own mark.
  const std::string& last = story->because.back().mark;
  for (const Mark& m : r.marks) {
    if (m.id == last) {
      EXPECT_EQ(m.title, "Zone a went down with 1 nodes");
    }
  }
  EXPECT_FALSE(last.empty());
  // The failures are explained: no entry of their own.
  EXPECT_EQ(r.story.size(), 2u);
}

TEST(AnalysisTest, KeyNumbersAndTables) {
  const RunReport r = analysed(outage()).report;
  EXPECT_EQ(r.focus_service, "web");
  ASSERT_GE(r.numbers.size(), 3u);
  // 1000 of 1460 answered.
  EXPECT_NEAR(r.numbers[0].value, 68.4931506849, 1e-6);
  EXPECT_THAT(r.numbers[0].detail, HasSubstr("460 of 1460 failed, all between 50s and 1m36s"));
  EXPECT_EQ(r.numbers[2].value, 80);
  ASSERT_EQ(r.tables.size(), 3u);
  EXPECT_EQ(r.tables[0].title, "kubectl get deployments");
  EXPECT_THAT(r.tables[0].rows[0], ElementsAre("web", "1/1", "1", "1", "3m19s"));
}

TEST(AnalysisTest, AScalingTellsSizesReasonAndMeasuredLoad) {
  JournalBuilder b;
  LoadedScenario s = scenario();
  spec::TrafficSpec spike = s.spec.traffic[0];
  spike.shape = "Spike";
  spike.rate = "10";
  spike.peak = "50";
  spike.peak_at = "60s";
  spike.peak_for = "60s";
  s.spec.traffic = api::List<spec::TrafficSpec>{spike};
  b.put(0, make_deployment("web", 2, 2));
  api::HorizontalPodAutoscaler hpa;
  hpa.metadata.name = "web";
  hpa.metadata.namespace_ = "default";
  hpa.spec.scale_target_ref.kind = "Deployment";
  hpa.spec.scale_target_ref.name = "web";
  hpa.spec.max_replicas = 6;
  api::MetricSpec metric;
  api::ResourceMetricSource cpu;
  cpu.name = "cpu";
  cpu.target.average_utilization = 70;
  metric.resource = cpu;
  hpa.spec.metrics.push_back(metric);
  b.put(0, hpa);
  b.traffic(0, 60, "service/default/web", 600, 20);
  b.traffic(60, 20, "service/default/web", 1000, 300);
  b.put(75, make_deployment("web", 6, 2));
  api::Event e;
  e.metadata.name = "web.1";
  e.metadata.namespace_ = "default";
  e.reason = "SuccessfulRescale";
  e.message = "New size: 6; reason: cpu resource utilization (percentage of request) above target";
  e.involved_object.namespace_ = "default";
  e.involved_object.name = "web";
  b.put(75, e);
  hpa.status.desired_replicas = 6;
  api::MetricStatus status;
  api::ResourceMetricStatus now;
  now.name = "cpu";
  now.current.average_utilization = 210;
  status.resource = now;
  hpa.status.current_metrics.push_back(status);
  b.put(75.1, hpa);
  b.put(85, make_deployment("web", 6, 6));
  for (int t = 80; t < 180; t += 10) b.traffic(t, 10, "service/default/web", 500, 25);
  const RunReport r = analysed(b, s).report;
  const Mark* scale = nullptr;
  for (const Mark& m : r.marks) {
    if (m.kind == MarkKind::kScale) scale = &m;
  }
  ASSERT_NE(scale, nullptr);
  EXPECT_EQ(scale->title, "web 2 → 6");
  EXPECT_EQ(scale->detail, "cpu at 210 % of its request, target 70 %");
  std::string text, chain;
  for (const StoryEntry& entry : r.story) {
    if (entry.t_seconds != 60) continue;
    text = entry.text;
    for (const Reason& reason : entry.because) chain += reason.text + "\n";
  }
  EXPECT_THAT(text, HasSubstr("rose from 10 to 50 requests/s"));
  EXPECT_THAT(text, HasSubstr("from 20 ms to 300 ms at 1m and was back under 40 ms at 1m20s"));
  EXPECT_THAT(chain, HasSubstr("scaled web from 2 to 6 at 1m15s: cpu at 210 %"));
  EXPECT_THAT(chain, HasSubstr("maxReplicas of 6"));
  EXPECT_THAT(chain, HasSubstr("traffic ×5"));
}

TEST(AnalysisTest, IncidentsOfAKindAreToldOnce) {
  JournalBuilder b;
  b.put(0, make_deployment("web", 2, 0));
  for (const int i : {1, 2}) {
    api::Pod pod = make_pod(i == 1 ? "web-1" : "web-2");
    pod.spec.node_name = "n1";
    b.put(i, pod);
    api::ContainerStatus s;
    s.name = "app";
    s.restart_count = 4;
    api::ContainerStateWaiting w;
    w.reason = "CrashLoopBackOff";
    s.state.waiting = w;
    api::ContainerStateTerminated t;
    t.reason = "OOMKilled";
    t.finished_at = b.wall(9);
    s.last_state.terminated = t;
    pod.status.container_statuses.push_back(s);
    b.put(10 + i, pod);
    pod.status.start_time = b.wall(12);  // another change of the same state
    b.put(20 + i, pod);
  }
  const RunReport r = analysed(b).report;
  std::vector<std::string> titles;
  for (const Mark& m : r.marks) titles.push_back(m.title);
  EXPECT_THAT(titles, ElementsAre("web OOM-killed (2 times)", "web in a crash loop (2 times)"));
  ASSERT_EQ(r.pods.size(), 2u);
  EXPECT_EQ(r.pods[0].restarts, 4);
  EXPECT_EQ(r.pods[0].segments.back().state, PodState::kCrashLoop);
}

// A pod that waits from `t` on for the reason that the scheduler gives.
void put_waiting(JournalBuilder& b, double t, std::string_view name, std::string_view app,
                 std::string_view reason) {
  api::Pod pod = make_pod(name, app);
  pod.metadata.uid = fmt::format("uid-{}", name);
  pod.spec.priority = app == "vip" ? 1000 : 10;
  b.put(t, pod);
  api::PodCondition c;
  c.type = "PodScheduled";
  c.status = "False";
  c.reason = "Unschedulable";
  c.message = reason;
  pod.status.conditions.push_back(c);
  b.put(t, pod);
}

TEST(AnalysisTest, OneMoreNodeIsProposedOnlyWherePodsWaitedForRoom) {
  const auto hints = [](std::string_view reason) {
    JournalBuilder b;
    b.put(0, make_deployment("web", 1, 0));
    put_waiting(b, 1, "web-1", "web", reason);
    std::string all;
    for (const Hint& h : analysed(b).report.hints) all += h.text + "\n";
    return all;
  };
  const auto for_room = HasSubstr("Pods waited for room");
  EXPECT_THAT(hints("0/3 nodes are available: 3 Insufficient cpu."), for_room);
  EXPECT_THAT(hints("0/3 nodes are available: 3 Too many pods."), for_room);
  EXPECT_THAT(hints("0/3 nodes are available: persistentvolumeclaim \"d\" not found."),
              ::testing::Not(for_room));
  EXPECT_THAT(hints("Scheduling is blocked due to non-empty scheduling gates"),
              ::testing::Not(for_room));
}

TEST(AnalysisTest, TheStoryNamesWhoPreemptedWhom) {
  JournalBuilder b;
  b.put(0, make_deployment("web", 2, 2));
  for (const std::string name : {"web-1", "web-2"}) {
    api::Pod pod = make_pod(name);
    pod.metadata.uid = "uid-" + name;
    pod.spec.priority = 10;
    pod.spec.node_name = "n1";
    b.put(1, pod);
    pod.metadata.deletion_timestamp = b.wall(60);
    b.put(60, pod);
    b.remove(61, pod);
    api::Event e;
    e.metadata.name = name + ".1";
    e.metadata.namespace_ = "default";
    e.reason = "Preempted";
    e.message = "Preempted by pod uid-vip-1 on node n1";
    e.involved_object.kind = "Pod";
    e.involved_object.namespace_ = "default";
    e.involved_object.name = name;
    e.involved_object.uid = pod.metadata.uid;
    b.put(60.1, e);
  }
  put_waiting(b, 59, "vip-1", "vip", "0/1 nodes are available: 1 Insufficient cpu.");
  put_waiting(b, 60.01, "web-3", "web", "0/1 nodes are available: 1 Insufficient cpu.");
  const RunReport r = analysed(b).report;
  const auto entry = [&](std::string_view text) {
    for (const StoryEntry& e : r.story) {
      if (e.text.find(text) != std::string::npos) return e;
    }
    ADD_FAILURE() << "no entry has " << text;
    return StoryEntry();
  };
  const StoryEntry taken = entry("vip preempted 2 pods of web: its priority is 1000, theirs 10.");
  ASSERT_EQ(taken.because.size(), 1u);
  EXPECT_EQ(taken.because[0].text, "pod vip-1 took the place of web-1 on node n1");
  EXPECT_FALSE(taken.because[0].mark.empty());
  const StoryEntry waited = entry("1 pod of web waited longer than 15s for a node.");
  ASSERT_EQ(waited.because.size(), 2u);
  EXPECT_EQ(waited.because[1].text, "vip had preempted pods of web");
  EXPECT_EQ(waited.because[1].mark, taken.because[0].mark);
}

TEST(AnalysisTest, AWorkloadWhosePodsAreRefusedIsNamedWithTheReason) {
  JournalBuilder b;
  b.put(0, make_deployment("web", 2, 0));
  api::ReplicaSet set;
  set.metadata.name = "web-5d";
  set.metadata.namespace_ = "default";
  set.metadata.owner_references = make_pod("x").metadata.owner_references;
  set.metadata.owner_references.edit()[0].kind = "Deployment";
  set.metadata.owner_references.edit()[0].name = "web";
  b.put(0, set);
  for (const int second : {1, 2, 3}) {
    api::Event e;
    e.metadata.name = fmt::format("web-5d.{}", second);
    e.metadata.namespace_ = "default";
    e.reason = "FailedCreate";
    e.message = "Error creating: pods \"web-5d-x\" is forbidden: exceeded quota: q";
    e.involved_object.kind = "ReplicaSet";
    e.involved_object.namespace_ = "default";
    e.involved_object.name = "web-5d";
    b.put(second, e);
  }
  const RunReport r = analysed(b).report;
  ASSERT_EQ(r.story.size(), 1u);
  EXPECT_EQ(r.story[0].text, "web cannot create pods: refused 3 times.");
  EXPECT_THAT(r.story[0].because[0].text, HasSubstr("exceeded quota: q"));
}

TEST(AnalysisTest, EveryObjectThatKubectlCouldNotApplyIsNamed) {
  JournalBuilder b;
  b.record(20, "kubectl.begin", "apply -f -", "");
  b.record(21, "kubectl.end", "apply -f -",
           "Error from server (Forbidden): pods \"a\" is forbidden: no PriorityClass with name x "
           "was found\nError from server (NotFound): namespaces \"nowhere\" not found\n");
  const RunReport r = analysed(b).report;
  ASSERT_EQ(r.story.size(), 1u);
  EXPECT_THAT(r.story[0].text, HasSubstr("PriorityClass with name x was found; Error from server "
                                         "(NotFound): namespaces \"nowhere\" not found."));
}

TEST(AnalysisTest, FailuresWithoutACauseSaySo) {
  JournalBuilder b;
  b.put(0, make_deployment("web", 1, 1));
  b.traffic(100, 10, "service/default/web", 90, 20, 10);
  const RunReport r = analysed(b).report;
  ASSERT_EQ(r.story.size(), 1u);
  EXPECT_THAT(r.story[0].text, HasSubstr("10 of 100 requests to web failed"));
  EXPECT_THAT(r.story[0].because[0].text, HasSubstr("nothing else of note"));
}

TEST(AnalysisTest, EqualJournalsGiveEqualResults) {
  EXPECT_EQ(render_results_json(analysed(outage()).report),
            render_results_json(analysed(outage()).report));
  // An empty journal is no trouble.
  EXPECT_FALSE(render_html(analysed(JournalBuilder()).report).empty());
}

}  // namespace
}  // namespace mainspring::scenarios
