// Questions about resource claims that the scheduler, the controllers and the kubelets all ask.
// Source: k8s.io/dynamic-resource-allocation/resourceclaim (v1.35).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "models/api/types/core.h"
#include "models/api/types/resource.h"

namespace mainspring::api {

// On claims that hold devices: they cannot go before those are given back.
inline constexpr std::string_view kClaimFinalizer = "resource.kubernetes.io/delete-protection";

// The name of the claim that an entry of the pod's spec stands for: nothing while it is not made
// yet, empty if none is needed.
std::optional<Str> claim_name_of(const Pod& pod, const PodResourceClaim& entry);
// Whether the entry's claim is made for this pod alone.
inline bool is_from_template(const PodResourceClaim& entry) {
  return entry.resource_claim_name.empty();
}
bool is_reserved_for(const ResourceClaim& claim, const Pod& pod);
bool is_protected(const ResourceClaim& claim);
ResourceClaimConsumerReference reservation_for(const Pod& pod);
// What is wrong with a claim that was made for another pod.
std::string not_owner(const Pod& pod, const ResourceClaim& claim);

}  // namespace mainspring::api
