#include "models/api/claim_helpers.h"

#include <fmt/format.h>

#include <algorithm>

namespace mainspring::api {

std::optional<Str> claim_name_of(const Pod& pod, const PodResourceClaim& entry) {
  if (!is_from_template(entry)) return entry.resource_claim_name;
  for (const PodResourceClaimStatus& s : pod.status.resource_claim_statuses) {
    if (s.name == entry.name) return s.resource_claim_name;
  }
  return std::nullopt;
}

bool is_reserved_for(const ResourceClaim& claim, const Pod& pod) {
  const auto& list = claim.status.reserved_for;
  return std::any_of(list.begin(), list.end(),
                     [&](const auto& r) { return r.uid == pod.metadata.uid; });
}

bool is_protected(const ResourceClaim& claim) {
  const auto& list = claim.metadata.finalizers;
  return std::find(list.begin(), list.end(), kClaimFinalizer) != list.end();
}

ResourceClaimConsumerReference reservation_for(const Pod& pod) {
  ResourceClaimConsumerReference user;
  user.resource = "pods";
  user.name = pod.metadata.name;
  user.uid = pod.metadata.uid;
  return user;
}

std::string not_owner(const Pod& pod, const ResourceClaim& claim) {
  return fmt::format("ResourceClaim {}/{} was not created for pod {}/{} (pod is not owner)",
                     claim.metadata.namespace_.view(), claim.metadata.name.view(),
                     pod.metadata.namespace_.view(), pod.metadata.name.view());
}

}  // namespace mainspring::api
