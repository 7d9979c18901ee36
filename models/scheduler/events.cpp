#include "models/scheduler/events.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace mainspring::scheduler {

namespace {
// type -> status of the conditions; heartbeats and messages do not count.
bool same_conditions(const api::List<api::NodeCondition>& a,
                     const api::List<api::NodeCondition>& b) {
  if (a.same(b)) return true;
  if (a.size() != b.size()) return false;
  for (const api::NodeCondition& x : a) {
    const api::NodeCondition* y = api::find_condition(b, x.type);
    if (!y || y->status != x.status) return false;
  }
  return true;
}

// Whether the pod asks for less of something, or no more for something: a request of 0 counts.
bool scaled_down(const api::Pod& before, const api::Pod& after) {
  api::PodRequestOptions options;
  options.use_status = true;
  const api::ResourceList is = api::pod_requests(after, options);
  for (const auto& [name, quantity] : api::pod_requests(before, options)) {
    const api::Quantity* now = is.find(name);
    if (!now || quantity.milli_value() > now->milli_value()) return true;
  }
  return false;
}
}  // namespace

std::string label(ClusterEvent event) {
  if (event.wildcard()) return "UnschedulableTimeout";
  constexpr std::array kResources = std::to_array<std::string_view>(
      {"*", "Pod", "AssignedPod", "UnscheduledPod", "Node", "PersistentVolume",
       "PersistentVolumeClaim", "storage.k8s.io/CSINode", "storage.k8s.io/CSIDriver",
       "storage.k8s.io/VolumeAttachment", "storage.k8s.io/CSIStorageCapacity",
       "storage.k8s.io/StorageClass", "resource.k8s.io/ResourceClaim",
       "resource.k8s.io/ResourceSlice", "resource.k8s.io/DeviceClass"});
  constexpr std::array kActions = std::to_array<std::string_view>(
      {"Add", "Delete", "UpdateNodeAllocatable", "UpdateNodeLabel", "UpdateNodeTaint",
       "UpdateNodeCondition", "UpdateNodeAnnotation", "UpdatePodLabel", "UpdatePodScaleDown",
       "UpdatePodToleration", "UpdatePodSchedulingGatesEliminated",
       "UpdatePodGeneratedResourceClaim", "updatePodOther"});
  std::string out(kResources.at(static_cast<size_t>(event.resource)));
  if (event.action == kUpdate) return out + "Update";
  for (size_t i = 0; i < kActions.size(); ++i) {
    if ((event.action >> i & 1) != 0) out += kActions[i];
  }
  return out;
}

std::vector<ClusterEvent> node_events(const api::Node& before, const api::Node& after) {
  std::vector<ClusterEvent> out;
  const auto add = [&](Action a) { out.push_back({Resource::kNode, a}); };
  if (before.spec.unschedulable && !after.spec.unschedulable) add(kUpdateNodeTaint);
  if (!(before.status.allocatable == after.status.allocatable)) add(kUpdateNodeAllocatable);
  if (!(before.metadata.labels == after.metadata.labels)) add(kUpdateNodeLabel);
  if (!(before.spec.taints == after.spec.taints)) add(kUpdateNodeTaint);
  if (!same_conditions(before.status.conditions, after.status.conditions)) {
    add(kUpdateNodeCondition);
  }
  if (!(before.metadata.annotations == after.metadata.annotations)) add(kUpdateNodeAnnotation);
  return out;
}

std::vector<ClusterEvent> pod_events(const PodInfo& before, const PodInfo& after) {
  std::vector<ClusterEvent> out;
  const Resource resource =
      after.pod->spec.node_name.empty() ? Resource::kUnscheduledPod : Resource::kAssignedPod;
  const auto add = [&](Action a) { out.push_back({resource, a}); };
  if (!(before.labels() == after.labels())) add(kUpdatePodLabel);
  if ((before.t.get() != after.t.get() || before.resized || after.resized) &&
      scaled_down(*before.pod, *after.pod)) {
    add(kUpdatePodScaleDown);
  }
  const api::PodSpec& a = before.pod->spec;
  const api::PodSpec& b = after.pod->spec;
  if (!a.scheduling_gates.empty() && b.scheduling_gates.empty()) add(kUpdatePodGatesEliminated);
  if (a.tolerations.size() != b.tolerations.size()) add(kUpdatePodToleration);
  if (!(before.pod->status.resource_claim_statuses == after.pod->status.resource_claim_statuses)) {
    add(kUpdatePodGeneratedClaim);
  }
  if (out.empty()) add(kUpdatePodOther);
  return out;
}

}  // namespace mainspring::scheduler
