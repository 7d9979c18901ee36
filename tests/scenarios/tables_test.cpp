#include "scenarios/tables.h"

#include <gtest/gtest.h>

#include "models/api/types/autoscaling.h"
#include "models/api/types/resource.h"
#include "models/api/types/scheduling.h"
#include "models/api/types/storage.h"
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

TEST(TablesTest, VolumesAndClassesAsKubectlShowsThem) {
  const auto made = [](auto object, std::string_view name) {
    object->metadata.name = name;
    object->metadata.creation_timestamp = JournalBuilder::wall(0);
    return object;
  };
  const auto claim = made(api::make<api::PersistentVolumeClaim>(), "data");
  claim->spec.storage_class_name = "fast";
  claim->spec.volume_mode = "Filesystem";
  claim->status.phase = "Pending";
  EXPECT_EQ(get("PersistentVolumeClaim", {api::ObjectRef(api::clone(*claim))}),
            "NAME   STATUS    VOLUME   CAPACITY   ACCESS MODES   STORAGECLASS   "
            "VOLUMEATTRIBUTESCLASS   AGE\n"
            "data   Pending                                      fast           "
            "<unset>                 5m\n");
  claim->spec.volume_name = "pv-1";
  claim->status.phase = "Bound";
  claim->status.capacity.set("storage", api::Quantity::of("10Gi"));
  claim->status.access_modes = {"ReadWriteMany", "ReadWriteOnce"};
  EXPECT_EQ(get("PersistentVolumeClaim", {claim}, {.wide = true}),
            "NAME   STATUS   VOLUME   CAPACITY   ACCESS MODES   STORAGECLASS   "
            "VOLUMEATTRIBUTESCLASS   AGE   VOLUMEMODE\n"
            "data   Bound    pv-1     10Gi       RWO,RWX        fast           "
            "<unset>                 5m    Filesystem\n");

  const auto volume = made(api::make<api::PersistentVolume>(), "pv-1");
  volume->spec.capacity.set("storage", api::Quantity::of("10Gi"));
  volume->spec.access_modes = {"ReadWriteOncePod"};
  volume->spec.persistent_volume_reclaim_policy = "Delete";
  volume->spec.storage_class_name = "fast";
  api::ObjectReference bound_to;
  bound_to.namespace_ = "default";
  bound_to.name = "data";
  volume->spec.claim_ref = bound_to;
  volume->status.phase = "Bound";
  EXPECT_EQ(get("PersistentVolume", {volume}),
            "NAME   CAPACITY   ACCESS MODES   RECLAIM POLICY   STATUS   CLAIM          "
            "STORAGECLASS   VOLUMEATTRIBUTESCLASS   REASON   AGE\n"
            "pv-1   10Gi       RWOP           Delete           Bound    default/data   "
            "fast           <unset>                          5m\n");

  const auto storage = made(api::make<api::StorageClass>(), "fast");
  storage->metadata.annotations.set("storageclass.kubernetes.io/is-default-class", "true");
  storage->provisioner = "disk.example.com";
  storage->reclaim_policy = "Delete";
  storage->volume_binding_mode = "WaitForFirstConsumer";
  EXPECT_EQ(get("StorageClass", {storage}),
            "NAME             PROVISIONER        RECLAIMPOLICY   VOLUMEBINDINGMODE      "
            "ALLOWVOLUMEEXPANSION   AGE\n"
            "fast (default)   disk.example.com   Delete          WaitForFirstConsumer   "
            "false                  5m\n");

  const auto priority = made(api::make<api::PriorityClass>(), "high");
  priority->value = 1000;
  priority->preemption_policy = "Never";
  EXPECT_EQ(get("PriorityClass", {priority}),
            "NAME   VALUE   GLOBAL-DEFAULT   AGE   PREEMPTIONPOLICY\n"
            "high   1000    false            5m    Never\n");
}

}  // namespace
}  // namespace mainspring::scenarios
