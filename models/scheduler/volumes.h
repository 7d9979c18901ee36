// What the volume plugins ask of pods, claims and volumes.
//
// Source: component-helpers/storage/ephemeral, component-helpers/scheduling/corev1 (v1.35).
#pragma once

#include <string>
#include <string_view>

#include "models/api/volume_helpers.h"
#include "models/scheduler/pod_info.h"

namespace mainspring::scheduler {

// Whether a volume of the pod stands for the claim.
bool uses_claim(const api::Pod& pod, const api::ObjectMeta& claim);
// What is wrong with the claim of a generic ephemeral volume; empty when it is the pod's.
std::string not_owned(const api::Pod& pod, const api::PersistentVolumeClaim& claim);

// "persistentvolumeclaim "x" not found", as a lister says it.
std::string not_found(std::string_view resource, std::string_view name);

// The reason of plugins that meet a claim without a name.
inline constexpr std::string_view kNamelessClaim = "PersistentVolumeClaim had no name";

// Whether a node's labels satisfy a storage class's allowedTopologies.
bool allows_topology(const api::List<api::TopologySelectorTerm>& terms, const api::StrMap& labels);

}  // namespace mainspring::scheduler
