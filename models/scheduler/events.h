// What happened in the cluster, as the scheduling queue weighs it: which resource, what kind of
// change. Plugins register the events that may make a pod they rejected schedulable.
// Source: k8s.io/kube-scheduler framework/types.go (v1.35).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/scheduler/pod_info.h"
#include "models/scheduler/status.h"

namespace mainspring::scheduler {

enum class Resource : uint8_t {
  kWildcard,
  kPod,  // in registrations: assigned and unscheduled pods
  kAssignedPod,
  kUnscheduledPod,
  kNode,
  kPersistentVolume,
  kPersistentVolumeClaim,
  kCsiNode,
  kCsiDriver,
  kVolumeAttachment,
  kCsiStorageCapacity,
  kStorageClass,
  kResourceClaim,
  kResourceSlice,
  kDeviceClass,
};

// Bits; their order matters, see matches().
using Action = uint32_t;
inline constexpr Action kAdd = 1U << 0;
inline constexpr Action kDelete = 1U << 1;
inline constexpr Action kUpdateNodeAllocatable = 1U << 2;
inline constexpr Action kUpdateNodeLabel = 1U << 3;
inline constexpr Action kUpdateNodeTaint = 1U << 4;  // also unschedulable: true -> false
inline constexpr Action kUpdateNodeCondition = 1U << 5;
inline constexpr Action kUpdateNodeAnnotation = 1U << 6;
inline constexpr Action kUpdatePodLabel = 1U << 7;
inline constexpr Action kUpdatePodScaleDown = 1U << 8;
inline constexpr Action kUpdatePodToleration = 1U << 9;
inline constexpr Action kUpdatePodGatesEliminated = 1U << 10;
inline constexpr Action kUpdatePodGeneratedClaim = 1U << 11;
inline constexpr Action kUpdatePodOther = 1U << 12;
inline constexpr Action kUpdate = (1U << 13) - 1 - kAdd - kDelete;
inline constexpr Action kAll = (1U << 13) - 1;

struct ClusterEvent {
  Resource resource = Resource::kWildcard;
  Action action = kAll;

  bool wildcard() const { return resource == Resource::kWildcard && action == kAll; }
  // Whether something registered for this event hears of `incoming`.
  bool matches(const ClusterEvent& incoming) const {
    if (wildcard()) return true;
    const bool same =
        resource == incoming.resource ||
        (resource == Resource::kPod && (incoming.resource == Resource::kAssignedPod ||
                                        incoming.resource == Resource::kUnscheduledPod));
    return same && (action & incoming.action) != 0 && incoming.action <= action;
  }
  friend bool operator==(const ClusterEvent&, const ClusterEvent&) = default;
};

// The objects of an event; of pods and nodes in the forms that plugins work with.
struct EventObjects {
  PodInfoRef old_pod;
  PodInfoRef new_pod;
  NodeRef old_node;
  NodeRef new_node;
  api::ObjectRef old_object;  // of other kinds
  api::ObjectRef new_object;
};

// A plugin's interest in an event. `hint` is the plugin's own number of the question that decides
// whether the event helps a pod; kAlways means it always does.
struct EventRegistration {
  static constexpr uint8_t kAlways = 255;
  ClusterEvent event;
  uint8_t hint = kAlways;
};

// "NodeAdd", "AssignedPodDelete", as Kubernetes' metrics and logs call it; "UnschedulableTimeout"
// is the flush of pods that have waited for long.
std::string label(ClusterEvent event);

// The changes of a node or pod that the queue distinguishes, in the order they are offered.
std::vector<ClusterEvent> node_events(const api::Node& before, const api::Node& after);
std::vector<ClusterEvent> pod_events(const PodInfo& before, const PodInfo& after);

}  // namespace mainspring::scheduler
