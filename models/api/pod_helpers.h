// Questions about pods (and nodes) that every part asks: what they request, their quality of
// service, conditions, owners. Semantics of Kubernetes v1.35 (component-helpers/resource,
// kubectl/pkg/util/podutils, pkg/api/v1/pod); amounts are exact until the caller converts them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "models/api/types/core.h"

namespace mainspring::api {

using ResourceList = Map<Quantity>;
extern template class Opt<std::vector<ResourceList::Entry>>;
extern template class Map<Quantity>;

// a += b, resource by resource; resources that a lacks are added.
void add_resources(ResourceList& a, const ResourceList& b);
// a = max(a, b), resource by resource.
void max_resources(ResourceList& a, const ResourceList& b);

struct PodRequestOptions {
  // Takes what the kubelet actuated or allocated (in-place resize) into account.
  bool use_status = false;
  bool skip_pod_level = false;
  bool exclude_overhead = false;
  // Per container (init containers too): added for the resources that its requests lack.
  const ResourceList* non_missing = nullptr;
};

// What the scheduler and quotas count: the larger of the sum over containers and the largest init
// container (with the sidecars that run beside it), pod-level requests, overhead.
ResourceList pod_requests(const PodSpec& spec, const PodStatus* status = nullptr,
                          const PodRequestOptions& options = {});
inline ResourceList pod_requests(const Pod& pod, const PodRequestOptions& options = {}) {
  return pod_requests(pod.spec, &pod.status, options);
}
ResourceList pod_limits(const PodSpec& spec);
// Of all containers together, whatever is set for the whole pod.
ResourceList container_limits(const PodSpec& spec);
// cpu, memory and hugepages may be set for the whole pod.
bool is_pod_level_resource(std::string_view name);

// One of pod_qos_class::k...; of the spec, not of what status says.
std::string_view compute_qos_class(const PodSpec& spec);

bool is_sidecar(const Container& init_container);  // restartPolicy: Always

// Conditions of any kind: structs with type, status, reason, message, last_transition_time.
template <class C>
const C* find_condition(const List<C>& conditions, std::string_view type) {
  for (const C& c : conditions) {
    if (c.type == type) return &c;
  }
  return nullptr;
}
template <class C>
bool has_condition(const List<C>& conditions, std::string_view type, std::string_view status) {
  const C* c = find_condition(conditions, type);
  return c && c->status == status;
}
// Adds the condition or replaces the one of its type. lastTransitionTime stays what it was unless
// the status changed. False, and nothing is touched, when it said the same already.
bool set_pod_condition(PodStatus& status, PodCondition condition);
bool set_node_condition(NodeStatus& status, NodeCondition condition);

bool is_ready(const Pod& pod);  // condition Ready is True
// Ready for at least min_ready_seconds at `now`.
bool is_available(const Pod& pod, int32_t min_ready_seconds, Time now);
bool is_terminal(const Pod& pod);  // phase Succeeded or Failed
inline bool is_terminating(const Pod& pod) { return !pod.metadata.deletion_timestamp.is_zero(); }
inline bool is_active(const Pod& pod) { return !is_terminal(pod) && !is_terminating(pod); }
const ContainerStatus* find_container_status(const List<ContainerStatus>& statuses,
                                             std::string_view name);
bool is_ready(const Node& node);

// Static pods that the kubelet mirrors, and pods owned by a DaemonSet.
bool is_mirror_pod(const Pod& pod);
bool is_daemon_set_pod(const Pod& pod);

// The owner with controller: true; null if there is none.
const OwnerReference* controller_of(const ObjectMeta& metadata);
inline const OwnerReference* controller_of(const Object& object) {
  return controller_of(object.metadata);
}
bool is_controlled_by(const Object& object, const Object& owner);  // by uid
OwnerReference make_controller_reference(const Object& owner);     // with blockOwnerDeletion

// The pod's priority; 0 if it has none yet.
inline int32_t priority_of(const Pod& pod) { return pod.spec.priority.value_or(0); }

// The tag or digest that decides the default pull policy: "latest" if the image has neither.
std::string_view image_tag(std::string_view image);

}  // namespace mainspring::api
