#include "scenarios/tables.h"

#include <gtest/gtest.h>

#include "models/api/types/autoscaling.h"
#include "models/api/types/resource.h"
#include "tests/scenarios/journal_builder.h"

namespace mainspring::scenarios {
namespace {

const api::Time kNow = JournalBuilder::wall(300);

std::string get(std::string_view kind, const std::vector<api::ObjectRef>& objects,
                TableOptions options = {}) {
  return render_table(object_table(kind, objects, kNow, options));
}

api::ContainerStatus waiting(std::string_view reason, int restarts = 0) {
  api::ContainerStatus s;
  s.name = "app";
  s.restart_count = restarts;
  api::ContainerStateWaiting w;
  w.reason = reason;
  s.state.waiting = w;
  return s;
}

TEST(TablesTest, PodsAsKubectlShowsThem) {
  api::Ref<api::Pod> ready = api::clone(make_pod("web-1"));
  ready->metadata.creation_timestamp = JournalBuilder::wall(0);
  set_ready(*ready, true, kNow);
  api::Ref<api::Pod> loop = api::clone(make_pod("web-2"));
  loop->metadata.creation_timestamp = JournalBuilder::wall(180);
  loop->status.phase = "Running";
  api::ContainerStatus s = waiting("CrashLoopBackOff", 3);
  api::ContainerStateTerminated ended;
  ended.finished_at = JournalBuilder::wall(285);
  s.last_state.terminated = ended;
  loop->status.container_statuses.push_back(s);
  EXPECT_EQ(get("Pod", {ready, loop}),
            "NAME    READY   STATUS             RESTARTS      AGE\n"
            "web-1   1/1     Running            0             5m\n"
            "web-2   0/1     CrashLoopBackOff   3 (15s ago)   2m\n");
  ready->spec.node_name = "n1";
  EXPECT_EQ(
      get("Pod", {ready}, {.wide = true, .namespaces = true}),
      "NAMESPACE   NAME    READY   STATUS    RESTARTS   AGE   IP       NODE   NOMINATED NODE  "
      " READINESS GATES\n"
      "default     web-1   1/1     Running   0          5m    <none>   n1     <none>          "
      " <none>\n");
}

TEST(TablesTest, StatusOfAPodTellsTheMostTellingState) {
  const auto status = [](auto change) {
    api::Pod pod = make_pod("p");
    change(pod);
    return pod_cells(pod).status;
  };
  EXPECT_EQ(status([](api::Pod&) {}), "Pending");
  EXPECT_EQ(status([](api::Pod& p) { p.status.reason = "Evicted"; }), "Evicted");
  EXPECT_EQ(status([](api::Pod& p) {
              p.status.container_statuses.push_back(waiting("ImagePullBackOff"));
            }),
            "ImagePullBackOff");
  EXPECT_EQ(status([](api::Pod& p) {
              api::ContainerStatus s;
              api::ContainerStateTerminated t;
              t.exit_code = 137;
              s.state.terminated = t;
              p.status.container_statuses.push_back(s);
            }),
            "ExitCode:137");
  EXPECT_EQ(status([](api::Pod& p) {
              set_ready(p, true, kNow);
              p.metadata.deletion_timestamp = kNow;
            }),
            "Terminating");
  // A pod that has ended stays what it is while it is deleted.
  EXPECT_EQ(status([](api::Pod& p) {
              p.status.phase = "Succeeded";
              p.metadata.deletion_timestamp = kNow;
            }),
            "Succeeded");
  EXPECT_EQ(status([](api::Pod& p) {
              p.spec.init_containers = p.spec.containers;
              p.status.init_container_statuses.push_back(waiting("PodInitializing"));
            }),
            "Init:0/1");
  EXPECT_EQ(status([](api::Pod& p) {
              p.spec.init_containers = p.spec.containers;
              p.status.init_container_statuses.push_back(waiting("CrashLoopBackOff"));
            }),
            "Init:CrashLoopBackOff");
}

TEST(TablesTest, NodesDeploymentsAndAutoscalers) {
  api::Ref<api::Node> node = api::clone(make_node("n1", "zone-a", false));
  node->spec.unschedulable = true;
  node->metadata.labels.set("node-role.kubernetes.io/worker", "");
  node->metadata.creation_timestamp = JournalBuilder::wall(0);
  EXPECT_EQ(get("Node", {node}),
            "NAME   STATUS                        ROLES    AGE   VERSION\n"
            "n1     NotReady,SchedulingDisabled   worker   5m    v1.35.0\n");
  api::Ref<api::Deployment> d = api::clone(make_deployment("web", 5, 3));
  EXPECT_EQ(get("Deployment", {d}),
            "NAME   READY   UP-TO-DATE   AVAILABLE   AGE\n"
            "web    3/5     5            3           <unknown>\n");
  api::Ref<api::HorizontalPodAutoscaler> hpa = api::make<api::HorizontalPodAutoscaler>();
  hpa->metadata.name = "web";
  hpa->metadata.creation_timestamp = JournalBuilder::wall(0);
  hpa->spec.scale_target_ref.kind = "Deployment";
  hpa->spec.scale_target_ref.name = "web";
  hpa->spec.min_replicas = 2;
  hpa->spec.max_replicas = 10;
  api::MetricSpec metric;
  api::ResourceMetricSource cpu;
  cpu.name = "cpu";
  cpu.target.average_utilization = 70;
  metric.resource = cpu;
  hpa->spec.metrics.push_back(metric);
  EXPECT_EQ(get("HorizontalPodAutoscaler", {hpa}),
            "NAME   REFERENCE        TARGETS              MINPODS   MAXPODS   REPLICAS   AGE\n"
            "web    Deployment/web   cpu: <unknown>/70%   2         10        0          5m\n");
}

TEST(TablesTest, ResourceClaimsSayWhatBecameOfThem) {
  api::Ref<api::ResourceClaim> claim = api::make<api::ResourceClaim>();
  claim->metadata.name = "gpu";
  claim->metadata.creation_timestamp = JournalBuilder::wall(0);
  const auto shown = [&] { return get("ResourceClaim", {api::ObjectRef(api::clone(*claim))}); };
  EXPECT_EQ(shown(), "NAME   STATE     AGE\ngpu    pending   5m\n");
  claim->status.allocation = api::AllocationResult();
  claim->status.reserved_for.push_back({});
  EXPECT_EQ(shown(), "NAME   STATE                AGE\ngpu    allocated,reserved   5m\n");
  claim->metadata.deletion_timestamp = JournalBuilder::wall(60);
  claim->status = {};
  EXPECT_EQ(shown(), "NAME   STATE     AGE\ngpu    deleted   5m\n");
}

}  // namespace
}  // namespace mainspring::scenarios
