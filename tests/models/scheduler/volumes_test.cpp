// VolumeRestrictions, NodeVolumeLimits, VolumeBinding and VolumeZone, each reason by what brings it
// about. Words and cases: pkg/scheduler/framework/plugins/{volumerestrictions,nodevolumelimits,
// volumebinding,volumezone} (v1.35).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/api/node_affinity.h"
#include "models/api/types/storage.h"
#include "models/api/volume_helpers.h"
#include "models/scheduler/in_tree_volumes.h"
#include "tests/models/scheduler/cluster.h"

namespace mainspring::scheduler {
namespace {

using test::Cluster;
using test::make_node;
using test::make_pod;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr const char* kUnhelpful =
    " no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not "
    "helpful for scheduling.";
constexpr const char* kNoVictims =
    " no new claims to deallocate, preemption: 0/2 nodes are available: 2 No preemption victims "
    "found for incoming pod.";

api::Ref<api::PersistentVolumeClaim> make_claim(std::string_view name, std::string_view cls,
                                                std::string_view size = "10Gi") {
  auto c = api::make<api::PersistentVolumeClaim>();
  c->metadata.name = name;
  c->metadata.namespace_ = "default";
  c->metadata.uid = "uid-" + std::string(name);
  c->spec.access_modes = {"ReadWriteOnce"};
  c->spec.storage_class_name = api::Str(cls);
  c->spec.resources.requests.set("storage", api::Quantity::of(size));
  c->status.phase = "Pending";
  return c;
}
api::Ref<api::PersistentVolumeClaim> bound_to(api::Ref<api::PersistentVolumeClaim> c,
                                              std::string_view volume) {
  c->spec.volume_name = volume;
  c->metadata.annotations.set(api::kBindCompleted, "yes");
  c->status.phase = "Bound";
  return c;
}
api::NodeSelector in_zone(std::string_view zone) {
  api::NodeSelectorTerm term;
  term.match_expressions = {api::requirement_in("topology.kubernetes.io/zone", {api::Str(zone)})};
  return api::selector_of(term);
}
api::Ref<api::PersistentVolume> make_volume(std::string_view name, std::string_view cls,
                                            std::string_view size, std::string_view zone = "") {
  auto v = api::make<api::PersistentVolume>();
  v->metadata.name = name;
  v->spec.storage_class_name = cls;
  v->spec.access_modes = {"ReadWriteOnce"};
  v->spec.capacity.set("storage", api::Quantity::of(size));
  v->status.phase = "Available";
  api::CSIPersistentVolumeSource csi;
  csi.driver = "disk.example.com";
  csi.volume_handle = name;
  v->spec.csi = csi;
  if (!zone.empty()) {
    api::VolumeNodeAffinity a;
    a.required = in_zone(zone);
    v->spec.node_affinity = a;
  }
  return v;
}
api::Ref<api::StorageClass> make_class(std::string_view name, std::string_view mode,
                                       std::string_view provisioner = "disk.example.com") {
  auto c = api::make<api::StorageClass>();
  c->metadata.name = name;
  c->provisioner = provisioner;
  c->volume_binding_mode = mode;
  return c;
}
api::Ref<api::Pod> with_claim(api::Ref<api::Pod> pod, std::string_view claim) {
  api::Volume v;
  v.name = claim;
  api::PersistentVolumeClaimVolumeSource source;
  source.claim_name = claim;
  v.persistent_volume_claim = source;
  pod->spec.volumes.push_back(v);
  return pod;
}
api::Ref<api::Pod> with_disk(api::Ref<api::Pod> pod, const char* kind, api::Json source) {
  api::Volume v;
  v.name = "disk";
  v.extra = api::Json::object({{kind, std::move(source)}});
  pod->spec.volumes.push_back(v);
  return pod;
}
Cluster two_zones() {
  Cluster c;
  c.put(make_node("n-0", "4", "16Gi", "z0"));
  c.put(make_node("n-1", "4", "16Gi", "z1"));
  return c;
}

// ---- VolumeBinding, PreFilter

struct Rejected {
  const char* name;
  std::function<void(Cluster&)> setup;
  const char* message;  // after "0/2 nodes are available:"
};
void PrintTo(const Rejected& r, std::ostream* out) { *out << r.name; }

class Claims : public ::testing::TestWithParam<Rejected> {};

TEST_P(Claims, AreRejectedWithKubernetesWords) {
  Cluster c = two_zones();
  c.put(make_class("wait", "WaitForFirstConsumer"));
  c.put(make_class("static", "WaitForFirstConsumer", api::kNoProvisioner.data()));
  c.put(make_class("now", "Immediate"));
  GetParam().setup(c);
  c.put(with_claim(make_pod("p"), "data"));
  EXPECT_EQ(c.why("p"), std::string("0/2 nodes are available:") + GetParam().message);
  EXPECT_FALSE(c.scheduled("p"));
}

INSTANTIATE_TEST_SUITE_P(
    VolumePlugins, Claims,
    ::testing::Values(
        // VolumeRestrictions asks first. DynamicResources' state is missing after an early end.
        Rejected{"Missing", [](Cluster&) {},
                 " persistentvolumeclaim \"data\" not found. not found"},
        Rejected{"Immediate", [](Cluster& c) { c.put(make_claim("data", "now")); },
                 " pod has unbound immediate PersistentVolumeClaims. not found"},
        Rejected{"UnknownClass", [](Cluster& c) { c.put(make_claim("data", "none")); },
                 " pod has unbound immediate PersistentVolumeClaims. not found"},
        Rejected{"Lost",
                 [](Cluster& c) {
                   auto claim = bound_to(make_claim("data", "now"), "gone");
                   claim->status.phase = "Lost";
                   c.put(claim);
                 },
                 " persistentvolumeclaim \"data\" bound to non-existent persistentvolume \"gone\". "
                 "not found"},
        Rejected{"Deleted",
                 [](Cluster& c) {
                   auto claim = make_claim("data", "wait");
                   claim->metadata.deletion_timestamp = c.ctx.now();
                   c.put(claim);
                 },
                 " persistentvolumeclaim \"data\" is being deleted. not found"},
        // VolumeBinding lets it pass, and says so at Filter; VolumeZone misses the volume before.
        Rejected{"VolumeGone",
                 [](Cluster& c) { c.put(bound_to(make_claim("data", "now"), "gone")); },
                 " persistentvolume \"gone\" not found. not found"},
        Rejected{"StaticWithoutVolume", [](Cluster& c) { c.put(make_claim("data", "static")); },
                 " 2 node(s) didn't find available persistent volumes to bind. no new claims to "
                 "deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for "
                 "scheduling."},
        Rejected{"ElsewhereSelected",
                 [](Cluster& c) {
                   auto claim = make_claim("data", "wait");
                   claim->metadata.annotations.set(api::kSelectedNode, "n-9");
                   c.put(claim);
                 },
                 " 2 node(s) didn't find available persistent volumes to bind. no new claims to "
                 "deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for "
                 "scheduling."},
        Rejected{"VolumeElsewhere",
                 [](Cluster& c) {
                   c.put(make_volume("pv", "now", "10Gi", "z7"));
                   c.put(bound_to(make_claim("data", "now"), "pv"));
                 },
                 " 2 node(s) didn't match PersistentVolume's node affinity. no new claims to "
                 "deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for "
                 "scheduling."},
        Rejected{"NoSpace",
                 [](Cluster& c) {
                   auto driver = api::make<api::CSIDriver>();
                   driver->metadata.name = "disk.example.com";
                   driver->spec.storage_capacity = true;
                   c.put(driver);
                   c.put(make_claim("data", "wait"));
                 },
                 " 2 node(s) did not have enough free storage. no new claims to deallocate, "
                 "preemption: 0/2 nodes are available: 2 Preemption is not helpful for "
                 "scheduling."},
        Rejected{"ZoneLabel",
                 [](Cluster& c) {
                   auto v = make_volume("pv", "now", "10Gi");
                   v->metadata.labels.set("topology.kubernetes.io/zone", "z7__z8");
                   c.put(v);
                   c.put(bound_to(make_claim("data", "now"), "pv"));
                 },
                 " 2 node(s) had no available volume zone. no new claims to deallocate, "
                 "preemption: 0/2 nodes are available: 2 Preemption is not helpful for "
                 "scheduling."}),
    [](const auto& p) { return p.param.name; });

TEST(VolumeZone, ReadsSetsOfZonesAndBetaLabels) {
  Cluster c = two_zones();
  auto v = make_volume("pv", "now", "10Gi");
  v->metadata.labels.set("failure-domain.beta.kubernetes.io/zone", "z9__z1");
  c.put(v);
  c.put(bound_to(make_claim("data", "now"), "pv"));
  c.put(with_claim(make_pod("p"), "data"));
  EXPECT_EQ(c.node_of("p"), "n-1");
}

// ---- VolumeBinding: static volumes

// Of 20Gi in z1, 12Gi in z1 and 5Gi in z0 a claim of 10Gi takes the smallest that holds it, 12Gi;
// so the pod goes to z1, after the volume and the claim are bound to each other.
TEST(VolumeBinding, TakesTheSmallestVolumeAndWaitsForTheBinding) {
  Cluster c = two_zones();
  c.put(make_class("static", "WaitForFirstConsumer", api::kNoProvisioner.data()));
  c.put(make_volume("a-20", "static", "20Gi", "z1"));
  c.put(make_volume("b-12", "static", "12Gi", "z1"));
  c.put(make_volume("c-5", "static", "5Gi", "z0"));
  c.put(make_claim("data", "static"));
  c.put(with_claim(make_pod("p"), "data"));
  const auto* v = c.ctx.cache(api::Kind::PersistentVolume).get<api::PersistentVolume>("", "b-12");
  ASSERT_TRUE(v->spec.claim_ref);
  EXPECT_EQ(v->spec.claim_ref->uid, "uid-data");
  EXPECT_EQ(*v->metadata.annotations.find(api::kBoundByController), "yes");
  EXPECT_FALSE(c.scheduled("p"));
  EXPECT_EQ(c.pod("p").status.nominated_node_name, "n-1") << "said before the binding";
  c.run_for(api::Duration::seconds(5));
  EXPECT_FALSE(c.scheduled("p")) << "the claim is not bound";
  c.put(bound_to(make_claim("data", "static"), "b-12"));
  c.run_for(api::Duration::seconds(1));
  EXPECT_EQ(c.node_of("p"), "n-1");
}

// The first pod's volume is assumed taken before the API shows it.
TEST(VolumeBinding, AssumesVolumesUntilTheApiShowsThem) {
  Cluster c = two_zones();
  c.put(make_class("static", "WaitForFirstConsumer", api::kNoProvisioner.data()));
  c.put(make_volume("a", "static", "10Gi", "z0"));
  c.put(make_claim("data", "static"));
  c.put(make_claim("more", "static"));
  c.put(with_claim(make_pod("p"), "data"));
  c.put(with_claim(make_pod("q"), "more"));
  EXPECT_EQ(c.why("q"),
            std::string("0/2 nodes are available: 2 node(s) didn't find available persistent "
                        "volumes to bind.") +
                kUnhelpful);
  // A volume that comes lets it go on.
  c.put(make_volume("b", "static", "10Gi", "z1"));
  EXPECT_EQ(c.pod("q").status.nominated_node_name, "n-1");
}

// ---- VolumeBinding: volumes to be provisioned

TEST(VolumeBinding, AsksForAVolumeNearTheNode) {
  Cluster c = two_zones();
  auto cls = make_class("wait", "WaitForFirstConsumer");
  api::TopologySelectorLabelRequirement r;
  r.key = "topology.kubernetes.io/zone";
  r.values = {"z1"};
  api::TopologySelectorTerm term;
  term.match_label_expressions = {r};
  cls->allowed_topologies = {term};
  c.put(cls);
  c.put(make_claim("data", "wait"));
  c.put(with_claim(make_pod("p"), "data"));
  const auto* claim = c.ctx.cache(api::Kind::PersistentVolumeClaim)
                          .get<api::PersistentVolumeClaim>("default", "data");
  EXPECT_EQ(*claim->metadata.annotations.find(api::kSelectedNode), "n-1");
  auto done = api::clone(*claim);
  c.put(make_volume("pv", "wait", "10Gi", "z1"));
  c.put(bound_to(done, "pv"));
  c.run_for(api::Duration::seconds(2));
  EXPECT_EQ(c.node_of("p"), "n-1");
}

struct Failure {
  const char* name;
  std::function<void(Cluster&)> happens;
  api::Duration wait;
  const char* message;
};
void PrintTo(const Failure& f, std::ostream* out) { *out << f.name; }
class Binding : public ::testing::TestWithParam<Failure> {};

TEST_P(Binding, FailsWithKubernetesWords) {
  Cluster c = two_zones();
  c.put(make_class("wait", "WaitForFirstConsumer"));
  c.put(make_claim("data", "wait"));
  if (std::string_view(GetParam().name) == "Conflict") c.updates_fail = true;
  c.put(with_claim(make_pod("p"), "data"));
  if (GetParam().happens) GetParam().happens(c);
  c.run_for(GetParam().wait);
  EXPECT_THAT(c.events, Contains(std::string("FailedScheduling p ") + GetParam().message));
  const auto* condition = api::find_condition(c.pod("p").status.conditions, "PodScheduled");
  EXPECT_EQ(condition->reason, "SchedulerError");
}

INSTANTIATE_TEST_SUITE_P(
    VolumeBinding, Binding,
    ::testing::Values(
        Failure{"TimedOut", nullptr, api::Duration::seconds(600),
                "running PreBind plugin \"VolumeBinding\": binding volumes: context deadline "
                "exceeded"},
        Failure{"Conflict", nullptr, api::Duration(),
                "running PreBind plugin \"VolumeBinding\": Operation cannot be fulfilled"},
        Failure{"Rescheduled",
                [](Cluster& c) {
                  auto claim = make_claim("data", "wait");
                  claim->metadata.annotations.set("other", "x");
                  c.put(claim);
                },
                api::Duration::seconds(1),
                "running PreBind plugin \"VolumeBinding\": binding volumes: provisioning failed "
                "for PVC \"data\""},
        Failure{"AnnotationsGone", [](Cluster& c) { c.put(make_claim("data", "wait")); },
                api::Duration::seconds(1),
                "running PreBind plugin \"VolumeBinding\": binding volumes: selectedNode "
                "annotation reset for PVC \"data\""},
        Failure{"ClaimGone",
                [](Cluster& c) { c.remove(api::Kind::PersistentVolumeClaim, "default", "data"); },
                api::Duration::seconds(1),
                "running PreBind plugin \"VolumeBinding\": binding volumes: failed to check "
                "provisioning pvc: persistentvolumeclaims \"default/data\" not found"}),
    [](const auto& p) { return p.param.name; });

TEST(VolumeBinding, CountsStorageCapacity) {
  Cluster c = two_zones();
  auto driver = api::make<api::CSIDriver>();
  driver->metadata.name = "disk.example.com";
  driver->spec.storage_capacity = true;
  c.put(driver);
  c.put(make_class("wait", "WaitForFirstConsumer"));
  // z0 has 100Gi in all but no volume above 5Gi; z1 has room for 10Gi.
  for (const auto& [zone, total, largest] :
       {std::tuple{"z0", "100Gi", "5Gi"}, std::tuple{"z1", "10Gi", ""}}) {
    auto cap = api::make<api::CSIStorageCapacity>();
    cap->metadata.name = zone;
    cap->metadata.namespace_ = "kube-system";
    cap->storage_class_name = "wait";
    api::LabelSelector where;
    where.match_labels.set("topology.kubernetes.io/zone", zone);
    cap->node_topology = where;
    cap->capacity = api::Quantity::of(total);
    if (*largest) cap->maximum_volume_size = api::Quantity::of(largest);
    c.put(cap);
  }
  c.put(make_claim("data", "wait", "10Gi"));
  c.put(with_claim(make_pod("p"), "data"));
  EXPECT_EQ(c.pod("p").status.nominated_node_name, "n-1");
}

// ---- VolumeRestrictions

TEST(VolumeRestrictions, LetsOnePodUseAReadWriteOncePodClaim) {
  Cluster c = two_zones();
  c.put(make_volume("pv", "now", "10Gi"));
  auto claim = bound_to(make_claim("data", "now"), "pv");
  claim->spec.access_modes = {"ReadWriteOncePod"};
  c.put(claim);
  c.put(with_claim(make_pod("a"), "data"));
  ASSERT_TRUE(c.scheduled("a"));
  c.put(with_claim(make_pod("b"), "data"));
  EXPECT_EQ(c.why("b"),
            std::string("0/2 nodes are available: 2 node(s) unavailable due to "
                        "PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by "
                        "another pod.") +
                kNoVictims);
  c.remove_pod("a");
  EXPECT_TRUE(c.scheduled("b"));
  // Preempting the user of the claim helps: nobody else can have it.
  auto urgent = with_claim(make_pod("c"), "data");
  urgent->spec.priority = 10;
  c.put(urgent);
  EXPECT_EQ(c.pod("c").status.nominated_node_name, c.node_of("b"));
}

TEST(VolumeRestrictions, KeepsInlineDisksApart) {
  const api::Json rw = api::Json::object({{"pdName", "d"}});
  const api::Json ro = api::Json::object({{"pdName", "d"}, {"readOnly", true}});
  const auto conflicts = [](const char* kind, const api::Json& a, const api::Json& b) {
    Cluster c;
    c.put(make_node("n"));
    c.put(with_disk(make_pod("a"), kind, a));
    c.put(with_disk(make_pod("b"), kind, b));
    if (c.scheduled("b")) return false;
    EXPECT_THAT(c.why("b"), HasSubstr("1 node(s) had no available disk."));
    return true;
  };
  EXPECT_TRUE(conflicts("gcePersistentDisk", rw, rw));
  EXPECT_TRUE(conflicts("gcePersistentDisk", rw, ro));
  EXPECT_FALSE(conflicts("gcePersistentDisk", ro, ro));
  const api::Json ebs = api::Json::object({{"volumeID", "v"}, {"readOnly", true}});
  EXPECT_TRUE(conflicts("awsElasticBlockStore", ebs, ebs)) << "even read-only";
  const auto rbd = [](const char* monitor, const char* image, const char* pool) {
    api::Json j = api::Json::object({{"monitors", api::Json::array({monitor, "m9"})}});
    j.set("image", image);
    if (*pool) j.set("pool", pool);
    return j;
  };
  EXPECT_TRUE(conflicts("rbd", rbd("m1", "i", ""), rbd("m2", "i", "rbd"))) << "m9; default pool";
  EXPECT_FALSE(conflicts("rbd", rbd("m1", "i", ""), rbd("m2", "j", "")));
  EXPECT_FALSE(
      conflicts("iscsi", api::Json::object({{"iqn", "a"}}), api::Json::object({{"iqn", "b"}})));
}

// ---- NodeVolumeLimits

// A limit of 2: one volume of a pod, one of an attachment without a pod (and the pod's own
// attachment, which counts once), so that a third does not fit; the same volume again does.
TEST(NodeVolumeLimits, CountsVolumesAndAttachmentsOnce) {
  Cluster c;
  c.put(make_node("n"));
  auto csi = api::make<api::CSINode>();
  csi->metadata.name = "n";
  api::CSINodeDriver driver;
  driver.name = "disk.example.com";
  api::VolumeNodeResources limit;
  limit.count = 2;
  driver.allocatable = limit;
  csi->spec.drivers = {driver};
  c.put(csi);
  for (const char* name : {"a", "b", "c"}) {
    c.put(make_volume(std::string("pv-") + name, "now", "10Gi"));
    c.put(bound_to(make_claim(name, "now"), std::string("pv-") + name));
  }
  c.put(with_claim(make_pod("p"), "a"));
  EXPECT_TRUE(c.scheduled("p"));
  for (const char* name : {"pv-a", "pv-b"}) {
    auto attachment = api::make<api::VolumeAttachment>();
    attachment->metadata.name = name;
    attachment->spec.attacher = "disk.example.com";
    attachment->spec.node_name = "n";
    attachment->spec.source.persistent_volume_name = api::Str(name);
    c.put(attachment);
  }
  c.put(with_claim(make_pod("q"), "c"));
  EXPECT_THAT(c.why("q"), HasSubstr("1 node(s) exceed max volume count."));
  c.put(with_claim(make_pod("r"), "a"));
  EXPECT_TRUE(c.scheduled("r"));
  c.remove(api::Kind::VolumeAttachment, "", "pv-b");
  EXPECT_TRUE(c.scheduled("q"));
}

TEST(Volumes, KnowInTreeDisksByTheirDrivers) {
  const auto handle = [](const char* kind, api::Json source, api::StrMap labels = {}) {
    const api::Json kept = api::Json::object({{kind, std::move(source)}});
    const InTreePlugin* plugin = in_tree_plugin_of(kept);
    return std::string(plugin->driver) + " " + csi_handle(*plugin, kept, labels).handle;
  };
  EXPECT_EQ(handle("awsElasticBlockStore", api::Json::object({{"volumeID", "aws://us-1a/vol-1"}})),
            "ebs.csi.aws.com vol-1");
  EXPECT_EQ(handle("gcePersistentDisk", api::Json::object({{"pdName", "d"}})),
            "pd.csi.storage.gke.io projects/UNSPECIFIED/zones/UNSPECIFIED/disks/d");
  EXPECT_EQ(handle("gcePersistentDisk", api::Json::object({{"pdName", "d"}}),
                   {{"topology.kubernetes.io/zone", "eu-1-a__eu-1-b"}}),
            "pd.csi.storage.gke.io projects/UNSPECIFIED/regions/eu-1/disks/d");
  EXPECT_EQ(handle("azureDisk", api::Json::object({{"diskURI", "/d"}})), "disk.csi.azure.com /d");
  EXPECT_EQ(in_tree_plugin_of(api::Json::object({{"nfs", api::Json::object({})}})), nullptr);
}

}  // namespace
}  // namespace mainspring::scheduler
